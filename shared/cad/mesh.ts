// A body as a printer needs it: closed, the right way round, with a size. Pure, in time and memory
// that grow with the number of triangles alone.
//
// ME1. Watertight: every edge belongs to exactly two triangles, which run along it in opposite
//      directions. Corners are one if their three 32-bit coordinates are equal.
// ME2. No coordinate that is not a finite number within COORDINATE_MAX gets past `addTriangle`.

import { GantryError } from "../base/errors.ts";
import { LIMIT } from "../base/policy.ts";

export interface Size {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Nine coordinates in mm for each triangle, counter-clockwise from outside. */
export interface Mesh {
  readonly triangles: number;
  readonly corners: Float32Array;
}

export interface MeshFacts {
  readonly triangles: number;
  readonly vertices: number;
  readonly sizeMm: Size;
  readonly minMm: Size;
  readonly volumeMm3: number;
}

/** In mm: no printer is that large, and float32 is still exact to 0.01 there. */
const COORDINATE_MAX = 100_000;

export const badMesh = (
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): GantryError => new GantryError("mesh_invalid", message, { details });

export interface MeshBuilder {
  /** Throws mesh_invalid (ME2), too_large. `at`: where it stands in the file, for the message. */
  addTriangle(corners: ArrayLike<number>, at: string): void;
  finish(): Mesh;
}

export function makeMeshBuilder(expected = 1_024): MeshBuilder {
  const { max } = LIMIT.meshTriangles;
  let corners = new Float32Array(9 * Math.max(1, Math.min(expected, max)));
  let triangles = 0;
  return {
    addTriangle(given, at) {
      if (triangles >= max) {
        throw new GantryError("too_large", `The model has more than ${max} triangles`);
      }
      if ((triangles + 1) * 9 > corners.length) {
        const larger = new Float32Array(Math.min(corners.length * 2, max * 9));
        larger.set(corners);
        corners = larger;
      }
      for (let index = 0; index < 9; index += 1) {
        const value = given[index] ?? Number.NaN;
        if (!(Math.abs(value) <= COORDINATE_MAX)) {
          const text = `A coordinate is not a number within ${COORDINATE_MAX} mm, at ${at}`;
          throw badMesh(text, { at, hint: "Export the model again, in mm." });
        }
        corners[triangles * 9 + index] = value;
      }
      triangles += 1;
    },
    finish: () => ({ triangles, corners: corners.subarray(0, triangles * 9) }),
  };
}

/** ME1. Throws mesh_invalid with `details.at` and `details.hint`. */
export function checkMesh(mesh: Mesh): MeshFacts {
  if (mesh.triangles === 0) {
    throw badMesh("The model is empty", { hint: "Look at the sizes: nothing is left of it." });
  }
  const { indices, vertices } = weld(mesh);
  assertClosed(mesh, indices, vertices);
  const volumeMm3 = volumeOf(mesh);
  if (!(volumeMm3 > 0)) {
    throw badMesh("The model is inside out: its volume is not above 0", {
      volumeMm3,
      hint: "Turn its faces round in the program that made it.",
    });
  }
  const { min, max } = boundsOf(mesh);
  const sizeMm = { x: max.x - min.x, y: max.y - min.y, z: max.z - min.z };
  return { triangles: mesh.triangles, vertices, sizeMm, minMm: min, volumeMm3 };
}

/** Throws mesh_invalid where a body of this size cannot stand on a bed of that size. */
export function assertFits(size: Size, room: Size): void {
  const over = (["x", "y", "z"] as const).filter((axis) => size[axis] > room[axis]);
  if (over.length === 0) return;
  const isTurned = size.x <= room.y && size.y <= room.x && size.z <= room.z;
  const hint = isTurned ? "It fits when turned by 90 degrees." : "Make it smaller, or in parts.";
  const told = (of: Size): string => `${round(of.x)} x ${round(of.y)} x ${round(of.z)} mm`;
  throw badMesh(`The part is ${told(size)}; there is room for ${told(room)}`, {
    axes: over,
    sizeMm: size,
    roomMm: room,
    hint,
  });
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** Gives each corner the number of its place: an open hash table over the bits of the coordinates. */
function weld({ corners, triangles }: Mesh): { indices: Uint32Array; vertices: number } {
  const count = triangles * 3;
  const places = corners.map((value) => (value === 0 ? 0 : value)); // -0 and 0 are one place
  const bits = new Uint32Array(places.buffer, places.byteOffset, places.length);
  const tableSize = 2 ** Math.ceil(Math.log2(count * 2 + 1));
  const table = new Int32Array(tableSize).fill(-1); // of corners, the first of each place
  const indices = new Uint32Array(count);
  const numbers = new Uint32Array(count); // of places, by their first corner
  let vertices = 0;
  for (let corner = 0; corner < count; corner += 1) {
    const [a = 0, b = 0, c = 0] = [bits[corner * 3], bits[corner * 3 + 1], bits[corner * 3 + 2]];
    let slot = mix(a, b, c) & (tableSize - 1);
    for (;;) {
      const first = table[slot] ?? -1;
      if (first < 0) {
        table[slot] = corner;
        numbers[corner] = vertices;
        indices[corner] = vertices;
        vertices += 1;
        break;
      }
      if (bits[first * 3] === a && bits[first * 3 + 1] === b && bits[first * 3 + 2] === c) {
        indices[corner] = numbers[first] ?? 0;
        break;
      }
      slot = (slot + 1) & (tableSize - 1);
    }
  }
  return { indices, vertices };
}

function mix(a: number, b: number, c: number): number {
  let hash = Math.imul(a, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** ME1, by sorting: an edge is a number, and its two directions are neighbours when all is well. */
function assertClosed(mesh: Mesh, indices: Uint32Array, vertices: number): void {
  const edges = new Float64Array(indices.length);
  let used = 0;
  for (let triangle = 0; triangle < mesh.triangles; triangle += 1) {
    const at = triangle * 3;
    const [a = 0, b = 0, c = 0] = [indices[at], indices[at + 1], indices[at + 2]];
    if (a === b || b === c || c === a) continue; // without it its neighbours meet each other
    edges[used] = edgeOf(a, b, vertices);
    edges[used + 1] = edgeOf(b, c, vertices);
    edges[used + 2] = edgeOf(c, a, vertices);
    used += 3;
  }
  const sorted = edges.subarray(0, used).toSorted();
  for (let at = 0; at < used;) {
    const edge = Math.floor((sorted[at] ?? 0) / 2);
    let end = at;
    let backward = 0;
    for (; end < used && Math.floor((sorted[end] ?? 0) / 2) === edge; end += 1) {
      backward += (sorted[end] ?? 0) % 2;
    }
    if (end - at !== 2 || backward !== 1) throw openEdge(mesh, indices, edge, vertices, end - at);
    at = end;
  }
}

/** Twice the number of the edge, and 1 if it runs from the higher corner to the lower. */
const edgeOf = (from: number, to: number, vertices: number): number =>
  (Math.min(from, to) * vertices + Math.max(from, to)) * 2 + (from > to ? 1 : 0);

function openEdge(
  mesh: Mesh,
  indices: Uint32Array,
  edge: number,
  vertices: number,
  times: number,
): GantryError {
  const corner = indices.indexOf(Math.floor(edge / vertices));
  const place = Array.from(mesh.corners.subarray(corner * 3, corner * 3 + 3), round);
  const why =
    times === 1
      ? "there is a hole"
      : times === 2
        ? "two faces there look in opposite directions"
        : `${times} faces meet in one edge`;
  return badMesh(`The model is not closed: ${why} at ${place.join(", ")} mm`, {
    at: place,
    faces: times,
    hint: "Repair it in the program that made it; parts that touch must overlap or be apart.",
  });
}

function volumeOf({ corners, triangles }: Mesh): number {
  let six = 0;
  for (let at = 0; at < triangles * 9; at += 9) {
    const [ax = 0, ay = 0, az = 0, bx = 0, by = 0, bz = 0, cx = 0, cy = 0, cz = 0] =
      corners.subarray(at, at + 9);
    six += ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx);
  }
  return six / 6;
}

function boundsOf({ corners }: Mesh): { min: Size; max: Size } {
  const min = [Infinity, Infinity, Infinity];
  const max = [-Infinity, -Infinity, -Infinity];
  for (const [index, value] of corners.entries()) {
    const axis = index % 3;
    if (value < (min[axis] ?? 0)) min[axis] = value;
    if (value > (max[axis] ?? 0)) max[axis] = value;
  }
  return { min: pointOf(min), max: pointOf(max) };
}

const pointOf = ([x = 0, y = 0, z = 0]: readonly number[]): Size => ({ x, y, z });
