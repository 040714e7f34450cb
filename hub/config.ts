// The hub's configuration: the real environment into the typed reader of the contract.

import { readFileSync } from "node:fs";
import { type HubConfig, readHubConfig } from "@gantry/shared/contract/config.ts";

/** Throws bad_config with every fault at once. */
export function readConfig(env: NodeJS.ProcessEnv): HubConfig {
  return readHubConfig(env, readText);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
