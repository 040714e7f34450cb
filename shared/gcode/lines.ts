// Cuts a byte stream of G-code into lines, however the bytes are split.
//
// GL1. Both LF and CR end a line, as in Marlin: `G1 X1\rM997` is two lines, never one.
// GL2. It holds at most `LINE_BYTES_MAX` bytes. A longer line that is a comment by then is cut there:
//      no printer hears of comments, and some slicers write their whole start script into one. Any
//      other longer line is an error, not more memory.

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
  /** Throws gcode_invalid for a line over LINE_BYTES_MAX that is no comment. */
  push(bytes: Uint8Array, onLine: (line: SourceLine) => void): void;
  /** Gives the last line if the input did not end in a line end. */
  finish(onLine: (line: SourceLine) => void): void;
}

const LF = 10;
const CR = 13;

/** Bytes 0x80 to 0x9f come out as other characters; no command may have them anyway. */
const decoder = new TextDecoder("latin1");

export function makeLineSplitter(): LineSplitter {
  let held = "";
  let offset = 0;
  let number = 1;
  let isAfterCr = false;

  function hold(piece: string): string {
    if (held.length + piece.length <= LINE_BYTES_MAX) return held === "" ? piece : held + piece;
    const kept = (held + piece).slice(0, LINE_BYTES_MAX);
    if (kept.includes(";")) return kept; // GL2
    const message = `Line ${number} is over ${LINE_BYTES_MAX} bytes`;
    const hint = "Commands are far shorter: this is no G-code, or its line ends were lost.";
    const details = { line: number, text: kept.slice(0, 80), hint };
    throw new GantryError("gcode_invalid", message, { details });
  }

  function give(text: string, isEnded: boolean, onLine: (line: SourceLine) => void): void {
    held = "";
    onLine({ text, number, endOffset: offset, isEnded });
    number += 1;
  }

  return {
    push(bytes, onLine) {
      const base = offset;
      const text = decoder.decode(bytes); // once: one call for each line costs more than the rest
      let from = 0;
      for (let index = 0; index < text.length; index += 1) {
        const code = text.charCodeAt(index);
        if (code !== LF && code !== CR) continue;
        offset = base + index + 1;
        const isSecondOfCrLf = code === LF && index === from && isAfterCr;
        isAfterCr = code === CR;
        if (!isSecondOfCrLf) give(hold(text.slice(from, index)), true, onLine);
        from = index + 1;
      }
      offset = base + bytes.length;
      if (from === text.length) return;
      isAfterCr = false;
      held = hold(text.slice(from));
    },
    finish(onLine) {
      if (held !== "") give(held, false, onLine);
    },
  };
}
