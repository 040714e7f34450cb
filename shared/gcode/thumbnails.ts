// Pictures that slicers put into comments: `; thumbnail begin 160x120 4321`, lines of base64,
// `; thumbnail end` (PrusaSlicer, OrcaSlicer and their kin, and Cura by a plug-in).
//
// GU1. A picture is kept only if its bytes begin as its format does and have the size that was said;
//      everything else is passed over: a picture is never a reason to refuse a job.
// GU2. It holds at most THUMBNAIL_BYTES_MAX of one picture and THUMBNAILS_MAX pictures.

import { LIMIT } from "../base/policy.ts";

export type ThumbnailFormat = "png" | "jpg" | "qoi";

export interface Thumbnail {
  readonly format: ThumbnailFormat;
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

export interface Thumbnails {
  /** A comment without its `;`, trimmed. True if it is part of a picture. */
  read(note: string): boolean;
  /** The largest first. */
  found(): readonly Thumbnail[];
}

export const THUMBNAILS_MAX = LIMIT.thumbnails.max;
export const THUMBNAIL_BYTES_MAX = LIMIT.thumbnailBytes.max;
/** Pixels of a side: a browser that is shown more would take memory for it. */
const SIDE_MAX = 2_048;

const BEGIN = /^thumbnail(?:_(JPG|QOI|PNG))? begin (\d{1,4})x(\d{1,4}) \d{1,9}$/;
const END = /^thumbnail(?:_(?:JPG|QOI|PNG))? end$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const FORMATS: Readonly<Record<string, ThumbnailFormat>> = { JPG: "jpg", QOI: "qoi", PNG: "png" };

interface Open {
  readonly format: ThumbnailFormat;
  readonly width: number;
  readonly height: number;
  readonly lines: string[];
  chars: number;
}

export function makeThumbnails(): Thumbnails {
  const kept: Thumbnail[] = [];
  let open: Open | undefined;

  function begin(note: string): boolean {
    const [, format = "PNG", width, height] = BEGIN.exec(note) ?? [];
    if (width === undefined || kept.length >= THUMBNAILS_MAX) return false;
    open = {
      format: FORMATS[format] ?? "png",
      width: Number(width),
      height: Number(height),
      lines: [],
      chars: 0,
    };
    return true;
  }

  return {
    read(note) {
      if (open === undefined) return begin(note);
      if (END.test(note)) {
        const picture = pictureOf(open);
        if (picture !== undefined) kept.push(picture);
        open = undefined;
        return true;
      }
      open.chars += note.length;
      if (!BASE64.test(note) || open.chars > (THUMBNAIL_BYTES_MAX * 4) / 3) {
        open = undefined; // GU1, GU2
        return false;
      }
      open.lines.push(note);
      return true;
    },
    found: () => kept.toSorted((a, b) => b.width * b.height - a.width * a.height),
  };
}

function pictureOf({ format, width, height, lines }: Open): Thumbnail | undefined {
  const bytes = decode(lines.join(""));
  if (bytes === undefined || !isOf(format, bytes)) return undefined;
  if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX) return undefined;
  const size = sizeOf(format, bytes);
  if (size !== undefined && (size.width !== width || size.height !== height)) return undefined;
  return { format, width, height, bytes };
}

function decode(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  const binary = atob(text);
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

const STARTS: Readonly<Record<ThumbnailFormat, readonly number[]>> = {
  png: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  jpg: [0xff, 0xd8, 0xff],
  qoi: [0x71, 0x6f, 0x69, 0x66],
};

const isOf = (format: ThumbnailFormat, bytes: Uint8Array): boolean =>
  bytes.length >= 24 && STARTS[format].every((byte, at) => bytes[at] === byte);

/** As the file itself says; a JPEG says it too deep inside to look. */
function sizeOf(
  format: ThumbnailFormat,
  bytes: Uint8Array,
): { readonly width: number; readonly height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (format === "png") return { width: view.getUint32(16), height: view.getUint32(20) };
  if (format === "qoi") return { width: view.getUint32(4), height: view.getUint32(8) };
  return undefined;
}
