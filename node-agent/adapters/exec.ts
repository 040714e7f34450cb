// Runs one program: no shell, a clean environment, a folder of its own, and an end.
//
// X1. The program leads a process group of its own; time-out, abort and a normal end all kill the
//     whole group, so that nothing it started stays behind.
// X2. Output past OUTPUT_BYTES_MAX is read and dropped (a full pipe would hang the program); the
//     result says that it was cut.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isCut: boolean;
}

/** For stdout and for stderr, each. */
export const OUTPUT_BYTES_MAX = 65_536;

// The only environment a listed command gets: no LD_PRELOAD, no tokens, words in plain English.
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C.UTF-8" } as const;

/** Throws command_failed when it cannot start, and the signal's reason when that ends it. */
export async function runProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramResult> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-command-"));
  try {
    if (signal.aborted) throw reasonOf(signal);
    return await runIn(folder, program, args, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runIn(
  folder: string,
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...ENVIRONMENT, HOME: folder, TMPDIR: folder },
      shell: false,
      detached: true, // its own process group (X1)
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    const killGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is empty already.
      }
    };
    signal.addEventListener("abort", killGroup, { once: true });
    child.once("exit", killGroup); // what it left in the background holds our pipes open
    child.once("error", (cause) => {
      signal.removeEventListener("abort", killGroup);
      reject(new GantryError("command_failed", `${program} cannot be started`, { cause }));
    });
    child.once("close", (exitCode, endSignal) => {
      signal.removeEventListener("abort", killGroup);
      if (signal.aborted) return reject(reasonOf(signal));
      resolve({
        exitCode,
        signal: endSignal,
        stdout: stdout.text(),
        stderr: stderr.text(),
        isCut: stdout.isCut() || stderr.isCut(),
      });
    });
  });
}

function gather(stream: NodeJS.ReadableStream): { text(): string; isCut(): boolean } {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  let wasCut = false;
  stream.on("data", (piece: Buffer) => {
    const room = OUTPUT_BYTES_MAX - sizeBytes;
    wasCut ||= piece.length > room;
    if (room <= 0) return;
    pieces.push(piece.subarray(0, room));
    sizeBytes += Math.min(piece.length, room);
  });
  return { text: () => Buffer.concat(pieces).toString("utf8"), isCut: () => wasCut };
}
