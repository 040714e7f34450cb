// Sound as numbers: mono, 16 bit, and 16,000 samples a second wherever something listens.

/** What every ear here takes: Silero, openWakeWord, pocketsphinx and Wyoming speech to text. */
export const EAR_HZ = 16_000;

/** Mono samples with their rate. */
export interface Pcm {
  readonly hz: number;
  readonly samples: Int16Array;
}

const FULL_SCALE = 32_768;

export const floatsOf = (samples: Int16Array): Float32Array =>
  Float32Array.from(samples, (sample) => sample / FULL_SCALE);

export const shortsOf = (samples: Float32Array): Int16Array =>
  Int16Array.from(samples, (sample) =>
    Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(sample * FULL_SCALE))),
  );

/** Little-endian bytes as samples; an odd last byte is left out. */
export function samplesIn(bytes: Uint8Array): Int16Array {
  const samples = new Int16Array(bytes.byteLength >> 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < samples.length; at += 1) samples[at] = view.getInt16(at * 2, true);
  return samples;
}

export function bytesOf(samples: Int16Array): Uint8Array {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (const [at, sample] of samples.entries()) view.setInt16(at * 2, sample, true);
  return bytes;
}

export function joined(pieces: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Loudness against full scale, dB: 0 is the loudest square wave, silence is -120. */
export function loudnessDb(samples: Int16Array): number {
  if (samples.length === 0) return -120;
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / samples.length) / FULL_SCALE;
  return rms <= 1e-6 ? -120 : 20 * Math.log10(rms);
}

/** Louder or quieter by so many dB; clips at full scale. */
export const amplified = (samples: Int16Array, gainDb: number): Int16Array => {
  const gain = 10 ** (gainDb / 20);
  return samples.map((sample) =>
    Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(sample * gain))),
  );
};

/** Cuts what comes in pieces of any length into pieces of exactly `length` samples. */
export function makeRechunker(length: number): (samples: Int16Array) => Int16Array[] {
  let rest = new Int16Array(0);
  return (samples) => {
    const all = rest.length === 0 ? samples : joined([rest, samples]);
    const whole = Math.floor(all.length / length);
    rest = all.slice(whole * length);
    return Array.from({ length: whole }, (_, at) => all.slice(at * length, (at + 1) * length));
  };
}
