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

/** `offset` and `number`: where the first byte stands in its file. */
export function makeLineSplitter(offset = 0, number = 1): LineSplitter {
  const held = new Uint8Array(LINE_BYTES_MAX);
  let heldBytes = 0;
  let nextOffset = offset;
  let nextNumber = number;
  let isAfterCr = false;

  function end(onLine: (line: SourceLine) => void, isEnded: boolean): void {
    const text = latin1(held, heldBytes);
    heldBytes = 0;
    onLine({ text, number: nextNumber, endOffset: nextOffset, isEnded });
    nextNumber += 1;
  }

  return {
    push(bytes, onLine) {
      for (const byte of bytes) {
        nextOffset += 1;
        const isSecondOfCrLf = byte === LF && isAfterCr;
        isAfterCr = byte === CR;
        if (isSecondOfCrLf) continue;
        if (byte === LF || byte === CR) {
          end(onLine, true);
        } else if (heldBytes === LINE_BYTES_MAX) {
          throw new GantryError("gcode_invalid", `Line ${nextNumber} is over ${heldBytes} bytes`, {
            details: { line: nextNumber, text: latin1(held, 80) },
          });
        } else {
          held[heldBytes] = byte;
          heldBytes += 1;
        }
      }
    },
    finish(onLine) {
      if (heldBytes > 0) end(onLine, false);
    },
  };
}

function latin1(bytes: Uint8Array, length: number): string {
  let text = "";
  for (let index = 0; index < length; index += 4_096) {
    text += String.fromCharCode(...bytes.subarray(index, Math.min(length, index + 4_096)));
  }
  return text;
}
