// Where the lines of layers fall on a picture: from above, or turned about the middle and seen from the side.
// Pure.

export interface Drawn {
  readonly zMm: number;
  /** x0, y0, x1, y1 of each line, mm. */
  readonly lines: readonly number[];
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = 12;
/** How far the eye is above the bed: the share of depth that is left of a length. */
const TILT = 0.5;

/** `angle`: radians about the upright axis; undefined: from above. In the order of `drawn`, to fit `size`. */
export function projected(
  drawn: readonly Drawn[],
  size: Size,
  angle: number | undefined,
): { readonly lines: readonly number[] }[] {
  const flat = drawn.map(({ lines, zMm }) => flatten(lines, zMm, angle));
  let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const points of flat) {
    for (let at = 0; at < points.length; at += 2) {
      const [x, y] = [points[at] ?? 0, points[at + 1] ?? 0];
      [minX, maxX] = [Math.min(minX, x), Math.max(maxX, x)];
      [minY, maxY] = [Math.min(minY, y), Math.max(maxY, y)];
    }
  }
  if (minX > maxX) return flat.map(() => ({ lines: [] }));
  const scale = Math.min(
    (size.width - 2 * MARGIN) / Math.max(maxX - minX, 0.1),
    (size.height - 2 * MARGIN) / Math.max(maxY - minY, 0.1),
  );
  const left = (size.width - (maxX - minX) * scale) / 2;
  const top = (size.height - (maxY - minY) * scale) / 2;
  return flat.map((points) => ({
    lines: points.map((value, index) =>
      index % 2 === 0 ? left + (value - minX) * scale : size.height - top - (value - minY) * scale,
    ),
  }));
}

function flatten(lines: readonly number[], zMm: number, angle: number | undefined): number[] {
  if (angle === undefined) return [...lines];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const points: number[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [x, y] = [lines[at] ?? 0, lines[at + 1] ?? 0];
    points.push(x * cos - y * sin, (x * sin + y * cos) * TILT + zMm);
  }
  return points;
}
