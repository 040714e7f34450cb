import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { forkLlama } from "./llama-process.ts";

/** Started by the child, outlives it, and holds its stderr. */
const HOLDER = `
  import { spawn } from "node:child_process";
  spawn("sleep", ["600"], { stdio: ["ignore", "ignore", 2], detached: true });
`;

async function childOf(pid: number): Promise<number> {
  const patience = systemClock.timeout(10_000);
  for (;;) {
    const found = Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), 10);
    if (found > 0) return found;
    await systemClock.sleep(5, patience);
  }
}

it.skipIf(process.platform !== "linux")(
  "a child has ended when its process has, whoever still holds its stderr",
  { timeout: 20_000 },
  async () => {
    const code = `data:text/javascript,${encodeURIComponent(HOLDER)}`;
    const environment = { PATH: process.env["PATH"] ?? "" };
    const child = forkLlama({ environment, nodeArguments: ["--import", code] }, () => {});
    const holder = await childOf(child.pid);
    try {
      child.kill();
      expect(await child.ended).toMatchObject({ code: null, signal: "SIGKILL" });
    } finally {
      process.kill(holder, "SIGKILL");
    }
  },
);
