// Jobs for Grbl: mills and lasers. Read whole before anything of them may be sent, like prints (scan.ts).
//
// GG1. A line has one meaning: letters with plain numbers, after comments are gone; nothing of it acts past
//      Grbl's buffer (`!`, `?`, `~`, 0x18 and bytes over 127) or outlives the job (`$`, G10, G28.1, G30.1).
// GG2. What is cut in one job fits the machine: its extent, for where the workpiece lies nobody knows here.
// GG3. The person who confirms hears that a spindle or a laser runs, how fast, and whether it is left on.

import { arcOf, type Place } from "./arc.ts";
import { invalidLine } from "./command.ts";
import { fault, HINTS } from "./faults.ts";
import { makeLineSplitter, type SourceLine } from "./lines.ts";
import { emptyMove } from "./move.ts";
import type { Bounds, Point } from "./path.ts";
import type { GcodeLimits, GcodeScanner } from "./scan.ts";
import { GantryError } from "../base/errors.ts";

/** Grbl's line buffer has 80 bytes, the closing zero among them. */
export const GRBL_LINE_MAX = 79;
const RAPID_MM_MIN = 3_000;
const INCH_MM = 25.4;

const G_ALLOWED: ReadonlySet<string> = new Set(
  (
    "0 1 2 3 4 17 18 19 20 21 28 30 38.2 38.3 38.4 38.5 40 43.1 49 53 54 55 56 57 58 59 " +
    "61 80 90 91 91.1 92 92.1 93 94"
  ).split(" "),
);
const M_ALLOWED: ReadonlySet<string> = new Set("0 1 2 3 4 5 7 8 9 30".split(" "));
const LETTERS = "ABCDFHIJKLNPQRSTXYZ";

export type GrblWord = readonly [letter: string, value: number, text: string];

/** What goes over the wire, and its words. Undefined for a line that says nothing. Throws gcode_invalid. */
export function readGrblLine(
  source: string,
  number: number,
): { readonly text: string; readonly words: readonly GrblWord[] } | undefined {
  const fail = (why: string): GantryError => invalidLine(why, number, source);
  const bare = source
    .replaceAll(/\([^)]*\)/g, "")
    .replace(/;.*$/, "")
    .replaceAll(/\s/g, "")
    .toUpperCase();
  if (bare === "" || bare === "%") return undefined;
  if (bare.startsWith("$")) throw fail("is a setting or a command of the machine, not of a job");
  if (!/^[\x21-\x7e]*$/.test(bare)) throw fail("has a byte that is not printable ASCII");
  if (/[!?~]/.test(bare)) throw fail("has a character that acts at once");
  if (bare.length > GRBL_LINE_MAX) throw fail(`is over ${GRBL_LINE_MAX} bytes`);
  const words: GrblWord[] = [];
  const word = /([A-Z])([-+]?(?:\d{1,7}(?:\.\d{0,8})?|\.\d{1,8}))/y;
  while (word.lastIndex < bare.length) {
    const found = word.exec(bare);
    if (found === null) throw fail("cannot be read");
    const [, letter = "", digits = ""] = found;
    words.push([letter, Number(digits), digits.replace(/^\+/, "")]);
    if (letter !== "G" && letter !== "M" && !LETTERS.includes(letter)) {
      throw fail(`has the word ${letter}, which Grbl does not know`);
    }
  }
  return { text: bare, words };
}

const REASONS: Readonly<Record<string, string>> = {
  G10: "changes an origin for every later job",
  "G28.1": "changes a stored position",
  "G30.1": "changes a stored position",
  M6: "asks for another tool, which Grbl cannot; split the job by tools",
  M98: "runs a program of the machine",
};

interface Modal {
  motion: number;
  isRelative: boolean;
  unitMm: number;
  feedMmMin: number;
  plane: 17 | 18 | 19;
}

type Axis = "x" | "y" | "z";
const AXES: readonly Axis[] = ["x", "y", "z"];
const NOWHERE: Bounds = { min: { x: 0, y: 0, z: 0 }, max: { x: 0, y: 0, z: 0 } };

/** As makeScanner does for printers. Throws as GcodeScanner says. */
export function makeGrblScanner(limits: GcodeLimits): GcodeScanner {
  const splitter = makeLineSplitter();
  const modal: Modal = { motion: 0, isRelative: false, unitMm: 1, feedMmMin: 0, plane: 17 };
  const at: Record<Axis, number | undefined> = { x: undefined, y: undefined, z: undefined };
  const min: Record<Axis, number> = { x: Infinity, y: Infinity, z: Infinity };
  const max: Record<Axis, number> = { x: -Infinity, y: -Infinity, z: -Infinity };
  let commands = 0;
  let lines = 0;
  let seconds = 0;
  let spindleMax = 0;
  let speed = 0;
  let isOn = false;
  let wasOn = false;
  let storedMoves = false;
  let waits = false;
  let isOver = false;
  let isLastMove = false;
  let last: SourceLine | undefined;

  function see(axis: Axis, value: number, line: SourceLine): void {
    min[axis] = Math.min(min[axis], value);
    max[axis] = Math.max(max[axis], value);
    const extent = max[axis] - min[axis];
    const room = limits.sizeMm[axis] + 2 * (limits.marginMm ?? 0);
    if (extent <= room + 0.001) return;
    const why = `it needs ${extent.toFixed(1)} mm along ${axis.toUpperCase()}, the machine has ${room}`; // GG2
    throw fault("gcode_out_of_bounds", { why, hint: HINTS.bounds }, line);
  }

  function setMode(value: number): void {
    if (value >= 0 && value <= 3) modal.motion = value;
    else if (value === 20) modal.unitMm = INCH_MM;
    else if (value === 21) modal.unitMm = 1;
    else if (value === 90 || value === 91) modal.isRelative = value === 91;
    else if (value === 17 || value === 18 || value === 19) modal.plane = value;
    else if (value === 28 || value === 30) storedMoves = true;
    else if (value === 80) modal.motion = -1;
    else if (value >= 38 && value < 39) modal.motion = 1;
  }

  function setTool(value: number): void {
    if (value === 3 || value === 4) [isOn, wasOn] = [true, true];
    else if (value === 5 || value === 2 || value === 30) isOn = false;
    if (value === 0) waits = true;
    isOver = value === 2 || value === 30;
  }

  function take(line: SourceLine): void {
    lines += 1;
    const read = readGrblLine(line.text, line.number);
    if (read === undefined) return;
    commands += 1;
    last = line;
    const { words } = read;
    const values = new Map<string, number>();
    let isOutside = false; // G53, G28, G30, G92: not in the workpiece's own coordinates
    for (const [letter, value, digits] of words) {
      if (letter === "G") {
        allow("G", digits, line);
        setMode(value);
        isOutside ||= [28, 30, 53, 92].includes(Math.trunc(value));
      } else if (letter === "M") {
        allow("M", digits, line);
        setTool(value);
      } else if (values.has(letter)) {
        throw invalidLine(`has ${letter} twice`, line.number, line.text);
      } else values.set(letter, value);
    }
    const feed = values.get("F");
    if (feed !== undefined) modal.feedMmMin = feed * modal.unitMm;
    speed = values.get("S") ?? speed;
    if (speed < 0) throw invalidLine("has a speed below zero", line.number, line.text);
    if (isOn) spindleMax = Math.max(spindleMax, speed);
    const isMove = ["X", "Y", "Z"].some((axis) => values.has(axis));
    isLastMove = isMove;
    if (isMove && isOutside) forgetPlace(values);
    else if (isMove && modal.motion >= 0) move(values, line);
  }

  function forgetPlace(values: ReadonlyMap<string, number>): void {
    for (const axis of AXES) if (values.has(axis.toUpperCase())) at[axis] = undefined;
  }

  function move(values: ReadonlyMap<string, number>, line: SourceLine): void {
    if (modal.motion > 0 && modal.feedMmMin <= 0) {
      throw invalidLine("cuts before any feed rate (F) was given", line.number, line.text);
    }
    const from: Record<Axis, number> = { x: at.x ?? 0, y: at.y ?? 0, z: at.z ?? 0 };
    const to = { ...from };
    for (const axis of AXES) {
      const value = values.get(axis.toUpperCase());
      if (value === undefined) continue;
      if (at[axis] === undefined && modal.isRelative) see(axis, from[axis], line);
      to[axis] = value * modal.unitMm + (modal.isRelative ? from[axis] : 0);
      at[axis] = to[axis];
      see(axis, to[axis], line);
    }
    let lengthMm = Math.hypot(...AXES.map((axis) => to[axis] - from[axis]));
    if (modal.motion > 1 && modal.plane === 17) lengthMm = arc(values, from, to, line);
    const rate = modal.motion === 0 ? RAPID_MM_MIN : modal.feedMmMin;
    seconds += (lengthMm / rate) * 60;
  }

  function arc(
    values: ReadonlyMap<string, number>,
    from: Place,
    to: Place,
    line: SourceLine,
  ): number {
    const given = { ...emptyMove() };
    for (const letter of ["i", "j", "r"] as const) {
      given[letter] = values.get(letter.toUpperCase()) ?? Number.NaN;
    }
    const found = arcOf(given, modal.motion === 2, from, to, modal.unitMm);
    if (typeof found === "string") throw invalidLine(found, line.number, line.text, HINTS.move);
    for (const { x, y } of found.extremes) {
      see("x", x, line);
      see("y", y, line);
    }
    return found.lengthMm;
  }

  function hazards(): string[] {
    const found: string[] = [];
    if (wasOn) found.push(`runs the spindle or laser, up to S${spindleMax}`); // GG3
    if (isOn)
      found.push("leaves the spindle or laser on; the bridge resets the machine at the end");
    if (commands > 0) found.push("moves the machine");
    if (storedMoves) found.push("moves to a stored position");
    if (waits) found.push("stops until a person goes on");
    return found;
  }

  const bounds = (): Bounds =>
    AXES.some((axis) => min[axis] <= max[axis])
      ? { min: pointOf(min), max: pointOf(max) }
      : NOWHERE;

  return {
    push: (bytes) => splitter.push(bytes, take),
    finish() {
      splitter.finish(take);
      if (last === undefined) throw new GantryError("gcode_invalid", "The file has no command");
      if (!last.isEnded && isLastMove && !isOver) {
        const why = "the last line, a move, has no end";
        throw fault("gcode_truncated", { why, hint: HINTS.whole }, last);
      }
      const estimatedS = Math.ceil(seconds);
      return {
        commands,
        lines,
        estimatedS,
        nozzleMaxC: 0,
        bedMaxC: 0,
        filamentMm: 0,
        layers: 0,
        boundsMm: bounds(),
        hazards: hazards(),
        analysis: {
          modelS: estimatedS,
          filament: { lengthMm: 0, volumeCm3: 0 },
          tools: [0],
          settings: {},
        },
        thumbnails: [],
      };
    },
  };
}

const rounded = (value: number): number =>
  Number.isFinite(value) ? Math.round(value * 1_000) / 1_000 : 0;

const pointOf = ({ x, y, z }: Readonly<Record<Axis, number>>): Point => ({
  x: rounded(x),
  y: rounded(y),
  z: rounded(z),
});

function allow(name: "G" | "M", digits: string, line: SourceLine): void {
  const plain = String(Number(digits));
  if ((name === "G" ? G_ALLOWED : M_ALLOWED).has(plain)) return;
  const what = `${name}${plain}`;
  const why = `${what} ${REASONS[what] ?? "is not on the list of allowed commands"}`;
  throw fault("gcode_forbidden", { why, hint: "Choose a Grbl post-processor in the CAM." }, line);
}
