// Keeps a simulated printer running, as a real one would run: a process of its own that outlives
// the bridge, even a killed one.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { isAlive, simulatorFiles } from "../simulator/files.ts";

const START_MS = 5_000;
const POLL_MS = 20;
const LAUNCHER = join(import.meta.dirname, "../bin/simulator.js");

/**
 * The path of the serial port of simulated printer `name`, started if it does not run. An idle one
 * ends by itself after `exitWhenIdleS` of `query`. Rejects with unreachable or the signal's reason.
 */
export async function ensureSimulator(
  dir: string,
  name: string,
  query: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const files = simulatorFiles(dir, name);
  if (!isAlive(files.pid)) {
    mkdirSync(dir, { recursive: true });
    const flags = ["--disable-warning=ExperimentalWarning", LAUNCHER, dir, name, query];
    const child = spawn(process.execPath, flags, { detached: true, stdio: "ignore" });
    child.on("error", () => undefined); // seen below: it never comes up
    child.unref();
  }
  const deadline = clock.monotonic() + START_MS;
  while (!(isAlive(files.pid) && existsSync(files.tty))) {
    if (clock.monotonic() > deadline) {
      throw new GantryError("unreachable", `The simulated printer ${name} did not start in ${dir}`);
    }
    await clock.sleep(POLL_MS, signal);
  }
  return files.tty;
}
