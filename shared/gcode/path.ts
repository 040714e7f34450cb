// Where the tool goes: positions, bounds, filament and time, from modal motion commands.
//
// GP1. Bounds are in machine millimetres, whatever units, modes and G92 offsets the file uses.
// GP2. An axis moves only after it was homed; before that nobody knows where it is.
// GP3. The curve of an arc counts, not only its ends.

import type { Command } from "./command.ts";

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export interface Bounds {
  readonly min: Point;
  readonly max: Point;
}

/** What a command does wrong, if it does. */
export type PathFault =
  | { readonly code: "gcode_invalid"; readonly why: string }
  | { readonly code: "gcode_out_of_bounds"; readonly why: string };

export interface Path {
  /** Takes a motion, mode or homing command in file order; others are ignored. */
  follow(command: Command): PathFault | undefined;
  /** Undefined as long as nothing moved. */
  bounds(): Bounds | undefined;
  /** Most filament ever pushed out; a retraction takes nothing away. */
  filamentMm(): number;
  /** Heights at which filament was laid, in rising order of first use. */
  layers(): number;
  /** Seconds, with one acceleration for all moves: within a factor of two, no better. */
  seconds(): number;
}

const MM_PER_INCH = 25.4;
const AXES = ["x", "y", "z"] as const;
type Axis = (typeof AXES)[number];

/** A usual value for a desktop printer; real ones range from 300 to 10,000. */
const ACCELERATION_MM_S2 = 1_000;
const FEED_MM_S = 30;
const HOMING_S = 15;
const PROBING_S = 60;
/** Float noise of slicers' five decimals, added up over relative moves. */
const SLACK_MM = 0.005;

/** `sizeMm`: the far corner; the near one is 0, 0, 0. `marginMm`: how far x and y may leave it. */
export function makePath(sizeMm: Point, marginMm: number): Path {
  const machine = { x: 0, y: 0, z: 0 };
  const offset = { x: 0, y: 0, z: 0 };
  const homed = new Set<Axis>();
  const min = { x: Infinity, y: Infinity, z: Infinity };
  const max = { x: -Infinity, y: -Infinity, z: -Infinity };
  let unitMm = 1;
  let isRelative = false;
  let isRelativeE = false;
  let feedMmS = FEED_MM_S;
  let e = 0;
  let pushedMm = 0;
  let pushedMaxMm = 0;
  let highestLayerMm = -Infinity;
  let layers = 0;
  let seconds = 0;

  function include(point: Point, axes: readonly Axis[]): PathFault | undefined {
    for (const axis of axes) {
      const value = point[axis];
      const margin = SLACK_MM + (axis === "z" ? 0 : marginMm);
      if (value < -margin || value > sizeMm[axis] + margin) {
        const limit = `0 to ${sizeMm[axis]} mm`;
        const why = `goes to ${axis.toUpperCase()}${round(value)}, outside ${limit}`;
        return { code: "gcode_out_of_bounds", why };
      }
      min[axis] = Math.min(min[axis], value);
      max[axis] = Math.max(max[axis], value);
    }
    return undefined;
  }

  function targetOf(command: Command): { x: number; y: number; z: number } {
    const target = { ...machine };
    for (const axis of AXES) {
      const word = command.words.get(axis.toUpperCase());
      if (word === undefined) continue;
      target[axis] = isRelative ? machine[axis] + word * unitMm : word * unitMm + offset[axis];
    }
    return target;
  }

  function extrude(command: Command): number {
    const word = command.words.get("E");
    if (word === undefined) return 0;
    const deltaMm = isRelative || isRelativeE ? word * unitMm : word * unitMm - e;
    e += deltaMm;
    pushedMm += deltaMm;
    pushedMaxMm = Math.max(pushedMaxMm, pushedMm);
    return deltaMm;
  }

  function move(command: Command): PathFault | undefined {
    const { words } = command;
    const bare = ["X", "Y", "Z", "E", "F", "I", "J", "R"].find(
      (letter) => words.has(letter) && words.get(letter) === undefined,
    );
    if (bare !== undefined) return invalid(`has ${bare} without a number`);
    const lost = AXES.find((axis) => words.has(axis.toUpperCase()) && !homed.has(axis));
    if (lost !== undefined) return invalid(`moves ${lost.toUpperCase()} before G28 homed it`); // GP2
    const feed = words.get("F");
    if (feed !== undefined && feed > 0) feedMmS = (feed * unitMm) / 60;
    const source = { ...machine };
    const target = targetOf(command);
    const isArc = command.name === "G2" || command.name === "G3";
    if (isArc && !(homed.has("x") && homed.has("y")))
      return invalid("moves before G28 homed X and Y");
    const arc = isArc ? arcOf(command, source, target, unitMm) : undefined;
    if (arc !== undefined && "why" in arc) return arc;
    const deltaE = extrude(command);
    const named = AXES.filter((axis) => words.has(axis.toUpperCase()));
    const axes = arc === undefined ? named : (["x", "y", ...named] as const);
    const points = arc === undefined ? [target] : [...arc.extremes, target]; // GP3
    for (const point of points) {
      const fault = include(point, axes);
      if (fault !== undefined) return fault;
    }
    const lengthMm =
      arc?.lengthMm ?? Math.hypot(...AXES.map((axis) => target[axis] - source[axis]));
    seconds += secondsOf(lengthMm > 0 ? lengthMm : Math.abs(deltaE), feedMmS);
    Object.assign(machine, target);
    if (deltaE > 0 && lengthMm > 0 && machine.z > highestLayerMm + 0.01) {
      highestLayerMm = machine.z;
      layers += 1;
    }
    return undefined;
  }

  function home(command: Command): undefined {
    const named = AXES.filter((axis) => command.words.has(axis.toUpperCase()));
    for (const axis of named.length === 0 ? AXES : named) {
      homed.add(axis);
      machine[axis] = 0;
      offset[axis] = 0;
    }
    seconds += HOMING_S;
  }

  function setPosition(command: Command): PathFault | undefined {
    for (const axis of AXES) {
      const word = command.words.get(axis.toUpperCase());
      if (word === undefined) continue;
      if (!homed.has(axis)) return invalid("sets a position before G28");
      offset[axis] = machine[axis] - word * unitMm;
    }
    const word = command.words.get("E");
    if (word !== undefined) e = word * unitMm;
    return undefined;
  }

  return {
    follow(command) {
      switch (command.name) {
        case "G0":
        case "G1":
        case "G2":
        case "G3":
          return move(command);
        case "G28":
          return home(command);
        case "G92":
          return setPosition(command);
        case "G4":
          seconds += (command.words.get("S") ?? 0) + (command.words.get("P") ?? 0) / 1_000;
          return undefined;
        case "G29":
        case "G80":
          seconds += PROBING_S;
          return undefined;
        case "G20":
          unitMm = MM_PER_INCH;
          return undefined;
        case "G21":
          unitMm = 1;
          return undefined;
        case "G90":
          isRelative = false;
          isRelativeE = false; // Marlin: G90 and G91 set E too, M82 and M83 set it alone
          return undefined;
        case "G91":
          isRelative = true;
          isRelativeE = true;
          return undefined;
        case "M82":
          isRelativeE = false;
          return undefined;
        case "M83":
          isRelativeE = true;
          return undefined;
        default:
          return undefined;
      }
    },
    bounds: () => (hasMoved(max) ? { min: finite(min), max: finite(max) } : undefined),
    filamentMm: () => pushedMaxMm,
    layers: () => layers,
    seconds: () => seconds,
  };
}

const invalid = (why: string): PathFault => ({ code: "gcode_invalid", why });

const hasMoved = (max: Point): boolean => Math.max(max.x, max.y, max.z) > -Infinity;

/** An axis that never moved stays where homing left it. */
const finite = (point: Point): Point => ({
  x: Number.isFinite(point.x) ? point.x : 0,
  y: Number.isFinite(point.y) ? point.y : 0,
  z: Number.isFinite(point.z) ? point.z : 0,
});

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

/** A trapezoid that starts at half speed: slicers' moves mostly join without a stop. */
function secondsOf(lengthMm: number, speedMmS: number): number {
  if (lengthMm === 0) return 0;
  const ramp = speedMmS / (2 * ACCELERATION_MM_S2);
  return lengthMm / speedMmS + Math.min(ramp, Math.sqrt(lengthMm / ACCELERATION_MM_S2));
}

interface Arc {
  readonly lengthMm: number;
  readonly extremes: readonly Point[];
}

/** The circle from `source` to `target`; G2 runs clockwise. R or I and J, as in Marlin, in XY. */
function arcOf(command: Command, source: Point, target: Point, unitMm: number): Arc | PathFault {
  const { words } = command;
  const isClockwise = command.name === "G2";
  const center = words.has("R")
    ? centerOfRadius((words.get("R") ?? 0) * unitMm, source, target, isClockwise)
    : {
        x: source.x + (words.get("I") ?? 0) * unitMm,
        y: source.y + (words.get("J") ?? 0) * unitMm,
      };
  if (center === undefined) return invalid("has an arc whose radius does not reach its end");
  const radius = Math.hypot(source.x - center.x, source.y - center.y);
  if (radius === 0) return invalid("has an arc without a radius");
  const fromAngle = Math.atan2(source.y - center.y, source.x - center.x);
  const toAngle = Math.atan2(target.y - center.y, target.x - center.x);
  const sweep = sweepOf(isClockwise ? fromAngle - toAngle : toAngle - fromAngle);
  const turns = Math.max(0, Math.trunc(words.get("P") ?? 0));
  const extremes: Point[] = [];
  for (let quarter = 0; quarter < 4; quarter += 1) {
    const angle = (quarter * Math.PI) / 2;
    const reach = sweepOf(isClockwise ? fromAngle - angle : angle - fromAngle);
    if (turns === 0 && reach > sweep) continue;
    const x = center.x + radius * Math.cos(angle);
    const y = center.y + radius * Math.sin(angle);
    extremes.push({ x, y, z: target.z });
  }
  const lengthMm = Math.hypot(radius * (sweep + turns * 2 * Math.PI), target.z - source.z);
  return { lengthMm, extremes };
}

/** 0 < sweep <= one turn: an arc back to where it began is a full circle. */
function sweepOf(angle: number): number {
  const turn = 2 * Math.PI;
  const sweep = ((angle % turn) + turn) % turn;
  return sweep < 1e-9 ? turn : sweep;
}

function centerOfRadius(
  radius: number,
  source: Point,
  target: Point,
  isClockwise: boolean,
): { x: number; y: number } | undefined {
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
