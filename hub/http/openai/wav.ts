// A WAV file (RIFF, PCM of 16 bits, one channel) around samples, and samples at another rate.

const HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;

export function wavOf(pcm: Uint8Array, rateHz: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + pcm.byteLength);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(HEADER_BYTES - 8 + pcm.byteLength, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16); // of the format that follows
  bytes.writeUInt16LE(1, 20); // PCM
  bytes.writeUInt16LE(1, 22); // channels
  bytes.writeUInt32LE(rateHz, 24);
  bytes.writeUInt32LE(rateHz * SAMPLE_BYTES, 28);
  bytes.writeUInt16LE(SAMPLE_BYTES, 32);
  bytes.writeUInt16LE(8 * SAMPLE_BYTES, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(pcm.byteLength, 40);
  bytes.set(pcm, HEADER_BYTES);
  return bytes;
}

/** Between two samples a straight line. Right for going up; what is above half of `toHz` would fold. */
export function atRate(pcm: Uint8Array, fromHz: number, toHz: number): Uint8Array {
  if (fromHz === toHz) return pcm;
  const source = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  const count = Math.floor(pcm.byteLength / SAMPLE_BYTES);
  const length = Math.floor((count * toHz) / fromHz);
  const target = Buffer.alloc(length * SAMPLE_BYTES);
  const sample = (index: number): number =>
    source.readInt16LE(Math.min(index, count - 1) * SAMPLE_BYTES);
  for (let index = 0; index < length; index += 1) {
    const place = (index * fromHz) / toHz;
    const before = Math.floor(place);
    const share = place - before;
    const value = sample(before) * (1 - share) + sample(before + 1) * share;
    target.writeInt16LE(Math.round(value), index * SAMPLE_BYTES);
  }
  return target;
}
