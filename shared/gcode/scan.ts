// Reads a whole job file before anything of it may be sent, in one pass and constant memory.
//
// GS1. A file that passes has only allowed commands, stays in the printer's volume, never asks for
//      more heat than the printer's limits, homes before it moves and comes to an end.
// GS2. The first fault ends the scan; it names the line. No fault is repaired.
// GS3. The hub scans before it asks a person, the bridge again before the first byte.

import { GantryError } from "../base/errors.ts";
import { whyForbidden } from "./allowed.ts";
import { type Command, invalidLine, parseCommand } from "./command.ts";
import { makeLineSplitter, type SourceLine } from "./lines.ts";
import { type Bounds, makePath, type Point } from "./path.ts";
import { makeSlicerNotes } from "./slicer-notes.ts";

export interface GcodeLimits {
  readonly sizeMm: Point;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  /** 0 by default: most printers have no heated chamber. */
  readonly chamberMaxC?: number;
  /** How far x and y may leave the volume, for printers that purge beside the bed. 0 by default. */
  readonly marginMm?: number;
}

/** What a job will do. The names are those of GcodeFacts in the contract. */
export interface GcodeScan {
  readonly commands: number;
  readonly lines: number;
  readonly estimatedS: number;
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly filamentMm: number;
  readonly layers: number;
  readonly boundsMm: Bounds;
  /** For the person who confirms, most important first. */
  readonly hazards: readonly string[];
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

/** Scans text that is in memory already. Throws as GcodeScanner does. */
export function scanGcode(text: string | Uint8Array, limits: GcodeLimits): GcodeScan {
  const scanner = makeScanner(limits);
  scanner.push(typeof text === "string" ? new TextEncoder().encode(text) : text);
  return scanner.finish();
}

/** For files of any size, in pieces of any size. About 5 MB/s: scan in small pieces where others wait. */
export function makeScanner(limits: GcodeLimits): GcodeScanner {
  const splitter = makeLineSplitter();
  const path = makePath(limits.sizeMm, limits.marginMm ?? 0);
  const notes = makeSlicerNotes();
  let commands = 0;
  let lines = 0;
  let nozzleMaxC = 0;
  let bedMaxC = 0;
  const nozzleTargetsC = new Map<number, number>();
  let bedTargetC = 0;
  let last: { readonly command: Command; readonly line: SourceLine } | undefined;
  let needsPerson = false;
  let changesMotion = false;

  function heat(command: Command, line: SourceLine): void {
    if (NOZZLE.has(command.name)) {
      const targetC = temperatureOf(command, line, limits.nozzleMaxC);
      if (targetC === undefined) return;
      nozzleTargetsC.set(command.words.get("T") ?? 0, targetC);
      nozzleMaxC = Math.max(nozzleMaxC, targetC);
    } else if (BED.has(command.name)) {
      bedTargetC = temperatureOf(command, line, limits.bedMaxC) ?? bedTargetC;
      bedMaxC = Math.max(bedMaxC, bedTargetC);
    } else if (CHAMBER.has(command.name)) {
      temperatureOf(command, line, limits.chamberMaxC ?? 0);
    }
  }

  function take(line: SourceLine): void {
    lines += 1;
    notes.read(line.text);
    const command = parseCommand(line.text, line.number);
    if (command === undefined) return;
    commands += 1;
    last = { command, line };
    const why = whyForbidden(command.name);
    if (why !== undefined) throw fault("gcode_forbidden", `${command.name} ${why}`, line);
    heat(command, line);
    const wrong = path.follow(command);
    if (wrong !== undefined) throw fault(wrong.code, `it ${wrong.why}`, line);
    if (command.name === "M600") needsPerson = true;
    if (/^M20[135]$|^M220$/.test(command.name)) changesMotion = true;
  }

  function assertWhole(): void {
    if (last === undefined) throw new GantryError("gcode_invalid", "The file has no command");
    const { command, line } = last;
    const isCutMove = !line.isEnded && MOVES.has(command.name);
    if (isCutMove && (notes.isSliced() || isNozzleOn())) {
      throw fault("gcode_truncated", "the last line, a move, has no end", line);
    }
    const missing = notes.missingEnd();
    if (missing !== undefined) throw fault("gcode_truncated", missing, line);
    // A slicer always switches the nozzle off; people who write by hand forget it.
    if (notes.isSliced() && isNozzleOn()) {
      throw fault("gcode_truncated", "the file ends with the nozzle still heating", line);
    }
  }

  const isNozzleOn = (): boolean => [...nozzleTargetsC.values()].some((targetC) => targetC > 0);

  function hazards(): readonly string[] {
    const found: string[] = [];
    if (nozzleMaxC > 0) found.push(`heats the nozzle to ${nozzleMaxC} °C`);
    if (bedMaxC > 0) found.push(`heats the bed to ${bedMaxC} °C`);
    if (path.bounds() !== undefined) found.push("moves the machine");
    if (needsPerson) found.push("stops until a person changes the filament");
    if (changesMotion) found.push("changes speed or acceleration limits");
    if (isNozzleOn()) found.push("leaves the nozzle on; the bridge switches it off at the end");
    if (bedTargetC > 0) found.push("leaves the bed on; the bridge switches it off at the end");
    return found;
  }

  return {
    push: (bytes) => splitter.push(bytes, take),
    finish() {
      splitter.finish(take);
      assertWhole();
      return {
        commands,
        lines,
        estimatedS: Math.ceil(notes.estimatedS() ?? path.seconds()),
        nozzleMaxC,
        bedMaxC,
        filamentMm: Math.round(notes.filamentMm() ?? path.filamentMm()),
        layers: notes.layers() ?? path.layers(),
        boundsMm: path.bounds() ?? NOWHERE,
        hazards: hazards(),
      };
    },
  };
}

/** The target of a heating command; undefined if it sets none. */
function temperatureOf(command: Command, line: SourceLine, maxC: number): number | undefined {
  const odd = [...command.words.keys()].find((letter) => !"SRT".includes(letter));
  if (odd !== undefined) {
    throw invalidLine(
      `has ${odd}, which may heat to a value not in the file`,
      line.number,
      line.text,
    );
  }
  for (const letter of ["S", "R"]) {
    if (!command.words.has(letter)) continue;
    const targetC = command.words.get(letter);
    if (targetC === undefined) throw invalidLine(`has ${letter} alone`, line.number, line.text);
    if (targetC < 0) throw invalidLine("has a temperature below zero", line.number, line.text);
    if (targetC > maxC) {
      throw fault("gcode_too_hot", `${targetC} °C is over this printer's ${maxC} °C`, line);
    }
    return targetC;
  }
  return undefined;
}

type GcodeFault =
  | "gcode_invalid"
  | "gcode_forbidden"
  | "gcode_too_hot"
  | "gcode_out_of_bounds"
  | "gcode_truncated";

function fault(code: GcodeFault, why: string, line: SourceLine): GantryError {
  return new GantryError(code, `Line ${line.number}: ${why}`, {
    details: { line: line.number, text: line.text.slice(0, 80) },
  });
}
