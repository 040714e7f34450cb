// A picture of a part: seen from the front, the right and above, lit from the viewer's left. Pure.

import type { Mesh } from "./mesh.ts";
import { crc32 } from "./zip.ts";

/** Gives the zlib form of the bytes (RFC 1950). */
export type Deflate = (bytes: Uint8Array) => Uint8Array;

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, opacity. */
  readonly pixels: Uint8Array;
}

const LIGHT = unit([-0.35, -0.6, 0.75]);
const TINT = [92, 150, 214] as const;
const MARGIN = 0.06; // of the picture, on each side

/** From where it is seen, in radians, and how much of the picture it fills: 1 for all of it. */
export interface Viewpoint {
  readonly across: number;
  readonly up: number;
  readonly zoom: number;
}
export const USUAL_VIEW: Viewpoint = { across: Math.PI / 6, up: Math.PI / 5.2, zoom: 1 };

type Vector = readonly [number, number, number];

export function drawMesh(
  { corners, triangles }: Mesh,
  width: number,
  height: number,
  view: Viewpoint = USUAL_VIEW,
): Picture {
  const seen = turned(corners, view);
  const { scale, left, top } = fitted(seen, width, height, view.zoom);
  const pixels = new Uint8Array(width * height * 4);
  const depths = new Float32Array(width * height).fill(-Infinity);
  for (let at = 0; at < triangles * 9; at += 9) {
    const shade = shadeOf(corners.subarray(at, at + 9));
    const point = (corner: number): Vector => {
      const from = at + corner * 3;
      const [x = 0, y = 0, z = 0] = [seen[from], seen[from + 1], seen[from + 2]];
      return [left + x * scale, top - y * scale, z];
    };
    fill(point(0), point(1), point(2), width, height, (index, depth) => {
      if (depth <= (depths[index] ?? 0)) return;
      depths[index] = depth;
      for (const [channel, tint] of TINT.entries())
        pixels[index * 4 + channel] = Math.min(255, tint * shade);
      pixels[index * 4 + 3] = 255;
    });
  }
  return { width, height, pixels };
}

/** Screen x and y in mm, and how near, for each corner. */
function turned(corners: Float32Array, { across, up }: Viewpoint): Float32Array {
  const seen = new Float32Array(corners.length);
  const [sa, ca, su, cu] = [Math.sin(across), Math.cos(across), Math.sin(up), Math.cos(up)];
  for (let at = 0; at < corners.length; at += 3) {
    const [x = 0, y = 0, z = 0] = [corners[at], corners[at + 1], corners[at + 2]];
    const deep = x * sa + y * ca;
    seen[at] = x * ca - y * sa;
    seen[at + 1] = z * cu + deep * su;
    seen[at + 2] = z * su - deep * cu;
  }
  return seen;
}

function fitted(
  seen: Float32Array,
  width: number,
  height: number,
  zoom: number,
): { scale: number; left: number; top: number } {
  const [min, max] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  for (let at = 0; at < seen.length; at += 3) {
    for (const axis of [0, 1]) {
      const value = seen[at + axis] ?? 0;
      min[axis] = Math.min(min[axis] ?? value, value);
      max[axis] = Math.max(max[axis] ?? value, value);
    }
  }
  const [minX = 0, minY = 0] = min;
  const [maxX = 0, maxY = 0] = max;
  const room = 1 - 2 * MARGIN;
  const scale =
    zoom *
    Math.min(
      (width * room) / Math.max(maxX - minX, 1e-6),
      (height * room) / Math.max(maxY - minY, 1e-6),
    );
  return {
    scale,
    left: width / 2 - ((minX + maxX) / 2) * scale,
    top: height / 2 + ((minY + maxY) / 2) * scale,
  };
}

function shadeOf(triangle: Float32Array): number {
  const [ax = 0, ay = 0, az = 0, bx = 0, by = 0, bz = 0, cx = 0, cy = 0, cz = 0] = triangle;
  const [ux, uy, uz, vx, vy, vz] = [bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az];
  const normal = unit([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx]);
  const facing = normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2];
  return 0.55 + 0.6 * Math.max(0, facing);
}

function unit([x, y, z]: Vector): Vector {
  const length = Math.hypot(x, y, z);
  return length === 0 ? [0, 0, 0] : [x / length, y / length, z / length];
}

/** Every pixel whose middle is in the triangle, with its depth. */
function fill(
  a: Vector,
  b: Vector,
  c: Vector,
  width: number,
  height: number,
  paint: (index: number, depth: number) => void,
): void {
  const area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  if (area === 0) return;
  const fromX = Math.max(0, Math.floor(Math.min(a[0], b[0], c[0])));
  const toX = Math.min(width - 1, Math.ceil(Math.max(a[0], b[0], c[0])));
  const fromY = Math.max(0, Math.floor(Math.min(a[1], b[1], c[1])));
  const toY = Math.min(height - 1, Math.ceil(Math.max(a[1], b[1], c[1])));
  for (let y = fromY; y <= toY; y += 1) {
    for (let x = fromX; x <= toX; x += 1) {
      const [px, py] = [x + 0.5, y + 0.5];
      const u = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) / area;
      const v = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) / area;
      const w = 1 - u - v;
      if (u < 0 || v < 0 || w < 0) continue;
      paint(y * width + x, u * a[2] + v * b[2] + w * c[2]);
    }
  }
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** PNG (ISO 15948): 8 bits a channel with opacity, no filter. */
export function pngOf({ width, height, pixels }: Picture, deflate: Deflate): Uint8Array {
  const rows = new Uint8Array(height * (width * 4 + 1));
  for (let y = 0; y < height; y += 1) {
    rows.set(pixels.subarray(y * width * 4, (y + 1) * width * 4), y * (width * 4 + 1) + 1);
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 6, 0, 0, 0], 8);
  const chunks = [
    chunk("IHDR", head),
    chunk("IDAT", deflate(rows)),
    chunk("IEND", new Uint8Array()),
  ];
  const bytes = new Uint8Array(
    SIGNATURE.length + chunks.reduce((sum, { length }) => sum + length, 0),
  );
  bytes.set(SIGNATURE);
  let at = SIGNATURE.length;
  for (const piece of chunks) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
