// The hub's configuration: the real environment into the typed reader of the contract.

import { readFileSync } from "node:fs";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type HubConfig, readHubConfig } from "@gantry/shared/contract/config.ts";

/** Throws bad_config with every fault at once. */
export function readConfig(env: NodeJS.ProcessEnv): HubConfig {
  const config = readHubConfig(env, readText);
  const isLoopback = ["127.0.0.1", "::1", "localhost"].includes(config.httpHost);
  const hasTls = config.tlsCert !== undefined && config.tlsKey !== undefined;
  if (!isLoopback && !hasTls && !config.allowPlainHttp) {
    const advice =
      "set GANTRY_TLS_CERT and GANTRY_TLS_KEY, or GANTRY_ALLOW_PLAIN_HTTP=1 if the network is yours alone";
    throw new GantryError(
      "bad_config",
      `GANTRY_HTTP_HOST=${config.httpHost} would send tokens in the clear; ${advice}`,
    );
  }
  return config;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
