// The list of commands this machine may run, and how a request becomes an argument vector. Pure.
//
// C1. Only a name on the list runs; a request chooses arguments, never the program or an option.
// C2. No argument can become an option: a value that begins with "-" is refused unless its place
//     allows it, and `--` stands before operands where the entry says so.
// C3. No NUL, no control characters, nothing over ARG_BYTES_MAX. There is no shell to quote for.
// C4. A catalogue with a fault is refused whole, with the path of the fault: half a list of what is
//     allowed is worse than none.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type OutputWay, readOutput } from "./outputs.ts";

/** How much harm a command can do; from `low` on the hub may ask a person. */
export const HAZARDS = ["none", "low", "medium", "high"] as const;
export type Hazard = (typeof HAZARDS)[number];

/** What running it twice means: see the design, duties. */
export const EFFECTS = ["pure", "idempotent", "once"] as const;
export type Effect = (typeof EFFECTS)[number];

/** A literal, or the place of a request's argument. */
export type CommandArg =
  | string
  | { readonly arg: string; readonly allowDash?: boolean; readonly prefix?: string };

export interface CommandEntry {
  readonly description: string;
  /** An absolute path: PATH has no say in what runs. */
  readonly program: string;
  readonly args: readonly CommandArg[];
  /** JSON schema of the request's arguments; checked by the runner. */
  readonly argSchema: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly hazard: Hazard;
  readonly effect: Effect;
  /** Outputs of the list that must be on before it runs, and stay on while it is. */
  readonly needs?: readonly string[];
  /** It switches this instead of starting a program; `program` is empty then. */
  readonly output?: OutputWay;
}

export type CommandCatalogue = Readonly<Record<string, CommandEntry>>;

const ARG_BYTES_MAX = 4_096;
const ENTRIES_MAX = 500;
const NEEDS_MAX = 16;
const TIMEOUT_MS_MAX = 600_000;
const NO_ARGUMENTS = { type: "object", properties: {}, additionalProperties: false };

/** What a machine may do before anybody wrote a list: look at itself. */
export const DEFAULT_COMMANDS: CommandCatalogue = {
  uptime: look("How long the machine runs and how busy it is", "/usr/bin/uptime", []),
  disk: look("Free and used room on each disk", "/bin/df", [
    "-h",
    "--output=target,size,used,avail",
  ]),
  date: look("The machine's date and time", "/bin/date", ["--iso-8601=seconds"]),
  memory: look("Free and used memory", "/usr/bin/free", ["-m"]),
  "serial-ports": look("Serial devices by their lasting names", "/usr/bin/find", [
    "/dev/serial/by-id",
    "-maxdepth",
    "1",
    "-type",
    "l",
  ]),
};

function look(description: string, program: string, args: readonly string[]): CommandEntry {
  const bounds = { timeoutMs: 10_000, hazard: "none", effect: "pure" } as const;
  return { description, program, args, argSchema: NO_ARGUMENTS, ...bounds };
}

/** Reads a catalogue file's JSON. Throws bad_config with `details.path` (C4). */
export function parseCatalogue(value: unknown): CommandCatalogue {
  if (!isRecord(value)) throw badCatalogue("", "must be an object of commands");
  const names = Object.keys(value);
  if (names.length > ENTRIES_MAX) throw badCatalogue("", `has more than ${ENTRIES_MAX} commands`);
  const entries = Object.fromEntries(names.map((name) => [name, parseEntry(name, value[name])]));
  for (const [name, { needs = [] }] of Object.entries(entries)) {
    const odd = needs.find((need) => entries[need]?.output === undefined || need === name);
    if (odd !== undefined)
      throw badCatalogue(`${name}.needs`, `names ${odd}, which is no other output`);
  }
  return entries;
}

const SWITCH = {
  type: "object",
  properties: { on: { type: "boolean" } },
  required: ["on"],
  additionalProperties: false,
};

function parseEntry(name: string, value: unknown): CommandEntry {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name)) throw badCatalogue(name, "is not a name (a-z 0-9 -)");
  if (!isRecord(value)) throw badCatalogue(name, "must be an object");
  const { description = name, program, args = [], argSchema = NO_ARGUMENTS } = value;
  const { timeoutMs = 60_000, hazard = "high", effect = "once" } = value;
  const unknown = Object.keys(value).find((key) => !ENTRY_KEYS.has(key));
  if (unknown !== undefined) throw badCatalogue(`${name}.${unknown}`, "is not known");
  if (typeof description !== "string") throw badCatalogue(`${name}.description`, "must be text");
  const needs = needsOf(name, value["needs"]);
  if (value["output"] !== undefined) {
    const odd = ["program", "args", "argSchema", "effect"].find((key) => value[key] !== undefined);
    if (odd !== undefined) throw badCatalogue(`${name}.${odd}`, "is not of an output");
    if (!HAZARDS.includes(hazard as Hazard)) throw badCatalogue(`${name}.hazard`, "is not known");
    if (!isBounded(timeoutMs)) throw badCatalogue(`${name}.timeoutMs`, "is out of bounds");
    return {
      description,
      program: "",
      args: [],
      argSchema: SWITCH,
      timeoutMs,
      hazard: hazard as Hazard,
      effect: "idempotent",
      output: parseOutput(name, value["output"]),
      ...needs,
    };
  }
  if (typeof program !== "string" || !program.startsWith("/")) {
    throw badCatalogue(`${name}.program`, "must be an absolute path");
  }
  if (!Array.isArray(args)) throw badCatalogue(`${name}.args`, "must be a list");
  if (!isRecord(argSchema)) throw badCatalogue(`${name}.argSchema`, "must be a schema object");
  if (!isBounded(timeoutMs))
    throw badCatalogue(`${name}.timeoutMs`, `must be 1..${TIMEOUT_MS_MAX}`);
  if (!HAZARDS.includes(hazard as Hazard)) throw badCatalogue(`${name}.hazard`, "is not known");
  if (!EFFECTS.includes(effect as Effect)) throw badCatalogue(`${name}.effect`, "is not known");
  return {
    description,
    program,
    args: args.map((arg, index) => parseArg(`${name}.args.${index}`, arg, argSchema)),
    argSchema,
    timeoutMs,
    hazard: hazard as Hazard,
    effect: effect as Effect,
    ...needs,
  };
}

function needsOf(name: string, value: unknown): { readonly needs?: readonly string[] } {
  if (value === undefined) return {};
  const isList = Array.isArray(value) && value.length <= NEEDS_MAX;
  if (!isList || value.some((need) => typeof need !== "string")) {
    throw badCatalogue(`${name}.needs`, "must be a list of outputs");
  }
  return { needs: value as string[] }; // each was looked at
}

function parseOutput(name: string, value: unknown): OutputWay {
  try {
    return readOutput(value);
  } catch (cause) {
    throw badCatalogue(`${name}.output`, cause instanceof Error ? cause.message : String(cause));
  }
}

const ENTRY_KEYS = new Set(
  "description program args argSchema timeoutMs hazard effect needs output".split(" "),
);

function parseArg(
  path: string,
  value: unknown,
  argSchema: Readonly<Record<string, unknown>>,
): CommandArg {
  if (typeof value === "string") return value;
  if (!isRecord(value) || typeof value["arg"] !== "string") {
    throw badCatalogue(path, 'must be text or { "arg": name }');
  }
  const { arg, allowDash = false, prefix = "" } = value;
  const properties = argSchema["properties"];
  if (!isRecord(properties) || !Object.hasOwn(properties, arg)) {
    throw badCatalogue(path, `names ${arg}, which argSchema does not have`);
  }
  if (typeof allowDash !== "boolean" || typeof prefix !== "string") {
    throw badCatalogue(path, "has a wrong allowDash or prefix");
  }
  return { arg, allowDash, prefix };
}

/**
 * The arguments for the program, from values that `argSchema` accepted. An argument that was left
 * out leaves its place out; a list fills it with one argument per item. Throws bad_request with
 * `details.field` (C2, C3).
 */
export function argumentVector(
  entry: CommandEntry,
  values: Readonly<Record<string, unknown>>,
): readonly string[] {
  return entry.args.flatMap((part): readonly string[] => {
    if (typeof part === "string") return [part];
    const value = Object.hasOwn(values, part.arg) ? values[part.arg] : undefined;
    if (value === undefined || value === null) return [];
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.map((item) => {
      const text = (part.prefix ?? "") + textOf(part.arg, item);
      // A prefix of the catalogue's own (--name=) is the list's word, not the caller's.
      const isOption = (part.prefix ?? "") === "" && text.startsWith("-");
      if (isOption && part.allowDash !== true) throw badArgument(part.arg, 'begins with "-"');
      return text;
    });
  });
}

function textOf(field: string, value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string")
    throw badArgument(field, "must be text, a number or true or false");
  if (new TextEncoder().encode(value).length > ARG_BYTES_MAX) {
    throw badArgument(field, `is longer than ${ARG_BYTES_MAX} bytes`);
  }
  if (/\p{Cc}/u.test(value)) throw badArgument(field, "has a control character");
  return value;
}

const isBounded = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= TIMEOUT_MS_MAX;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const badCatalogue = (path: string, what: string): GantryError =>
  new GantryError("bad_config", `The list of commands: ${path} ${what}`, { details: { path } });

const badArgument = (field: string, what: string): GantryError =>
  new GantryError("bad_request", `The argument ${field} ${what}`, { details: { field } });
