// The refusals of the scanner: each names its line and says what to do.

import { GantryError } from "../base/errors.ts";
import type { Refusal } from "./allowed.ts";
import { type Command, invalidLine } from "./command.ts";
import type { SourceLine } from "./lines.ts";
import type { PathFault } from "./path.ts";

export const HINTS = {
  bounds: "Check bed size and origin in the slicer, and where G91 and G92 leave the tool.",
  move: "Home with G28 first, and use only X, Y, Z, E, F and the centre of an arc.",
  macro: "Put what it does into the printer's own start or end macro.",
  heat: "Give one temperature, S or R, as a number.",
  whole: "Export the file again, and send it whole.",
} as const;

/** The target of a heating command; undefined if it sets none. */
export function temperatureIn({ words }: Command, line: SourceLine): number | undefined {
  const fail = (why: string): GantryError => invalidLine(why, line.number, line.text, HINTS.heat);
  const odd = [...words.keys()].find((letter) => !"SRT".includes(letter));
  if (odd !== undefined) throw fail(`has ${odd}, which may heat to a value not in the file`);
  if (words.has("S") && words.has("R")) throw fail("has both S and R");
  for (const letter of ["S", "R"]) {
    if (!words.has(letter)) continue;
    const targetC = words.get(letter);
    if (targetC === undefined) throw fail(`has ${letter} alone`);
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

export function tooHot(what: string, targetC: number, maxC: number, line: SourceLine): GantryError {
  const why = `${targetC} °C is over this printer's ${maxC} °C`;
  const hint =
    maxC === 0
      ? `This printer has no heated ${what}: choose its profile in the slicer.`
      : `Slice for at most ${maxC} °C of the ${what}, or for another printer.`;
  return fault("gcode_too_hot", { why, hint }, line);
}

export function fault(code: GcodeFault, { why, hint }: Refusal, line: SourceLine): GantryError {
  return new GantryError(code, `Line ${line.number}: ${why}`, {
    details: { line: line.number, text: line.text.slice(0, 80), hint },
  });
}

/** Throws what a move did wrong, if it did. */
export function judge(wrong: PathFault | undefined, line: SourceLine): void {
  if (wrong === undefined) return;
  const { code, why } = wrong;
  const hint = code === "gcode_out_of_bounds" ? HINTS.bounds : HINTS.move;
  throw fault(code, { why: `it ${why}`, hint }, line);
}
