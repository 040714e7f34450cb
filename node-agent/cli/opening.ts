// Finds the hub and the token that belongs to it.

import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Client, makeClient } from "@gantry/shared/client/client.ts";
import { isLoopback, readClientConfig } from "@gantry/shared/contract/config.ts";
import { textOption } from "./args.ts";
import { type Context, readText } from "./context.ts";
import type { World } from "./world.ts";

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
