// The header of a WAV file: PCM of 16 bits, whatever chunks stand before the samples.
//
// WV1. Whatever the bytes are, the answer is a header or bad_request; lengths in the file are not believed
//      beyond the bytes that are there (a pipe writes 0 or 4 GiB for "not known yet").

import { GantryError } from "../base/errors.ts";

const HZ_MIN = 4_000;
const HZ_MAX = 192_000;
const CHANNELS_MAX = 8;

export interface WavHeader {
  readonly hz: number;
  readonly channels: number;
  /** Where the samples begin. */
  readonly dataAt: number;
}

/** Undefined: more bytes are needed. Throws bad_request for what is no such WAV. */
export function readWavHeader(bytes: Uint8Array): WavHeader | undefined {
  if (bytes.byteLength < 12) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw refuse("it is no WAV file");
  let format: Omit<WavHeader, "dataAt"> | undefined;
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const name = tag(at);
    const size = view.getUint32(at + 4, true);
    if (name === "data") {
      if (format === undefined) throw refuse("its samples come before its format");
      return { ...format, dataAt: at + 8 };
    }
    if (name === "fmt ") {
      if (at + 24 > bytes.byteLength) return undefined;
      format = formatAt(view, at + 8);
    }
    at += 8 + size + (size & 1);
  }
  return undefined;
}

function formatAt(view: DataView, at: number): Omit<WavHeader, "dataAt"> {
  const code = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const hz = view.getUint32(at + 4, true);
  const bits = view.getUint16(at + 14, true);
  // 0xfffe is "see the extension"; with 16 bits it is plain PCM, too.
  if ((code !== 1 && code !== 0xfffe) || bits !== 16) throw refuse("it is not PCM with 16 bits");
  if (channels < 1 || channels > CHANNELS_MAX) throw refuse(`it has ${channels} channels`);
  if (hz < HZ_MIN || hz > HZ_MAX) throw refuse(`it has ${hz} samples a second`);
  return { hz, channels };
}

const refuse = (why: string): GantryError =>
  new GantryError("bad_request", `The sound cannot be read: ${why}`);
