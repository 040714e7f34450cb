// What a command gets, and the few things that nearly all of them do: find the hub, print.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Client, makeClient } from "@gantry/shared/client/client.ts";
import { isLoopback, type ReadText, readClientConfig } from "@gantry/shared/contract/config.ts";
import { type Options, textOption, badUsage } from "./args.ts";
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

/** The hub that --hub or the environment names, with the token that belongs to it. */
export function openClient(context: Context): Client {
  const { world, options, requestId } = context;
  const config = readClientConfig(world.env, readText);
  const scheme = config.tlsCert === undefined ? "http" : "https";
  const host = config.httpHost.includes(":") ? `[${config.httpHost}]` : config.httpHost;
  const own = `${scheme}://${ANY_HOST[config.httpHost] ?? host}:${config.httpPort}`;
  const baseUrl = textOption(options, "hub") ?? own;
  if (!/^https?:\/\/[^\s]+$/.test(baseUrl) || !URL.canParse(baseUrl)) {
    throw new GantryError(
      "bad_request",
      `--hub ${baseUrl} is not an address like http://HOST:8080`,
    );
  }
  const stored = isOwnHub(baseUrl, own) ? tokenInData(config.dataDir, world) : undefined;
  const token = textOption(options, "token") ?? config.token ?? stored;
  const { clock, random } = world;
  return makeClient({ baseUrl, token, clock, random, requestId });
}

/** The owner's token in the data folder is for the hub of this machine, never for another one. */
export const isOwnHub = (baseUrl: string, own: string): boolean =>
  baseUrl === own || isLoopback(new URL(baseUrl).hostname.replace(/^\[(.*)\]$/, "$1"));

/** A host to listen on is not a host to call. */
const ANY_HOST: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

/** Of the data folder here or, started elsewhere on the hub's machine, of the project's own. */
function tokenInData(dataDir: string, { cwd, env }: World): string | undefined {
  const here = readText(join(cwd, dataDir, "token")) ?? readText(join(dataDir, "token"));
  const isDefault = env["GANTRY_DATA_DIR"] === undefined;
  const project = join(import.meta.dirname, "..", "..", "data", "token");
  return (here ?? (isDefault ? readText(project) : undefined))?.trim();
}

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
