// Test equipment: an appliance of a hub and a node agent that lists one slow command.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Appliance, startAppliance, until } from "./appliance.ts";

export interface SlowCommand extends AsyncDisposable {
  readonly appliance: Appliance;
  /** The script's `$0`: where it leaves its traces. */
  readonly folder: string;
}

/** `slow`: `script` for /bin/sh. Resolves when the machine offers it. */
export async function startSlowCommand(
  script: string,
  facts: { readonly timeoutMs: number; readonly effect: "once" | "idempotent" },
): Promise<SlowCommand> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "gantry-slow-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const slow = { program: "/bin/sh", args: ["-c", script, folder], hazard: "none", ...facts };
  const commands = join(folder, "commands.json");
  await writeFile(commands, JSON.stringify({ slow }));
  const env = { GANTRY_COMMANDS: commands };
  const appliance = stack.use(await startAppliance({ env, parts: ["hub", "agent"] }));
  await until("the machine", async () => {
    const { body } = await appliance.api("GET", "/api/registry");
    return JSON.stringify(body).includes('"slow"');
  });
  const parts = stack.move();
  return { appliance, folder, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
