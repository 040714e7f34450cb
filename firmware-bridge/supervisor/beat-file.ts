// The heartbeat's file. Written in place: a full disk stops no beat, once the file is there.

import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { type Beat, formatBeat, parseBeat } from "./heartbeat.ts";

/** Undefined if there is none; `unreadable` while it is being written, or after damage. */
export function readBeat(path: string): Beat | undefined | "unreadable" {
  try {
    return parseBeat(readFileSync(path, "utf8")) ?? "unreadable";
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && error.code === "ENOENT";
    return isGone ? undefined : "unreadable";
  }
}

export interface BeatFile {
  /** Never throws: a beat that could not be written is a missing beat. False then. */
  write(beat: Beat): boolean;
  /** The bridge ends in order; nobody needs to look after its printers. */
  remove(): void;
}

export function openBeatFile(path: string): BeatFile {
  let lengthBytes = 0;

  function write(beat: Beat): boolean {
    // A shorter text is filled up with spaces, so that nothing of the longer one is left behind it.
    const text = formatBeat(beat).trimEnd().padEnd(lengthBytes);
    try {
      const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        writeSync(file, text, 0);
      } finally {
        closeSync(file);
      }
      lengthBytes = Math.max(lengthBytes, Buffer.byteLength(text));
      return true;
    } catch {
      return false;
    }
  }

  const known = readBeat(path);
  if (known !== undefined) rmSync(path, { force: true }); // of another length than ours
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return { write, remove: () => rmSync(path, { force: true }) };
}
