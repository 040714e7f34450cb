// STL files, binary and ASCII, into meshes. Pure and bounded; what cannot be read is refused with its place.
//
// SL1. A file is binary exactly if its length is what its number of triangles says: files exist whose
//      binary header begins with "solid".
// SL2. Nothing is allocated for what a file merely announces: its length has to be there first.

import { type Mesh, badMesh, makeMeshBuilder } from "./mesh.ts";

const HEADER_BYTES = 84;
const TRIANGLE_BYTES = 50;

/** Throws mesh_invalid, too_large. */
export function readStl(bytes: Uint8Array): Mesh {
  const announced = announcedTriangles(bytes);
  if (announced !== undefined && HEADER_BYTES + announced * TRIANGLE_BYTES === bytes.length) {
    return readBinary(bytes, announced); // SL1
  }
  if (isAscii(bytes)) return readAscii(bytes);
  const needed = HEADER_BYTES + (announced ?? 0) * TRIANGLE_BYTES;
  const why =
    announced === undefined
      ? `it has only ${bytes.length} bytes`
      : `${announced} triangles need ${needed} bytes, it has ${bytes.length}`;
  throw badMesh(`This is not an STL file: ${why}`, {
    at: "byte 80",
    hint: "Was it cut off on the way? Export it again.",
  });
}

function announcedTriangles(bytes: Uint8Array): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(80, true);
}

function readBinary(bytes: Uint8Array, triangles: number): Mesh {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const builder = makeMeshBuilder(triangles);
  const corners = new Float64Array(9);
  for (let triangle = 0; triangle < triangles; triangle += 1) {
    const from = HEADER_BYTES + triangle * TRIANGLE_BYTES + 12; // after the normal, which is not trusted
    for (let index = 0; index < 9; index += 1) {
      corners[index] = view.getFloat32(from + index * 4, true);
    }
    builder.addTriangle(corners, `triangle ${triangle + 1}`);
  }
  return builder.finish();
}

const isAscii = (bytes: Uint8Array): boolean =>
  /^\s*solid\b/u.test(new TextDecoder("latin1").decode(bytes.subarray(0, 256)));

const WORD_CHARS_MAX = 400; // a name of a solid is one line; a number is short

/** Reads words, one after the other; lines do not count, except after `solid` and `endsolid`. */
function readAscii(bytes: Uint8Array): Mesh {
  const words = wordsOf(bytes);
  const builder = makeMeshBuilder();
  const corners = new Float64Array(9);
  words.take("solid");
  words.skipLine();
  for (;;) {
    const word = words.next();
    if (word === "endsolid") {
      words.skipLine();
      const more = words.next();
      if (more === undefined) return builder.finish();
      if (more !== "solid") throw words.unexpected(more, "solid");
      words.skipLine();
      continue;
    }
    if (word !== "facet") throw words.unexpected(word, "facet or endsolid");
    words.take("normal");
    for (let index = 0; index < 3; index += 1) words.number(true);
    words.take("outer");
    words.take("loop");
    for (let corner = 0; corner < 3; corner += 1) {
      words.take("vertex");
      for (let axis = 0; axis < 3; axis += 1) corners[corner * 3 + axis] = words.number(false);
    }
    const at = `line ${words.line()}`;
    words.take("endloop");
    words.take("endfacet");
    builder.addTriangle(corners, at);
  }
}

const isSpace = (code: number | undefined): boolean =>
  code === 32 || code === 10 || code === 13 || code === 9;

function wordsOf(bytes: Uint8Array) {
  const latin = new TextDecoder("latin1");
  let at = 0;
  let line = 1;

  function next(): string | undefined {
    while (at < bytes.length && isSpace(bytes[at])) {
      if (bytes[at] === 10) line += 1;
      at += 1;
    }
    const from = at;
    while (at < bytes.length && !isSpace(bytes[at])) {
      at += 1;
      if (at - from > WORD_CHARS_MAX) throw unexpected("a very long word", "an STL word");
    }
    return from === at ? undefined : latin.decode(bytes.subarray(from, at)).toLowerCase();
  }

  function unexpected(found: string | undefined, wanted: string) {
    const shown = found === undefined ? "the end" : JSON.stringify(found.slice(0, 40));
    return badMesh(`This is not an STL file: ${shown} at line ${line}, where ${wanted} should be`, {
      at: `line ${line}`,
      hint: "Was it cut off on the way? Export it again.",
    });
  }

  return {
    next,
    unexpected,
    line: () => line,
    take(wanted: string) {
      const found = next();
      if (found !== wanted) throw unexpected(found, wanted);
    },
    /** A normal may be anything that is written as a number: it is not used. */
    number(isLoose: boolean): number {
      const found = next();
      if (found !== undefined && /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/u.test(found)) {
        return Number(found);
      }
      if (isLoose && found !== undefined && /^-?(?:nan|inf)$/u.test(found)) return 0;
      throw unexpected(found, "a number");
    },
    skipLine() {
      while (at < bytes.length && bytes[at] !== 10) at += 1;
    },
  };
}

/**
 * Binary STL with normals. A face that looks down or back comes first: readers that guess the form by
 * looking for bytes over 127 behind the header (admesh, and so PrusaSlicer) then guess right.
 */
export function writeStl({ corners, triangles }: Mesh): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + triangles * TRIANGLE_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("Gantry"));
  view.setUint32(80, triangles, true);
  const normals = Array.from({ length: triangles }, (_, index) =>
    normalOf(corners.subarray(index * 9, index * 9 + 9)),
  );
  const first = Math.max(
    0,
    normals.findIndex((normal) => normal.some((value) => value < 0)),
  );
  for (let place = 0; place < triangles; place += 1) {
    const triangle = place === 0 ? first : place <= first ? place - 1 : place;
    const to = HEADER_BYTES + place * TRIANGLE_BYTES;
    const numbers = [
      ...(normals[triangle] ?? []),
      ...corners.subarray(triangle * 9, triangle * 9 + 9),
    ];
    for (const [index, value] of numbers.entries()) view.setFloat32(to + index * 4, value, true);
  }
  return bytes;
}

function normalOf(triangle: Float32Array): readonly number[] {
  const [ax = 0, ay = 0, az = 0, bx = 0, by = 0, bz = 0, cx = 0, cy = 0, cz = 0] = triangle;
  const [ux, uy, uz, vx, vy, vz] = [bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az];
  const [x, y, z] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
  const length = Math.hypot(x, y, z);
  return length === 0 ? [0, 0, 0] : [x / length, y / length, z / length];
}
