#!/usr/bin/env node
// The command `gantry`. Opens the compile cache before the first .ts file loads, which halves the
// start; then hands over to cli/main.ts. Plain JavaScript that any Node since 20 can read: started by
// an older one (a bare `npx gantry`), it starts itself again with the project's own.

import { existsSync } from "node:fs";
import module from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NODE_MAJOR_MIN = 24; // runs .ts as it is and knows `await using`

if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR_MIN) {
  await startAgain();
} else {
  // A folder of this user's own: code from a shared one would be somebody else's to choose.
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME && join(process.env.HOME, ".cache"));
  const directory = join(
    home || join(tmpdir(), `gantry-${process.getuid?.() ?? 0}`),
    "gantry",
    "compiled",
  );
  module.enableCompileCache({ directory, portable: true });
  await import("../cli/main.ts");
}

async function startAgain() {
  const node = join(import.meta.dirname, "..", "..", "node_modules", ".bin", "node");
  if (!existsSync(node)) {
    process.stderr.write(
      `gantry: Node ${process.versions.node} is too old and the project's own is missing\n` +
        "  Run npm ci in the project's folder.\n",
    );
    process.exit(69);
  }
  const { spawnSync } = await import("node:child_process");
  const run = spawnSync(node, process.argv.slice(1), { stdio: "inherit" });
  process.exitCode = run.status ?? 70;
}
