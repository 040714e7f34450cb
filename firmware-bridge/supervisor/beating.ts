// The bridge's side of the heartbeat: tells twice a second which printers may be hot.

import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { openBeatFile, readBeat } from "./beat-file.ts";
import { type Beat, BEAT_MS, isHotNow } from "./heartbeat.ts";

/** A printer on a cable of this machine. */
export interface BeatingPrinter {
  readonly id: string;
  readonly path: string;
  readonly baud: number;
  readonly firmware?: "grbl";
  readonly printer: () => Printer;
}

export interface Heartbeat {
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** After the printers were shut down in order. */
  end(): void;
}

/** `path`: of the file. What a bridge that died left in it is not forgotten (HB1). */
export function makeHeartbeat(
  path: string,
  printers: readonly BeatingPrinter[],
  clock: Clock,
  log: Logger,
): Heartbeat {
  const left = readBeat(path);
  const known = left === undefined || left === "unreadable" ? [] : left.printers;
  const hot = new Map(known.map(({ id, isHot }) => [id, isHot]));
  const file = openBeatFile(path);
  let count = 0;
  let isWritten = true;

  function beat(): void {
    count += 1;
    const rows = printers.map(({ id, path: port, baud, firmware, printer }) => {
      const isHot = isHotNow(printer(), hot.get(id) ?? false);
      hot.set(id, isHot);
      const kind = firmware === undefined ? {} : { firmware };
      return { id, path: port, baud, isHot, ...kind } satisfies Beat["printers"][number];
    });
    const wasWritten = isWritten;
    isWritten = file.write({ pid: process.pid, count, printers: rows });
    if (wasWritten && !isWritten) log.error({ path }, "the heartbeat cannot be written");
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        beat();
        await clock.sleep(BEAT_MS, signal).catch(() => undefined);
      }
    },
    end: () => file.remove(),
  };
}
