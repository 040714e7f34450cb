// Reads a whole job file before anything of it may be sent, in one pass and constant memory.
//
// GS1. A file that passes has only allowed commands, stays in the printer's volume, never asks for
//      more heat than the printer's limits, homes before it moves and comes to an end.
// GS2. The first fault ends the scan; it names the line and what to do. No fault is repaired.
// GS3. The hub scans before it asks a person, the bridge again before the first byte.

import { GantryError } from "../base/errors.ts";
import { type CommandProfile, whyForbidden } from "./allowed.ts";
import { type Command, invalidLine, parseCommand, withoutComment } from "./command.ts";
import { fault, HINTS, judge, temperatureIn, tooHot } from "./faults.ts";
import { makeGrblScanner } from "./grbl.ts";
import { type FilamentFacts, filamentFacts } from "./filament.ts";
import { readKlipper } from "./klipper.ts";
import type { LayerFacts } from "./layers.ts";
import { makeLineSplitter, type SourceLine } from "./lines.ts";
import { emptyMove, readPlainMove } from "./move.ts";
import { faultInParameters } from "./parameters.ts";
import { type Bounds, makePath, type Point } from "./path.ts";
import { makeSlicerNotes, type Slicer } from "./slicer-notes.ts";
import { makeThumbnails, type Thumbnail } from "./thumbnails.ts";

export interface GcodeLimits extends CommandProfile {
  readonly sizeMm: Point;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  /** 0 by default: most printers have no heated chamber. */
  readonly chamberMaxC?: number;
  /** How far x and y may leave the volume, for printers that purge beside the bed. 0 by default. */
  readonly marginMm?: number;
  /** `klipper` takes the macros of klipper.ts too: only for files that go to Moonraker. `grbl`: grbl.ts. */
  readonly dialect?: "marlin" | "klipper" | "grbl";
}

/** How files for a printer of this driver are read; whoever scans one asks here. */
export const dialectOf = (driver: string): NonNullable<GcodeLimits["dialect"]> =>
  driver === "moonraker" ? "klipper" : driver === "grbl" ? "grbl" : "marlin";

/** What the file says and does, besides what decides whether it may run. */
export interface GcodeAnalysis {
  readonly slicer?: Slicer;
  /** Seconds by the motion model, without heating up. */
  readonly modelS: number;
  /** Seconds by the slicer's own word. */
  readonly slicerS?: number;
  readonly layers?: LayerFacts;
  readonly filament: FilamentFacts;
  /** Where filament is laid: the part with its skirt and purge lines. */
  readonly laidBoundsMm?: Bounds;
  readonly chamberMaxC?: number;
  readonly tools: readonly number[];
  /** Settings of the slicer, by our names: slicer-notes.ts. */
  readonly settings: Readonly<Record<string, string>>;
}

/** What a job will do. The names are those of GcodeFacts in the contract. */
export interface GcodeScan {
  readonly commands: number;
  readonly lines: number;
  /** By the slicer's word where there is one, else by the model. */
  readonly estimatedS: number;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly filamentMm: number;
  readonly layers: number;
  readonly boundsMm: Bounds;
  /** For the person who confirms, most important first. */
  readonly hazards: readonly string[];
  readonly analysis: GcodeAnalysis;
  /** The largest first. */
  readonly thumbnails: readonly Thumbnail[];
}

export interface GcodeScanner {
  /** Throws gcode_invalid, gcode_out_of_bounds, gcode_too_hot or gcode_forbidden. */
  push(bytes: Uint8Array): void;
  /** Throws the same, gcode_truncated, or gcode_invalid for a file without a command. */
  finish(): GcodeScan;
}

const NOZZLE: ReadonlySet<string> = new Set(["M104", "M109"]);
const BED: ReadonlySet<string> = new Set(["M140", "M190"]);
const CHAMBER: ReadonlySet<string> = new Set(["M141", "M191"]);
const MOVES: ReadonlySet<string> = new Set(["G0", "G1", "G2", "G3"]);
const NOWHERE: Bounds = { min: { x: 0, y: 0, z: 0 }, max: { x: 0, y: 0, z: 0 } };
const SEMICOLON = 59;

/** Scans text that is in memory already. Throws as GcodeScanner does. */
export function scanGcode(text: string | Uint8Array, limits: GcodeLimits): GcodeScan {
  const scanner = makeScanner(limits);
  scanner.push(typeof text === "string" ? new TextEncoder().encode(text) : text);
  return scanner.finish();
}

/** For files of any size, in pieces of any size. Slow enough to scan in small pieces where others wait. */
export function makeScanner(limits: GcodeLimits): GcodeScanner {
  if (limits.dialect === "grbl") return makeGrblScanner(limits);
  const splitter = makeLineSplitter();
  const path = makePath(limits.sizeMm, limits.marginMm ?? 0);
  const notes = makeSlicerNotes();
  const thumbnails = makeThumbnails();
  const move = emptyMove();
  let commands = 0;
  let lines = 0;
  let nozzleMaxC = 0;
  let bedMaxC = 0;
  let chamberMaxC = 0;
  const nozzleTargetsC = new Map<number, number>();
  const tools = new Set<number>([0]);
  let bedTargetC = 0;
  let lastLine: SourceLine | undefined;
  let isLastMove = false;
  let needsPerson = false;
  let changesMotion = false;

  function setHeat(what: "nozzle" | "bed" | "chamber", targetC: number, line: SourceLine): void {
    const maxC = {
      nozzle: limits.nozzleMaxC,
      bed: limits.bedMaxC,
      chamber: limits.chamberMaxC ?? 0,
    };
    if (targetC < 0) throw invalidLine("has a temperature below zero", line.number, line.text);
    if (targetC > maxC[what]) throw tooHot(what, targetC, maxC[what], line);
    if (what === "nozzle") nozzleMaxC = Math.max(nozzleMaxC, targetC);
    else if (what === "bed") bedMaxC = Math.max(bedMaxC, targetC);
    else chamberMaxC = Math.max(chamberMaxC, targetC);
  }

  function heat(command: Command, line: SourceLine): void {
    const isNozzle = NOZZLE.has(command.name);
    const isBed = BED.has(command.name);
    if (!isNozzle && !isBed && !CHAMBER.has(command.name)) return;
    const targetC = temperatureIn(command, line);
    if (targetC === undefined) return;
    setHeat(isNozzle ? "nozzle" : isBed ? "bed" : "chamber", targetC, line);
    if (isNozzle) nozzleTargetsC.set(command.words.get("T") ?? 0, targetC);
    if (isBed) bedTargetC = targetC;
  }

  /** True if the line was one of Klipper's own commands. */
  function takeMacro(line: SourceLine): boolean {
    const macro = readKlipper(withoutComment(line.text));
    if (macro === undefined) return false;
    if (typeof macro === "string") {
      throw fault("gcode_forbidden", { why: `it ${macro}`, hint: HINTS.macro }, line);
    }
    for (const { what, targetC } of macro.heats) setHeat(what, targetC, line);
    if (macro.isStart) path.homedByPrinter();
    count(line, false);
    return true;
  }

  function count(line: SourceLine, isMove: boolean): void {
    commands += 1;
    lastLine = line;
    isLastMove = isMove;
  }

  function takeNote(text: string): void {
    const note = text.slice(1).trim();
    if (note !== "" && !thumbnails.read(note)) notes.read(note);
  }

  function take(line: SourceLine): void {
    lines += 1;
    const { text } = line;
    if (text.charCodeAt(0) === SEMICOLON) return takeNote(text);
    if (readPlainMove(text, move)) {
      count(line, true);
      return judge(path.go(move), line);
    }
    if (limits.dialect === "klipper" && takeMacro(line)) return;
    const command = parseCommand(text, line.number);
    if (command === undefined) {
      const bare = text.trimStart();
      return bare.startsWith(";") ? takeNote(bare) : undefined;
    }
    takeCommand(command, line);
  }

  function takeCommand(command: Command, line: SourceLine): void {
    const { name } = command;
    count(line, MOVES.has(name));
    const forbidden = whyForbidden(name, limits);
    if (forbidden !== undefined) {
      const { why, hint } = forbidden;
      throw fault("gcode_forbidden", { why: `${name} ${why}`, hint }, line);
    }
    const odd = faultInParameters(command);
    if (odd !== undefined)
      throw fault("gcode_invalid", { ...odd, why: `${name} ${odd.why}` }, line);
    heat(command, line);
    judge(path.follow(command), line);
    if (name === "M600") needsPerson = true;
    if (name.startsWith("T")) tools.add(Number(name.slice(1)));
    if (/^M20[135]$|^M220$/.test(name)) changesMotion = true;
  }

  function assertWhole(): void {
    if (lastLine === undefined) throw new GantryError("gcode_invalid", "The file has no command");
    const cut = (why: string): GantryError =>
      fault("gcode_truncated", { why, hint: HINTS.whole }, lastLine as SourceLine); // it is one
    if (!lastLine.isEnded && isLastMove && (notes.isSliced() || isNozzleOn())) {
      throw cut("the last line, a move, has no end");
    }
    const missing = notes.missingEnd();
    if (missing !== undefined) throw cut(missing);
    // A slicer always switches the nozzle off; people who write by hand forget it.
    if (notes.isSliced() && isNozzleOn()) throw cut("the file ends with the nozzle still heating");
  }

  const isNozzleOn = (): boolean => [...nozzleTargetsC.values()].some((targetC) => targetC > 0);

  function hazards(): readonly string[] {
    const found: string[] = [];
    if (nozzleMaxC > 0) found.push(`heats the nozzle to ${nozzleMaxC} °C`);
    if (bedMaxC > 0) found.push(`heats the bed to ${bedMaxC} °C`);
    if (chamberMaxC > 0) found.push(`heats the chamber to ${chamberMaxC} °C`);
    if (path.bounds() !== undefined) found.push("moves the machine");
    if (needsPerson) found.push("stops until a person changes the filament");
    if (changesMotion) found.push("changes speed or acceleration limits");
    if (isNozzleOn()) found.push("leaves the nozzle on; the bridge switches it off at the end");
    if (bedTargetC > 0) found.push("leaves the bed on; the bridge switches it off at the end");
    return found;
  }

  function analysis(modelS: number): GcodeAnalysis {
    const [slicer, slicerS] = [notes.slicer(), notes.estimatedS()];
    const [layers, laidBoundsMm] = [path.layers(), path.laidBounds()];
    const settings = notes.settings();
    return {
      ...(slicer === undefined ? {} : { slicer }),
      modelS,
      ...(slicerS === undefined ? {} : { slicerS: Math.ceil(slicerS) }),
      ...(layers === undefined ? {} : { layers }),
      filament: filamentFacts(path.filamentMm(), settings, notes.filamentG()),
      ...(laidBoundsMm === undefined ? {} : { laidBoundsMm: roundedBounds(laidBoundsMm) }),
      ...(chamberMaxC === 0 ? {} : { chamberMaxC }),
      tools: [...tools].toSorted((a, b) => a - b),
      settings,
    };
  }

  return {
    push: (bytes) => splitter.push(bytes, take),
    finish() {
      splitter.finish(take);
      assertWhole();
      const modelS = Math.ceil(path.seconds());
      return {
        commands,
        lines,
        estimatedS: Math.ceil(notes.estimatedS() ?? modelS),
        nozzleMaxC,
        bedMaxC,
        filamentMm: Math.round(notes.filamentMm() ?? path.filamentMm()),
        layers: notes.layers() ?? path.layers()?.count ?? 0,
        boundsMm: path.bounds() ?? NOWHERE,
        hazards: hazards(),
        analysis: analysis(modelS),
        thumbnails: thumbnails.found(),
      };
    },
  };
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
const roundedPoint = ({ x, y, z }: Point): Point => ({ x: round(x), y: round(y), z: round(z) });
const roundedBounds = ({ min, max }: Bounds): Bounds => ({
  min: roundedPoint(min),
  max: roundedPoint(max),
});
