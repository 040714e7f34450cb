// Turns the words after `gantry` into one command with its options. Throws bad_request with the usage in
// `details`.

import { parseArgs } from "node:util";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { nearest } from "@gantry/shared/base/nearest.ts";
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type OptionSpec } from "./catalogue.ts";

export interface Invocation {
  readonly name: string;
  readonly spec: CommandSpec;
  readonly words: readonly string[];
  readonly options: Options;
}

type OptionValue = string | boolean | readonly (string | boolean)[] | undefined;
export type Options = Readonly<Record<string, OptionValue>>;

/** Global options may stand before the command as well as after it. */
export function parseInvocation(argv: readonly string[]): Invocation {
  const at = commandIndex(argv);
  const given = argv[at];
  if (given === undefined) return invocation("help", []);
  const name = given;
  const rest = [...argv.slice(0, at), ...argv.slice(at + 1)];
  const spec = COMMANDS[name];
  if (spec === undefined || !Object.hasOwn(COMMANDS, name)) throw unknownCommand(name);
  const { words, options } = parseWith(name, spec, rest);
  if (options["help"] === true) return invocation("help", [name]);
  checkWords(name, spec, words);
  return { name, spec, words, options };
}

/** `--json` is wanted even where the rest cannot be parsed: the error must have the right form. */
export const wantsJson = (argv: readonly string[]): boolean => {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
};

/** Text of an option; undefined when it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

export const isOn = (options: Options, name: string): boolean => options[name] === true;

/** A whole number of an option. Throws bad_request outside `min` to `max`. */
export function intOption(
  options: Options,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new GantryError("bad_request", `--${name} takes a whole number from ${min} to ${max}`);
}

export const usageOf = (name: string, spec: CommandSpec): string =>
  spec.usage.map((form) => `gantry ${name} ${form}`.trimEnd()).join("\n");

function invocation(name: string, words: readonly string[]): Invocation {
  const spec = COMMANDS[name];
  if (spec === undefined) throw unknownCommand(name);
  return { name, spec, words, options: {} };
}

/** Index of the first word that is neither a global option nor the value of one. */
function commandIndex(argv: readonly string[]): number {
  let index = 0;
  for (; index < argv.length; index += 1) {
    const word = argv[index] ?? "";
    if (!word.startsWith("-")) return index;
    if (word === "--hub" || word === "--token") index += 1;
  }
  return argv.length;
}

function parseWith(
  name: string,
  spec: CommandSpec,
  args: readonly string[],
): { readonly words: readonly string[]; readonly options: Options } {
  const known: Readonly<Record<string, OptionSpec>> = { ...GLOBAL_OPTIONS, ...spec.options };
  const options = Object.fromEntries(
    Object.entries(known).map(([key, { type, multiple, short }]) => [
      key,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  );
  try {
    const { positionals, values } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { words: positionals, options: values };
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split(". ")[0] ?? "") : "";
    throw badUsage(name, spec, why, cause);
  }
}

function checkWords(name: string, spec: CommandSpec, words: readonly string[]): void {
  if (words.length < (spec.wordsMin ?? 0)) throw badUsage(name, spec, "Something is missing");
  if (words.length > (spec.wordsMax ?? Number.POSITIVE_INFINITY)) {
    throw badUsage(name, spec, `"${words.at(-1) ?? ""}" is one word too many`);
  }
}

/** What a command throws when its words make no sense together. */
export const badUsage = (
  name: string,
  spec: CommandSpec,
  why: string,
  cause?: unknown,
): GantryError =>
  new GantryError("bad_request", why, { cause, details: { usage: usageOf(name, spec) } });

function unknownCommand(name: string): GantryError {
  const meant = nearest(name, Object.keys(COMMANDS));
  const usage = meant === undefined ? "gantry help" : `gantry ${meant}`;
  return new GantryError("bad_request", `There is no command "${name}"`, { details: { usage } });
}
