// The supervisor: holds no port and waits. When the bridge falls silent while a heater is on, it takes
// the port and switches the heater off (Marlin itself heats on for ever when its host dies).
//
// SV1. A bridge that hangs still holds its ports: it is killed first, if that process is a bridge.
// SV2. Who cannot be cooled through the port is cut off by GANTRY_PLUG_OFF, a program of the owner's
//      that is started with the printer's id; no shell in between.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { makeLogger } from "@gantry/shared/adapters/pino.ts";
import { openServiceManager } from "@gantry/shared/adapters/service-manager.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { systemClock as clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { openSerial } from "../adapters/serial.ts";
import { type SupervisorConfig, readSupervisorConfig } from "./config.ts";
import { coolDown } from "./cooling.ts";
import { readBeat } from "./beat-file.ts";
import { type HotPrinter, makeBridgeWatch } from "./watch.ts";

const LOOK_MS = 200;
const PLUG_MS = 10_000;

/** Runs until SIGTERM or SIGINT. Rejects with bad_config. */
export async function main(): Promise<void> {
  const manager = openServiceManager(process.env);
  const config = readSupervisorConfig(process.env);
  const log = makeLogger(config.logLevel, { part: "supervisor" });
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => stopping.abort());
  }
  const watch = makeBridgeWatch();
  const { signal } = stopping;
  log.info({ heartbeat: config.heartbeatPath }, "supervisor ready");
  manager.ready();
  while (!signal.aborted) {
    const beat = readBeat(config.heartbeatPath);
    if (beat !== "unreadable") watch.see(beat, clock.monotonic());
    const due = watch.due(clock.monotonic());
    if (due.length > 0) {
      endHungBridge(watch.pid(), log);
      await Promise.all(
        due.map(async (printer) => {
          const isCold = await rescue(printer, config, log, signal);
          watch.settle(printer.id, isCold, clock.monotonic());
        }),
      );
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

async function rescue(
  { id, path, baud, firmware }: HotPrinter,
  config: SupervisorConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  log.error({ printer: id, path }, "the bridge is silent and a heater may be on; taking the port");
  try {
    await coolDown((events) => openSerial(path, baud, events), clock, signal, firmware);
    log.warn({ printer: id }, "heaters are off");
    return true;
  } catch (error) {
    const { code, message } = toErrorRecord(error);
    log.error({ printer: id, code, why: message }, "heaters could not be switched off");
    return signal.aborted ? false : await cutOff(id, config.plugOff, log);
  }
}

/** SV2 */
function cutOff(id: string, program: string | undefined, log: Logger): Promise<boolean> {
  if (program === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    execFile(program, [id], { timeout: PLUG_MS }, (error) => {
      if (error === null) log.warn({ printer: id }, "its plug was switched off");
      else log.error({ printer: id, why: error.message }, "its plug could not be switched off");
      resolve(error === null);
    });
  });
}

/** SV1 */
function endHungBridge(pid: number | undefined, log: Logger): void {
  if (pid === undefined || !isBridge(pid)) return;
  log.error({ pid }, "the bridge hangs; ending it");
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

function isBridge(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("firmware-bridge/bin/bridge.js");
  } catch {
    return false;
  }
}
