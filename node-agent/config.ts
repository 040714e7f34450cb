// The agent's configuration, read from this process's environment. Only main.ts uses it.

import { readFileSync } from "node:fs";
import { type AgentConfig, readAgentConfig } from "@gantry/shared/contract/config.ts";

/** Throws bad_config with every fault at once. */
export const agentConfig = (): AgentConfig => readAgentConfig(process.env, readText);

/** What a child process of a model needs of the environment, and nothing secret. */
export function childEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
