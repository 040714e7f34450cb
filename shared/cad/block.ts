// The simplest body there is: for self-tests of slicers, and for tests.

import { type Mesh, makeMeshBuilder } from "./mesh.ts";

/** Corners of each face, counter-clockwise from outside; bits 0, 1 and 2 of a corner are its x, y and z. */
export const BLOCK_FACES: readonly (readonly [number, number, number])[] = [
  [0, 2, 3],
  [0, 3, 1],
  [4, 5, 7],
  [4, 7, 6],
  [0, 1, 5],
  [0, 5, 4],
  [2, 6, 7],
  [2, 7, 3],
  [0, 4, 6],
  [0, 6, 2],
  [1, 3, 7],
  [1, 7, 5],
];

/** A block of these sizes in mm, one corner at the origin. */
export function blockMesh(
  x: number,
  y: number,
  z: number,
  faces: readonly (readonly number[])[] = BLOCK_FACES,
): Mesh {
  const builder = makeMeshBuilder(faces.length);
  for (const face of faces) {
    const corners = face.flatMap((bits) => [
      (bits & 1) * x,
      ((bits >> 1) & 1) * y,
      (bits >> 2) * z,
    ]);
    builder.addTriangle(corners, "a block");
  }
  return builder.finish();
}
