// Arcs in the XY plane (G2, G3), by I and J or by R, as Marlin reads them.

import type { Move } from "./move.ts";

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Arc {
  readonly center: Place;
  readonly radiusMm: number;
  readonly fromAngle: number;
  /** Radians of the whole way, clockwise below zero. */
  readonly turn: number;
  /** In XY alone. */
  readonly lengthMm: number;
  /** Where it reaches furthest along an axis, besides its ends. */
  readonly extremes: readonly Place[];
}

const TURNS_MAX = 100;
const TURN = 2 * Math.PI;

/** A string says what is wrong with the arc. Places in mm; `unitMm`: mm of one unit of the move. */
export function arcOf(
  move: Move,
  isClockwise: boolean,
  source: Place,
  target: Place,
  unitMm: number,
): Arc | string {
  const hasRadius = !Number.isNaN(move.r);
  const hasCenter = !Number.isNaN(move.i) || !Number.isNaN(move.j);
  if (hasRadius && hasCenter) return "has an arc with both R and a center";
  const center = hasRadius
    ? centerOfRadius(move.r * unitMm, source, target, isClockwise)
    : { x: source.x + (move.i || 0) * unitMm, y: source.y + (move.j || 0) * unitMm };
  if (center === undefined) return "has an arc whose radius does not reach its end";
  const radiusMm = Math.hypot(source.x - center.x, source.y - center.y);
  if (radiusMm === 0) return "has an arc without a radius";
  const turns = Number.isNaN(move.p) ? 0 : Math.trunc(move.p);
  if (turns < 0 || turns > TURNS_MAX) return `has an arc of ${turns} turns`;
  const fromAngle = Math.atan2(source.y - center.y, source.x - center.x);
  const toAngle = Math.atan2(target.y - center.y, target.x - center.x);
  const sweep = sweepOf(isClockwise ? fromAngle - toAngle : toAngle - fromAngle);
  const extremes: Place[] = [];
  for (let quarter = 0; quarter < 4; quarter += 1) {
    const angle = (quarter * Math.PI) / 2;
    const reach = sweepOf(isClockwise ? fromAngle - angle : angle - fromAngle);
    if (turns === 0 && reach > sweep) continue;
    extremes.push(placeAt(center, radiusMm, angle));
  }
  const whole = sweep + turns * TURN;
  const turn = isClockwise ? -whole : whole;
  return { center, radiusMm, fromAngle, turn, lengthMm: radiusMm * whole, extremes };
}

export const placeAt = (center: Place, radiusMm: number, angle: number): Place => ({
  x: center.x + radiusMm * Math.cos(angle),
  y: center.y + radiusMm * Math.sin(angle),
});

/** 0 < sweep <= one turn: an arc back to where it began is a full circle. */
function sweepOf(angle: number): number {
  const sweep = ((angle % TURN) + TURN) % TURN;
  return sweep < 1e-9 ? TURN : sweep;
}

function centerOfRadius(
  radius: number,
  source: Place,
  target: Place,
  isClockwise: boolean,
): Place | undefined {
  const dx = target.x - source.x;
  const dy = target.y - source.y;
  const chord = Math.hypot(dx, dy);
  const squared = radius ** 2 - (chord / 2) ** 2;
  if (chord === 0 || squared < -1e-6) return undefined;
  const height = Math.sqrt(Math.max(0, squared));
  // Marlin: a positive R takes the short way, a negative one the long way round.
  const side = isClockwise !== radius < 0 ? 1 : -1;
  return {
    x: source.x + dx / 2 + (side * height * dy) / chord,
    y: source.y + dy / 2 - (side * height * dx) / chord,
  };
}
