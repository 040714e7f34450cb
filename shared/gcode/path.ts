// Where the tool goes: positions, bounds, filament and time, from modal motion commands.
//
// GP1. Bounds are in machine millimetres, whatever units, modes and G92 offsets the file uses.
// GP2. An axis moves only after it was homed; before that nobody knows where it is.
// GP3. The curve of an arc counts, not only its ends.

import { arcOf, placeAt } from "./arc.ts";
import type { Command } from "./command.ts";
import { type LayerFacts, makeLayers } from "./layers.ts";
import { makeMotionTime } from "./motion-time.ts";
import { emptyMove, type Move, moveOf } from "./move.ts";

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
  /** The same for a straight move that was read already. */
  go(move: Move): PathFault | undefined;
  /** A script on the printer ran that homes all axes: what it left behind counts as 0, 0, 0. */
  homedByPrinter(): void;
  /** Undefined as long as nothing moved. */
  bounds(): Bounds | undefined;
  /** Where filament was laid; undefined as long as none was. */
  laidBounds(): Bounds | undefined;
  /** Most filament ever pushed out; a retraction takes nothing away. */
  filamentMm(): number;
  layers(): LayerFacts | undefined;
  /** Of the motion model, with homing and probing as fixed sums and without heating up. */
  seconds(): number;
}

const MM_PER_INCH = 25.4;
const AXES = ["x", "y", "z"] as const;
type Axis = (typeof AXES)[number];

const FEED_MM_S = 30;
/** Of one axis, of which desktop printers home one after the other. */
const HOMING_S = 5;
const PROBING_S = 60;
/** Float noise of slicers' five decimals, added up over relative moves. */
const SLACK_MM = 0.005;
/** Chords by which an arc is timed. */
const CHORD_MM = 1;
const CHORDS_MAX = 256;

/** `sizeMm`: the far corner; the near one is 0, 0, 0. `marginMm`: how far x and y may leave it. */
export function makePath(sizeMm: Point, marginMm: number): Path {
  const machine = { x: 0, y: 0, z: 0 };
  const offset = { x: 0, y: 0, z: 0 };
  const isHomed = { x: false, y: false, z: false };
  const reached = makeBox();
  const laid = makeBox();
  const layers = makeLayers();
  const time = makeMotionTime();
  const scratch = emptyMove();
  const target = { x: 0, y: 0, z: 0 };
  let unitMm = 1;
  let isRelative = false;
  let isRelativeE = false;
  let feedMmS = FEED_MM_S;
  let e = 0;
  let pushedMm = 0;
  let pushedMaxMm = 0;

  function faultAt(axis: Axis, value: number): PathFault | undefined {
    const margin = axis === "z" ? SLACK_MM : SLACK_MM + marginMm;
    if (value >= -margin && value <= sizeMm[axis] + margin) return undefined;
    const why = `goes to ${axis.toUpperCase()}${round(value)}, outside 0 to ${sizeMm[axis]} mm`;
    return { code: "gcode_out_of_bounds", why };
  }

  /** Sets the target on one axis; says what is wrong with going there. */
  function aim(axis: Axis, word: number): PathFault | undefined {
    if (!isHomed[axis]) return invalid(`moves ${axis.toUpperCase()} before G28 homed it`); // GP2
    const value = isRelative ? machine[axis] + word * unitMm : word * unitMm + offset[axis];
    target[axis] = value;
    const fault = faultAt(axis, value);
    if (fault === undefined) reached.include(axis, value);
    return fault;
  }

  function aimAll(move: Move): PathFault | undefined {
    target.x = machine.x;
    target.y = machine.y;
    target.z = machine.z;
    const fault =
      (Number.isNaN(move.x) ? undefined : aim("x", move.x)) ??
      (Number.isNaN(move.y) ? undefined : aim("y", move.y)) ??
      (Number.isNaN(move.z) ? undefined : aim("z", move.z));
    if (fault === undefined && move.f > 0) feedMmS = (move.f * unitMm) / 60;
    return fault;
  }

  function extrude(word: number): number {
    if (Number.isNaN(word)) return 0;
    const deltaMm = isRelative || isRelativeE ? word * unitMm : word * unitMm - e;
    e += deltaMm;
    pushedMm += deltaMm;
    if (pushedMm > pushedMaxMm) pushedMaxMm = pushedMm;
    return deltaMm;
  }

  function lay(): void {
    layers.laidAt(target.z);
    for (const axis of AXES) {
      laid.include(axis, machine[axis]);
      laid.include(axis, target[axis]);
    }
  }

  function arrive(): undefined {
    machine.x = target.x;
    machine.y = target.y;
    machine.z = target.z;
  }

  function go(move: Move): PathFault | undefined {
    const fault = aimAll(move);
    if (fault !== undefined) return fault;
    const [dx, dy, dz] = [target.x - machine.x, target.y - machine.y, target.z - machine.z];
    const de = extrude(move.e);
    time.move(dx, dy, dz, de, feedMmS);
    if (de > 0 && (dx !== 0 || dy !== 0)) lay();
    return arrive();
  }

  function goRound(move: Move, isClockwise: boolean): PathFault | undefined {
    if (!isHomed.x || !isHomed.y) return invalid("moves before G28 homed X and Y");
    const fault = aimAll(move);
    if (fault !== undefined) return fault;
    const arc = arcOf(move, isClockwise, machine, target, unitMm);
    if (typeof arc === "string") return invalid(arc);
    const de = extrude(move.e);
    for (const { x, y } of [...arc.extremes, machine]) {
      const out = faultAt("x", x) ?? faultAt("y", y); // GP3
      if (out !== undefined) return out;
      reached.include("x", x);
      reached.include("y", y);
      if (de > 0) {
        laid.include("x", x);
        laid.include("y", y);
      }
    }
    const chords = Math.min(CHORDS_MAX, Math.max(1, Math.ceil(arc.lengthMm / CHORD_MM)));
    let [x, y] = [machine.x, machine.y];
    for (let chord = 1; chord <= chords; chord += 1) {
      const angle = arc.fromAngle + (arc.turn * chord) / chords;
      const next = placeAt(arc.center, arc.radiusMm, angle);
      // A chord of a coarse arc is shorter than its curve; the curve's length is what takes time.
      const stretch = arc.lengthMm / chords / (Math.hypot(next.x - x, next.y - y) || 1);
      const dz = (target.z - machine.z) / chords;
      time.move((next.x - x) * stretch, (next.y - y) * stretch, dz, de / chords, feedMmS);
      [x, y] = [next.x, next.y];
    }
    if (de > 0) lay();
    return arrive();
  }

  function home(named: readonly Axis[]): undefined {
    const axes = named.length === 0 ? AXES : named;
    for (const axis of axes) {
      isHomed[axis] = true;
      machine[axis] = 0;
      offset[axis] = 0;
    }
    time.pause(HOMING_S * axes.length);
  }

  function setPosition({ words }: Command): PathFault | undefined {
    for (const axis of AXES) {
      const word = words.get(axis.toUpperCase());
      if (word === undefined) continue;
      if (!isHomed[axis]) return invalid("sets a position before G28");
      offset[axis] = machine[axis] - word * unitMm;
    }
    const word = words.get("E");
    if (word !== undefined) e = word * unitMm;
    return undefined;
  }

  return {
    go,
    follow(command) {
      const { name, words } = command;
      switch (name) {
        case "G0":
        case "G1": {
          const odd = moveOf(command, scratch);
          if (odd !== undefined) return invalid(oddLetter(odd, words.get(odd)));
          return "ijrp".split("").some((letter) => !Number.isNaN(scratch[letter as "i"])) // its own keys
            ? invalid("has parameters of an arc")
            : go(scratch);
        }
        case "G2":
        case "G3": {
          const odd = moveOf(command, scratch);
          if (odd !== undefined) return invalid(oddLetter(odd, words.get(odd)));
          return goRound(scratch, name === "G2");
        }
        case "G28":
          return home(AXES.filter((axis) => words.has(axis.toUpperCase())));
        case "G92":
          return setPosition(command);
        case "G4":
          time.pause((words.get("S") ?? 0) + (words.get("P") ?? 0) / 1_000);
          return undefined;
        case "G29":
        case "G80":
          time.pause(PROBING_S);
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
          time.limit(command);
          return undefined;
      }
    },
    homedByPrinter: () => home([]),
    bounds: () => reached.bounds(),
    laidBounds: () => laid.bounds(),
    filamentMm: () => pushedMaxMm,
    layers: () => layers.facts(),
    seconds: () => time.seconds(),
  };
}

const invalid = (why: string): PathFault => ({ code: "gcode_invalid", why });

const oddLetter = (letter: string, value: number | undefined): string =>
  value === undefined
    ? `has ${letter} without a number`
    : `has ${letter}, which no move of a job may have`;

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

interface Box {
  include(axis: Axis, value: number): void;
  bounds(): Bounds | undefined;
}

function makeBox(): Box {
  const min = { x: Infinity, y: Infinity, z: Infinity };
  const max = { x: -Infinity, y: -Infinity, z: -Infinity };
  return {
    include(axis, value) {
      if (value < min[axis]) min[axis] = value;
      if (value > max[axis]) max[axis] = value;
    },
    bounds: () =>
      Math.max(max.x, max.y, max.z) > -Infinity
        ? { min: finite(min), max: finite(max) }
        : undefined,
  };
}

/** An axis that never moved stays where homing left it. */
const finite = (point: Point): Point => ({
  x: Number.isFinite(point.x) ? point.x : 0,
  y: Number.isFinite(point.y) ? point.y : 0,
  z: Number.isFinite(point.z) ? point.z : 0,
});
