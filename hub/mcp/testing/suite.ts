// Runs the published conformance suite of MCP, as it is, and reads what it found.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMMAND = join(
  import.meta.dirname,
  "../../../node_modules/@modelcontextprotocol/conformance/dist/index.js",
);

export interface Check {
  readonly scenario: string;
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** `args` as its command line takes them. Checks that only inform are left out. */
export async function runConformance(args: readonly string[]): Promise<{
  readonly code: number | null;
  readonly output: string;
  readonly checks: readonly Check[];
}> {
  const dir = await mkdtemp(join(tmpdir(), "gantry-mcp-"));
  try {
    const child = spawn(process.execPath, [COMMAND, ...args, "-o", dir], {
      cwd: dir,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (output += bytes.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const checks: Check[] = [];
    for (const path of await readdir(dir, { recursive: true })) {
      if (!path.endsWith("checks.json")) continue;
      const scenario = /(?:server-)?(.+?)-\d{4}-/.exec(path)?.[1] ?? path;
      const found = JSON.parse(await readFile(join(dir, path), "utf8")) as Check[];
      checks.push(
        ...found.filter(({ status }) => status !== "INFO").map((one) => ({ ...one, scenario })),
      );
    }
    return { code, output, checks };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
