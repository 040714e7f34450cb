// The job that a mill or a laser works on: its file, read ahead, as lines that Grbl takes.
//
// GJ1. The lines are the file's own, in order, each once; what a line means was judged before (shared/gcode/grbl.ts).
// GJ2. A chunk of the file is read ahead while lines are left; at most one read is out.

import { type ErrorRecord, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { readGrblLine } from "@gantry/shared/gcode/grbl.ts";
import { makeLineSplitter, type SourceLine } from "@gantry/shared/gcode/lines.ts";
import type { JobFile } from "../ports.ts";
import { CHUNK_BYTES, type Cleared, readChunk } from "./preflight.ts";

export interface GrblLine {
  readonly text: string;
  /** Offset of the first byte behind it. */
  readonly tag: number;
}

/**
 * running -> ending(done); running -> pausing -> paused -> running; any -> stopping (held, then reset) ->
 * ending(cancelled).
 */
export type GrblPhase = "running" | "pausing" | "paused" | "stopping" | "resetting" | "ending";

export interface GrblJob {
  readonly kind: "printing";
  readonly job: string;
  token: number;
  phase: GrblPhase;
  failure: ErrorRecord | undefined;
  readonly estimatedS: number;
  readonly sizeBytes: number;
  /** The next line, or undefined while none is read. */
  peek(): GrblLine | undefined;
  shift(): void;
  /** Every line was taken. */
  isOut(): boolean;
  /** GJ2. `onRead`: there are new lines, or the failure is set. */
  refill(onRead: () => void): void;
  close(): Promise<void>;
}

const AHEAD_LINES = 256;

export function makeGrblJob(job: string, token: number, file: JobFile, cleared: Cleared): GrblJob {
  const splitter = makeLineSplitter();
  const queue: GrblLine[] = [];
  let offset = 0;
  let isRead = file.sizeBytes === 0;
  let reading: Promise<void> | undefined;

  function take(line: SourceLine): void {
    const read = readGrblLine(line.text, line.number);
    if (read !== undefined) queue.push({ text: read.text, tag: line.endOffset });
  }

  async function readAhead(): Promise<void> {
    try {
      splitter.push(await readChunk(file, cleared, offset), take);
      offset += CHUNK_BYTES;
      if (offset < file.sizeBytes) return;
      splitter.finish(take);
      isRead = true;
    } catch (error) {
      self.failure ??= toErrorRecord(error);
    }
  }

  const self: GrblJob = {
    kind: "printing",
    job,
    token,
    phase: "running",
    failure: undefined,
    estimatedS: cleared.scan.estimatedS,
    sizeBytes: file.sizeBytes,
    peek: () => queue[0],
    shift: () => void queue.shift(),
    isOut: () => isRead && queue.length === 0,
    refill(onRead) {
      const isFull = isRead || queue.length >= AHEAD_LINES;
      if (isFull || reading !== undefined || self.failure !== undefined) return;
      reading = readAhead().finally(() => {
        reading = undefined;
        onRead();
      });
    },
    async close() {
      await reading;
      await file.close();
    },
  };
  return self;
}
