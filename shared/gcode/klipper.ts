// Klipper's own commands, `NAME KEY=VALUE ...`, for printers whose files go to Moonraker.
//
// GK1. Only names that are listed, only plain values: what restarts, saves, moves the origin, forces
//      a motor or runs a program is not among them.
// GK2. Heat in their parameters is judged like heat anywhere else.

export type Heated = "nozzle" | "bed" | "chamber";

export interface KlipperCommand {
  readonly name: string;
  readonly heats: readonly { readonly what: Heated; readonly targetC: number }[];
  /** A start script: it homes, and whatever it heats is switched off by the printer's end script. */
  readonly isStart: boolean;
}

const START = ["START_PRINT", "PRINT_START", "START_MACRO"];
const ALLOWED: ReadonlySet<string> = new Set([
  ...START,
  ..."END_PRINT PRINT_END END_MACRO BED_MESH_CALIBRATE BED_MESH_CLEAR".split(" "),
  ..."EXCLUDE_OBJECT_DEFINE EXCLUDE_OBJECT_START EXCLUDE_OBJECT_END".split(" "),
  ..."SET_FAN_SPEED SET_HEATER_TEMPERATURE SET_PRESSURE_ADVANCE SET_PRINT_STATS_INFO".split(" "),
  ..."SET_RETRACTION SET_VELOCITY_LIMIT TIMELAPSE_TAKE_FRAME TURN_OFF_HEATERS".split(" "),
]);
const FORM = /^([A-Z][A-Z_]*_[A-Z_0-9]*)((?: +[A-Z][A-Z_0-9]*=[\w.,:+\-[\]]*)*) *$/;
const HEAT_KEY = /TEMP|EXTRUDER|HOTEND|NOZZLE|BED|CHAMBER/;
/** `BED_TYPE=PEI2` heats nothing. */
const NAME_KEY = /TYPE|MESH|NAME|PLATE|SIZE|DIAMETER/;
/** Python reads `40_0` as 400, and macros are Python's: what is not written plainly is not guessed. */
const PLAIN_NUMBER = /^\d{1,4}(\.\d{0,6})?$/;

/** Undefined for what is no such command; a string says why it is refused. `bare`: without comment. */
export function readKlipper(bare: string): KlipperCommand | string | undefined {
  const [name] = /^[A-Za-z][A-Za-z]*_\w*/.exec(bare) ?? [];
  if (name === undefined) return undefined;
  const upper = name.toUpperCase();
  if (!ALLOWED.has(upper))
    return `has ${upper.slice(0, 40)}, which is not on the list of allowed macros`;
  const form = FORM.exec(bare.toUpperCase());
  if (form === null) return "has a macro with values that cannot be read";
  const pairs = (form[2] ?? "")
    .split(" ")
    .filter((pair) => pair !== "")
    .map((pair) => pair.split("=") as [string, string]); // FORM has seen to it
  const heats: { what: Heated; targetC: number }[] = [];
  const heater = pairs.find(([key]) => key === "HEATER")?.[1] ?? "";
  for (const [key, value] of pairs) {
    const isTarget = upper === "SET_HEATER_TEMPERATURE" && key === "TARGET";
    const isHeat = START.includes(upper) && HEAT_KEY.test(key) && !NAME_KEY.test(key);
    if (!isTarget && !isHeat) continue;
    if (!isTarget && !/\d/.test(value)) continue; // a word
    if (!PLAIN_NUMBER.test(value)) return `has ${key.slice(0, 40)}, which is no plain temperature`;
    const targetC = Number(value);
    heats.push({ what: heatedBy(isTarget ? heater : key), targetC });
  }
  return { name: upper, heats, isStart: START.includes(upper) };
}

function heatedBy(word: string): Heated {
  if (word.includes("BED")) return "bed";
  return word.includes("CHAMBER") ? "chamber" : "nozzle";
}
