// A real supervisor beside a real bridge and a simulated board that does not reset when it is opened.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeRig, type Rig } from "../bridge/rig.ts";
import { heartbeatPath } from "./config.ts";

const LAUNCHER = join(import.meta.dirname, "../bin/supervisor.js");
const WAIT_MS = 30_000;

function startSupervisor(rig: Rig, plugOff?: string): AsyncDisposable {
  const child: ChildProcess = spawn(process.execPath, [LAUNCHER], {
    env: {
      GANTRY_DATA_DIR: rig.dir,
      GANTRY_LOG_LEVEL: "silent",
      ...(plugOff === undefined ? {} : { GANTRY_PLUG_OFF: plugOff }),
    },
    stdio: "ignore",
  });
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Asks again until it is so. */
async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function heatUp(rig: Rig): Promise<void> {
  const agent = await rig.connect();
  await agent.phase("idle");
  await agent.ask(rig.order("hot", ["M140 S60", "M109 S200", "G28", "G1 X1 F600"]));
  await until("heat", async () => (await rig.fault({})).nozzleTargetC > 0);
  await until("a beat that tells of it", () =>
    Promise.resolve(readFileSync(heartbeatPath({}, rig.dir), "utf8").includes('"isHot":true')),
  );
  agent.close();
}

const isCold = (rig: Rig) => async (): Promise<boolean> => {
  const { nozzleTargetC, bedTargetC, phase } = await rig.fault({});
  return phase === "running" && nozzleTargetC === 0 && bedTargetC === 0;
};

it.each(["SIGKILL", "SIGSTOP"] as const)(
  "switches the heaters off when the bridge dies of %s",
  async (signal) => {
    await using rig = makeRig("heat=1&dtr=0");
    await using _supervisor = startSupervisor(rig);
    await heatUp(rig);
    rig.bridge().kill(signal);
    await until("cold heaters", isCold(rig));
    // The firmware kept running: it was told, not reset.
    expect((await rig.fault({})).phase).toBe("running");
  },
);

it("calls the plug when the printer does not answer", async () => {
  await using rig = makeRig("heat=1&dtr=0");
  const program = join(rig.dir, "plug-off");
  const seen = join(rig.dir, "plug-seen");
  writeFileSync(program, `#!/bin/sh\necho "$1" > ${seen}\n`);
  chmodSync(program, 0o700);
  await using _supervisor = startSupervisor(rig, program);
  await heatUp(rig);
  await rig.fault({ isFrozen: true });
  rig.bridge().kill("SIGKILL");
  await until("the plug", () => Promise.resolve(existsSync(seen)));
  expect(readFileSync(seen, "utf8")).toBe("sim\n");
});

it("leaves nothing to do after an end in order", async () => {
  await using rig = makeRig("heat=1&dtr=0");
  await heatUp(rig);
  const ended = once(rig.bridge(), "exit");
  rig.bridge().kill("SIGTERM");
  await ended;
  expect(existsSync(heartbeatPath({}, rig.dir))).toBe(false);
  expect(await isCold(rig)()).toBe(true);
});
