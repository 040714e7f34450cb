// The printers of the farm at this moment: what the rows say, and what only the leader sees.

import type { OffPeak } from "@gantry/shared/contract/farm.ts";
import type { DeviceRow } from "@gantry/shared/contract/rows.ts";
import type { FarmPrinter } from "../farm/fit.ts";
import type { Hub } from "../hub.ts";
import { farmPrinterOf, holdersOf } from "../ledger/farm-facts.ts";
import type { AgentLink } from "../ports.ts";
import type { Calendar } from "../schedules/calendar.ts";

export type LocalTime = Calendar["localOf"];

export function farmPrinters(
  hub: Hub,
  heard: ReturnType<AgentLink["heard"]>,
  localOf: LocalTime,
): FarmPrinter[] {
  const { rows, soft } = hub;
  const holders = holdersOf(rows);
  const nowMs = hub.stampMs();
  const isReachable = ({ node }: DeviceRow): boolean =>
    rows.get("node", node)?.state === "alive" && heard.has(node);
  return [...rows.hot("device").values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((device) => {
      const live = soft.printer(device.id);
      const offPeak = rows.get("farmPrinter", device.id)?.offPeak;
      return farmPrinterOf(rows, device, holders.get(device.id), {
        phase: live?.phase ?? device.printer.phase,
        remainingS: live?.remainingS,
        isReachable: isReachable(device),
        isOffPeak: offPeak === undefined || isWithin(offPeak, localOf(offPeak.zone, nowMs)),
      });
    });
}

const DAY_MS = 86_400_000;

/** `localMs`: as Calendar.localOf gives it. The hours may go over midnight. */
export function isWithin({ fromMinute, toMinute }: OffPeak, localMs: number): boolean {
  const minute = Math.floor((((localMs % DAY_MS) + DAY_MS) % DAY_MS) / 60_000);
  return fromMinute <= toMinute
    ? minute >= fromMinute && minute < toMinute
    : minute >= fromMinute || minute < toMinute;
}
