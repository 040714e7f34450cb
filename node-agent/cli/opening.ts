// Finds the hubs and the token that belongs to them.

import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Client, makeClient } from "@gantry/shared/client/client.ts";
import { addressesIn } from "@gantry/shared/client/hubs.ts";
import { isLoopback, readClientConfig } from "@gantry/shared/contract/config.ts";
import { textOption } from "./args.ts";
import { type Context, readText } from "./context.ts";
import type { World } from "./world.ts";

/** The hubs that --hub or the environment name, with the token that belongs to it. */
export function openClient(context: Context): Client {
  const { clock, random } = context.world;
  return makeClient({ ...hubAccess(context), clock, random, requestId: context.requestId });
}

/** Where the hubs are, and who speaks to them. */
export function hubAccess(context: Context): {
  readonly baseUrl: string;
  readonly others: readonly string[];
  readonly token: string | undefined;
} {
  const { world, options } = context;
  const config = readClientConfig(world.env, readText);
  const scheme = config.tlsCert === undefined ? "http" : "https";
  const own = addressesIn(config.httpHost, scheme, config.httpPort);
  const named = textOption(options, "hub");
  const addresses = named === undefined ? own : named.split(",").map((each) => each.trim());
  for (const address of addresses) {
    if (/^https?:\/\/[^\s]+$/.test(address) && URL.canParse(address)) continue;
    throw new GantryError(
      "bad_request",
      `--hub ${address} is not an address like http://HOST:8080`,
    );
  }
  const [baseUrl = "", ...others] = addresses;
  const isOwn = addresses.every((address) => isOwnHub(address, own));
  const stored = isOwn ? tokenInData(config.dataDir, world) : undefined;
  const token = textOption(options, "token") ?? config.token ?? stored;
  return { baseUrl, others, token };
}

/** The owner's token in the data folder is for the hubs of this machine, never for another one. */
export const isOwnHub = (address: string, own: readonly string[]): boolean =>
  own.includes(address) || isLoopback(new URL(address).hostname.replace(/^\[(.*)\]$/, "$1"));

/** Of the data folder here or, started elsewhere on the hub's machine, of the project's own. */
function tokenInData(dataDir: string, { cwd, env }: World): string | undefined {
  const here = readText(join(cwd, dataDir, "token")) ?? readText(join(dataDir, "token"));
  const isDefault = env["GANTRY_DATA_DIR"] === undefined;
  const project = join(import.meta.dirname, "..", "..", "data", "token");
  return (here ?? (isDefault ? readText(project) : undefined))?.trim();
}
