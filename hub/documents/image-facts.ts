// What a picture is, by its first bytes: PNG or JPEG, and how large.

export interface ImageFacts {
  readonly mediaType: "image/png" | "image/jpeg";
  readonly width: number;
  readonly height: number;
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const SIDE_MAX = 20_000;

/** Undefined for anything else, and for sides beyond 20,000 pixels. */
export function imageFacts(bytes: Uint8Array): ImageFacts | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const facts = PNG.every((byte, at) => bytes[at] === byte) ? ofPng(view) : ofJpeg(view);
  if (facts === undefined) return undefined;
  const { width, height } = facts;
  return width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX ? facts : undefined;
}

/** IHDR is the first chunk (PNG 1.2, 5.6). */
function ofPng(view: DataView): ImageFacts | undefined {
  if (view.byteLength < 24 || view.getUint32(12) !== 0x49_48_44_52) return undefined;
  return { mediaType: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
}

/** The first frame header: SOF0 to SOF15 without DHT, JPG and DAC (ITU T.81, table B.1). */
function ofJpeg(view: DataView): ImageFacts | undefined {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xff_d8) return undefined;
  for (let at = 2; at + 9 < view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame)
      return {
        mediaType: "image/jpeg",
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
      };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return undefined;
}
