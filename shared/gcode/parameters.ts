// Allowed commands with parameters that are not: the same letter and number mean other things to other
// firmware, or do more than a job should.
//
// GG1. What is not named here for a command with a rule is refused; commands without one have no
//      parameter that heats, moves, or outlives the job.

import type { Refusal } from "./allowed.ts";
import type { Command } from "./command.ts";

/** A job that stands still for longer with a hot nozzle is a mistake, or worse. */
const DWELL_S_MAX = 3_600;
const BEEP_MS_MAX = 60_000;
const RETRACT_MM_MAX = 50;
/** Marlin's own range of M220; of M221 what any nozzle stands. */
const SPEED_PERCENT = { min: 10, max: 999 };
const FLOW_PERCENT = { min: 10, max: 500 };

const SCRIPT = "Look at the start and end scripts of the slicer's printer profile.";

type Rule = (command: Command) => string | undefined;

const only =
  (letters: string, then: Rule = () => undefined): Rule =>
  (command) => {
    const odd = [...command.words.keys()].find((letter) => !letters.includes(letter));
    return odd === undefined ? then(command) : `has ${odd}, which a job may not use here`;
  };

const within =
  (letter: string, min: number, max: number, unit: string): Rule =>
  ({ words }) => {
    const value = words.get(letter);
    if (value === undefined || (value >= min && value <= max)) return undefined;
    return `has ${letter}${value}, outside ${min} to ${max} ${unit}`;
  };

const dwell: Rule = ({ words }) => {
  const seconds = (words.get("S") ?? 0) + (words.get("P") ?? 0) / 1_000;
  if ((words.get("S") ?? 0) < 0 || (words.get("P") ?? 0) < 0) return "waits for less than nothing";
  return seconds > DWELL_S_MAX ? `waits ${seconds} s, longer than ${DWELL_S_MAX} s` : undefined;
};

/** Zero would stop the machine for ever, with whatever is hot staying hot. */
const positive: Rule = ({ words }) => {
  const odd = [...words].find(([, value]) => value !== undefined && value <= 0);
  return odd === undefined ? undefined : `has ${odd[0]}${odd[1]}, at which nothing would move`;
};

/** A bare G92 sets nothing in Marlin and everything in Klipper. */
const position: Rule = ({ words }) => {
  if (words.size === 0) return "sets no axis, which firmware reads differently";
  const bare = [...words].find(([, value]) => value === undefined)?.[0];
  return bare === undefined ? undefined : `has ${bare} without a number`;
};

const RULES: ReadonlyMap<string, Rule> = new Map([
  ["G4", only("PS", dwell)],
  ["G10", only("S", within("S", 0, 1, "(long or short)"))], // elsewhere P, R, S, L, X set heat or origins
  ["G11", only("S", within("S", 0, 1, "(long or short)"))],
  ["G27", only("P")],
  ["G28", only("XYZWOLQ")], // R would lift by any height
  ["G29", ({ words }) => (words.has("S") ? "has S, which keeps a mesh in the printer" : undefined)],
  ["G92", only("XYZE", position)],
  ["M201", positive],
  ["M203", positive],
  ["M204", positive],
  ["M207", only("SFZW", within("S", 0, RETRACT_MM_MAX, "mm"))],
  ["M208", only("SFWR", within("S", 0, RETRACT_MM_MAX, "mm"))],
  ["M220", only("SBR", within("S", SPEED_PERCENT.min, SPEED_PERCENT.max, "%"))],
  ["M221", only("ST", within("S", FLOW_PERCENT.min, FLOW_PERCENT.max, "%"))],
  ["M300", only("SP", within("P", 0, BEEP_MS_MAX, "ms"))],
  ["M600", only("BT")], // X, Y, Z move to anywhere, R heats
]);

/** Undefined if the parameters are fine. Moves and heat are looked at elsewhere. */
export function faultInParameters(command: Command): Refusal | undefined {
  const why = RULES.get(command.name)?.(command);
  return why === undefined ? undefined : { why, hint: SCRIPT };
}
