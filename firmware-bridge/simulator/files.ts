// Where a simulated printer's files are, and whether its process runs.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface SimulatorFiles {
  readonly tty: string;
  readonly pid: string;
  readonly control: string;
  readonly log: string;
}

export const simulatorFiles = (dir: string, name: string): SimulatorFiles => ({
  tty: join(dir, `${name}.tty`),
  pid: join(dir, `${name}.pid`),
  control: join(dir, `${name}.ctl`),
  log: join(dir, `${name}.log`),
});

/** Is the process of this pid file a running one? */
export function isAlive(pidFile: string): boolean {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("simulator.js");
  } catch {
    return false;
  }
}
