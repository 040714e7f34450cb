// Cuts a byte stream of G-code into lines, however the bytes are split.
//
// GL1. Both LF and CR end a line, as in Marlin: `G1 X1\rM997` is two lines, never one.
// GL2. It holds at most `LINE_BYTES_MAX` bytes; a longer line is an error, not more memory.

import { GantryError } from "../base/errors.ts";

/** Slicers write thumbnails and settings into comments of this order; commands are far shorter. */
export const LINE_BYTES_MAX = 8_192;

export interface SourceLine {
  /** Latin-1: one character per byte, so nothing is lost and nothing is merged. */
  readonly text: string;
  /** 1 for the first. CR LF counts once. */
  readonly number: number;
  /** Offset of the first byte after the line's end. */
  readonly endOffset: number;
  /** False for a last line that the file stops in. */
  readonly isEnded: boolean;
}

export interface LineSplitter {
  /** Throws gcode_invalid for a line over LINE_BYTES_MAX. */
  push(bytes: Uint8Array, onLine: (line: SourceLine) => void): void;
  /** Gives the last line if the input did not end in a line end. */
  finish(onLine: (line: SourceLine) => void): void;
}

const LF = 10;
const CR = 13;

/** Bytes 0x80 to 0x9f come out as other characters; no command may have them anyway. */
const decoder = new TextDecoder("latin1");

export function makeLineSplitter(): LineSplitter {
  let held: Uint8Array = new Uint8Array(0);
  let offset = 0;
  let number = 1;
  let isAfterCr = false;

  function hold(bytes: Uint8Array): Uint8Array {
    const length = held.length + bytes.length;
    if (length > LINE_BYTES_MAX) {
      const text = decoder.decode(held.length > 0 ? held : bytes).slice(0, 80);
      const details = { line: number, text };
      const message = `Line ${number} is over ${LINE_BYTES_MAX} bytes`;
      throw new GantryError("gcode_invalid", message, { details });
    }
    if (held.length === 0) return bytes;
    const whole = new Uint8Array(length);
    whole.set(held);
    whole.set(bytes, held.length);
    return whole;
  }

  function give(line: Uint8Array, isEnded: boolean, onLine: (line: SourceLine) => void): void {
    const text = decoder.decode(line);
    held = new Uint8Array(0);
    onLine({ text, number, endOffset: offset, isEnded });
    number += 1;
  }

  return {
    push(bytes, onLine) {
      const base = offset;
      let from = 0;
      for (let index = 0; index < bytes.length; index += 1) {
        const byte = bytes[index];
        if (byte !== LF && byte !== CR) continue;
        offset = base + index + 1;
        const isSecondOfCrLf = byte === LF && index === from && isAfterCr;
        isAfterCr = byte === CR;
        if (!isSecondOfCrLf) give(hold(bytes.subarray(from, index)), true, onLine);
        from = index + 1;
      }
      offset = base + bytes.length;
      if (from === bytes.length) return;
      isAfterCr = false;
      held = hold(bytes.slice(from)); // copied: the caller may use its buffer again
    },
    finish(onLine) {
      if (held.length > 0) give(held, false, onLine);
    },
  };
}
