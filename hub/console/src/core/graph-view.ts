// What part of a drawing is in the window, and how large. Pure.
//
//   V1. What is under the pointer stays there while the scale changes.
//   V2. A scale is between SCALE.min and SCALE.max; some of the drawing is always in the window.

import type { Point } from "./graph-layout.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Window coordinates are drawing coordinates times `scale`, plus (x, y). */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export const SCALE = { min: 0.05, max: 2.5, legible: 0.85 } as const;
const MARGIN = 24;

/** All of it, centred, never larger than life. */
export function fit(drawing: Size, box: Size): View {
  const room = { width: box.width - 2 * MARGIN, height: box.height - 2 * MARGIN };
  const scale = Math.max(
    SCALE.min,
    Math.min(1, room.width / drawing.width, room.height / drawing.height),
  );
  return centred(drawing, box, scale);
}

/** All of it if it can be read then; else as large as can be read, with `at` in the middle. */
export function open(drawing: Size, box: Size, at: Point): View {
  const whole = fit(drawing, box);
  if (whole.scale >= SCALE.legible) return whole;
  const { legible: scale } = SCALE;
  const { x, y } = centred(drawing, box, scale);
  const view = { x: box.width / 2 - at.x * scale, y: box.height / 2 - at.y * scale, scale };
  const slack = { width: drawing.width * scale, height: drawing.height * scale };
  // No empty half window where the drawing begins or ends.
  return {
    x: slack.width + 2 * MARGIN <= box.width ? x : between(view.x, slack.width, box.width),
    y: slack.height + 2 * MARGIN <= box.height ? y : between(view.y, slack.height, box.height),
    scale,
  };
}

const between = (offset: number, length: number, room: number): number =>
  Math.min(MARGIN, Math.max(room - length - MARGIN, offset));

const centred = (drawing: Size, box: Size, scale: number): View => ({
  x: (box.width - drawing.width * scale) / 2,
  y: (box.height - drawing.height * scale) / 2,
  scale,
});

/** V1. `at` in window coordinates. */
export function zoomed(view: View, factor: number, at: Point): View {
  const scale = Math.min(SCALE.max, Math.max(SCALE.min, view.scale * factor));
  const ratio = scale / view.scale;
  return { x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio, scale };
}

/** V2. */
export function moved(view: View, by: Point, drawing: Size, box: Size): View {
  const edge = 2 * MARGIN;
  const keep = (offset: number, length: number, room: number): number =>
    Math.min(room - edge, Math.max(edge - length * view.scale, offset));
  return {
    ...view,
    x: keep(view.x + by.x, drawing.width, box.width),
    y: keep(view.y + by.y, drawing.height, box.height),
  };
}

/** Moved as little as shows the whole of a rectangle of the drawing, given by centre and size. */
export function showing(view: View, centre: Point, size: Size, box: Size): View {
  const shift = (offset: number, middle: number, length: number, room: number): number => {
    const from = offset + (middle - length / 2) * view.scale - MARGIN;
    const to = offset + (middle + length / 2) * view.scale + MARGIN;
    if (from < 0) return offset - from;
    return to > room ? offset - (to - room) : offset;
  };
  return {
    ...view,
    x: shift(view.x, centre.x, size.width, box.width),
    y: shift(view.y, centre.y, size.height, box.height),
  };
}
