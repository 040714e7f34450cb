// Runs one program: no shell, a clean environment, a folder of its own, and an end.
//
// X1. The program leads a process group of its own; time-out, abort and a normal end all kill the
//     whole group, so that nothing it started stays behind.
// X2. Output past OUTPUT_BYTES_MAX is read and dropped (a full pipe would hang the program); the
//     result says that it was cut.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { runGroup } from "./process-group.ts";

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

interface Order {
  readonly program: string;
  readonly args: readonly string[];
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * `facts`: more variables that the program sees. Throws command_failed when it cannot start, and the
 * signal's reason when that ends it.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  facts: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-command-"));
  try {
    if (signal.aborted) throw reasonOf(signal);
    return await runIn(folder, { program, args, facts }, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runIn(
  folder: string,
  { program, args, facts }: Order,
  signal: AbortSignal,
): Promise<ProgramResult> {
  const heard: ReturnType<typeof gather>[] = [];
  const hear = (...streams: NodeJS.ReadableStream[]): void =>
    void heard.push(...streams.map(gather));
  const environment = { ...facts, ...ENVIRONMENT };
  const end = await runGroup({ program, args, folder, environment, hear }, signal); // X1
  const [stdout = "", stderr = ""] = heard.map((one) => one.text());
  return { ...end, stdout, stderr, isCut: heard.some((one) => one.isCut()) };
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
