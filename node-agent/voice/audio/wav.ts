// WAV files: PCM, 16 bit. Written with one header, read whatever chunks stand before the data.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { readWavHeader } from "@gantry/shared/contract/wav-header.ts";
import { bytesOf, type Pcm, samplesIn } from "./pcm.ts";

const HEADER_BYTES = 44;

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

const refuse = (why: string): GantryError =>
  new GantryError("bad_request", `The sound cannot be read: ${why}`);
