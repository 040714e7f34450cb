// What a command gets, and how it says its result. Light: `gantry --version` loads it, too; what needs
// a hub is in opening.ts.

import { readFileSync } from "node:fs";
import type { ReadText } from "@gantry/shared/contract/config.ts";
import { badUsage, type Options } from "./args.ts";
import type { CommandSpec } from "./catalogue.ts";
import { type Look, lookOf } from "./render/look.ts";
import type { World } from "./world.ts";

export interface Context {
  readonly world: World;
  /** One for everything that this call of `gantry` does. */
  readonly requestId: string;
  readonly name: string;
  readonly spec: CommandSpec;
  readonly words: readonly string[];
  readonly options: Options;
  readonly isJson: boolean;
}

/** The exit code; nothing means 0. */
export type Command = (context: Context) => Promise<number | undefined | void>;

/** Undefined for a file that is missing, a folder, or not ours to read. */
export const readText: ReadText = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

export const outLook = ({ world }: Context): Look => lookOf(world.stdout, world.env);

/** The reply as JSON with the request id, or what `render` makes of it for people. */
export function show(context: Context, reply: object, render: (look: Look) => string): void {
  const { world, isJson, requestId } = context;
  const text = isJson ? JSON.stringify({ ...reply, requestId }) : render(outLook(context));
  world.stdout.write(text === "" ? "" : `${text}\n`);
}

/** One line of a stream in JSON. */
export const showLine = ({ world }: Context, value: unknown): void =>
  world.stdout.write(`${JSON.stringify(value)}\n`);

/** The word at this place. Throws bad_request with the usage. */
export function wordAt(context: Context, index: number, what: string): string {
  const word = context.words[index];
  if (word === undefined || word === "") {
    throw badUsage(context.name, context.spec, `${what} is missing`);
  }
  return word;
}
