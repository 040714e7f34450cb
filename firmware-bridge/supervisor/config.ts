// The supervisor's configuration: where the bridge's heartbeat is, and what cuts a plug.

import { isAbsolute, join, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";

export interface SupervisorConfig {
  readonly heartbeatPath: string;
  readonly plugOff: string | undefined;
  readonly logLevel: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** On a disk in memory where there is one: a slow disk must not look like a dead bridge. */
export const heartbeatPath = (environment: Environment, dataDir: string): string =>
  resolve(environment["GANTRY_HEARTBEAT"] ?? join(dataDir, "bridge", "heartbeat.json"));

/** Throws bad_config. */
export function readSupervisorConfig(environment: Environment): SupervisorConfig {
  const dataDir = resolve(environment["GANTRY_DATA_DIR"] ?? "./data");
  const plugOff = environment["GANTRY_PLUG_OFF"];
  if (plugOff !== undefined && !isAbsolute(plugOff)) {
    throw new GantryError("bad_config", "GANTRY_PLUG_OFF: the absolute path of a program");
  }
  const logLevel = environment["GANTRY_LOG_LEVEL"] ?? "info";
  return { heartbeatPath: heartbeatPath(environment, dataDir), plugOff, logLevel };
}
