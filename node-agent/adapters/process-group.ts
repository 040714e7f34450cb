// A program in a process group of its own, which never outlives its order.
//
// PG1. Abort and end of the program both kill the whole group: what it left in the background would go
//      on, and hold our pipes open.

import { spawn } from "node:child_process";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";

export interface GroupOrder {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  /** All of it; HOME and TMPDIR are the folder. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called once, before anything is said. */
  readonly hear: (stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream) => void;
}

export interface GroupEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Throws the signal's reason, command_failed where it cannot be started. */
export function runGroup(
  { program, args, folder, environment, hear }: GroupOrder,
  signal: AbortSignal,
): Promise<GroupEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...environment, HOME: folder, TMPDIR: folder },
      shell: false,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    hear(child.stdout, child.stderr);
    const killGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is empty already.
      }
    };
    signal.addEventListener("abort", killGroup, { once: true });
    child.once("exit", killGroup);
    child.once("error", (cause) => {
      signal.removeEventListener("abort", killGroup);
      reject(new GantryError("command_failed", `${program} cannot be started`, { cause }));
    });
    child.once("close", (exitCode, endSignal) => {
      signal.removeEventListener("abort", killGroup);
      if (signal.aborted) reject(reasonOf(signal));
      else resolve({ exitCode, signal: endSignal });
    });
  });
}
