// WAV files: PCM, 16 bit. Written with one header, read whatever chunks stand before the data.
//
// WV1. Whatever the bytes are, the answer is sound or bad_request; lengths in the file are not believed
//      beyond the bytes that are there (a pipe writes 0 or 4 GiB for "not known yet").

import { GantryError } from "@gantry/shared/base/errors.ts";
import { bytesOf, type Pcm, samplesIn } from "./pcm.ts";

const HEADER_BYTES = 44;
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

/** A whole file as mono. Throws bad_request. */
export function readWav(bytes: Uint8Array): Pcm {
  const header = readWavHeader(bytes);
  if (header === undefined) throw refuse("it ends before its samples");
  return {
    hz: header.hz,
    samples: mono(samplesIn(bytes.subarray(header.dataAt)), header.channels),
  };
}

export function writeWav({ hz, samples }: Pcm): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + samples.length * 2);
  bytes.set(wavHeader(hz, samples.length * 2));
  bytes.set(bytesOf(samples), HEADER_BYTES);
  return bytes;
}

/** For a stream whose length is not known, give 0xffffffff - 36. */
export function wavHeader(hz: number, dataBytes: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const tag = (at: number, text: string): void => {
    for (let place = 0; place < text.length; place += 1) bytes[at + place] = text.charCodeAt(place);
  };
  tag(0, "RIFF");
  view.setUint32(4, 36 + dataBytes, true);
  tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, hz, true);
  view.setUint32(28, hz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  tag(36, "data");
  view.setUint32(40, dataBytes, true);
  return bytes;
}

/** The mean of all channels. */
export function mono(samples: Int16Array, channels: number): Int16Array {
  if (channels === 1) return samples;
  return Int16Array.from({ length: Math.floor(samples.length / channels) }, (_, at) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      sum += samples[at * channels + channel] ?? 0;
    }
    return Math.round(sum / channels);
  });
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
