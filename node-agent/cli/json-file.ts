// JSON that a person hands over: in a file, or as it stands.

import { resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Context, readText } from "./context.ts";

/** Throws not_found, bad_json with the place in the file. */
export function readJsonFile(context: Context, path: string): unknown {
  const text = readText(resolve(context.world.cwd, path));
  if (text === undefined)
    throw new GantryError("not_found", `${path} cannot be read`, { details: { file: path } });
  return parse(text, path);
}

/** `--inputs inputs.json` or `--inputs '{"n": 3}'`. */
export function readJson(context: Context, given: string): unknown {
  const isText = /^\s*[[{"]/.test(given);
  return isText ? parse(given, "the text given") : readJsonFile(context, given);
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message : "";
    throw new GantryError("bad_json", `${where} is not JSON: ${why}`, { cause });
  }
}

/** Like a path, or the name of a file that is there. */
export const isFile = (context: Context, word: string): boolean =>
  /[/\\]|\.json$/.test(word) || readText(resolve(context.world.cwd, word)) !== undefined;
