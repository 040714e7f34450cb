// Looks at all printers, every four hours and whenever a person asks; and looks around for new devices.
//
// FH1. Every machine is asked at the same time and has a time-out of its own: one that hangs, or a printer
//      of it that does, delays no other and is told as offline.
// FH2. A look is due FLEET_EVERY_MS after the last that is on record, whoever leads by then: a change of
//      leaders neither repeats nor skips one.
// FH3. What was found is soft: it is lost with the reign, and found again. What people said of it is not.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { DeviceRow, NodeRow } from "@gantry/shared/contract/rows.ts";
import {
  type Found,
  foundListSchema,
  type FleetCheckRow,
  type Health,
  healthListSchema,
  healthOf,
  type WorkshopAsk,
} from "@gantry/shared/contract/workshop.ts";
import { act, type By, byHub, type Hub, newId } from "../hub.ts";
import type { Calls } from "./calls.ts";

export const FLEET_EVERY_MS = 4 * 3_600_000;
const LOOK_MS = 30_000;
/** Of a cluster that has never looked: its machines may still be coming. */
const FIRST_MS = 600_000;

export interface FoundThere {
  readonly node: string;
  readonly found: Found;
  readonly seenAtMs: number;
}

export interface Fleet {
  /** Until the signal aborts: FH2. */
  run(signal: AbortSignal): Promise<void>;
  /** Looks now; resolves when it is on record. */
  check(by: By, isScheduled: boolean, signal: AbortSignal): Promise<FleetCheckRow>;
  /** The newest first. */
  checks(): readonly FleetCheckRow[];
  nextAtMs(): number | undefined;
  discover(signal: AbortSignal): Promise<void>;
  found(): readonly FoundThere[];
  readonly scannedAtMs: number | undefined;
  readonly silent: readonly { readonly node: string; readonly why: string }[];
  /** Throws what the machine answered, device_offline or timeout. */
  ask(node: string, asked: WorkshopAsk, timeoutMs: number, signal: AbortSignal): Promise<unknown>;
}

export function makeFleet(hub: Hub, calls: Calls): Fleet {
  const { rows, clock } = hub;
  const found = new Map<string, FoundThere>();
  let silent: { node: string; why: string }[] = [];
  let scannedAtMs: number | undefined;

  const ask: Fleet["ask"] = (node, asked, timeoutMs, signal) =>
    calls.call(node, { type: "workshop", id: newId(hub, "req"), asked }, { timeoutMs, signal });

  const machines = (): NodeRow[] =>
    [...rows.hot("node").values()].filter(({ state }) => state !== "removed");

  function checks(): readonly FleetCheckRow[] {
    const made = rows.get("count", "fleetChecks") ?? 0;
    const kept = Math.min(made, LIMIT.fleetChecks.max);
    return Array.from({ length: kept }, (_, back) =>
      rows.get("fleetCheck", String((made - 1 - back) % LIMIT.fleetChecks.max)),
    ).filter((row) => row !== undefined);
  }

  /** FH1 */
  async function lookAt(
    node: NodeRow,
    signal: AbortSignal,
  ): Promise<(Health & { node: string })[]> {
    const own = [...rows.hot("device").values()].filter((device) => device.node === node.id);
    if (own.length === 0) return [];
    let told: readonly Health[] = [];
    let why = "its machine did not say how it is";
    try {
      const answer = await ask(node.id, { ask: "health" }, TIMEOUT.fleetMachineMs, signal);
      told = healthListSchema.parse(answer);
    } catch (error) {
      why = toErrorRecord(error).message.slice(0, 400);
    }
    return own.map((device) => ({ node: node.id, ...healthIn(device, told, why) }));
  }

  return {
    ask,
    checks,
    nextAtMs() {
      const [last] = checks();
      return last === undefined ? undefined : last.atMs + FLEET_EVERY_MS;
    },
    async run(signal) {
      const firstAtMs = hub.stampMs() + FIRST_MS;
      while (!signal.aborted) {
        await clock.sleep(LOOK_MS, signal).catch(() => undefined);
        if (signal.aborted || rows.hot("device").size === 0) continue;
        const [last] = checks();
        const dueAtMs = last === undefined ? firstAtMs : last.atMs + FLEET_EVERY_MS; // FH2
        if (dueAtMs > hub.stampMs()) continue;
        await this.check(byHub(hub), true, signal).catch((error: unknown) => {
          if (!signal.aborted)
            hub.log.warn({ error: toErrorRecord(error) }, "no look at the fleet");
        });
      }
    },
    async check(by, isScheduled, signal) {
      const all = await Promise.all(machines().map((node) => lookAt(node, signal)));
      const printers = all.flat().slice(0, LIMIT.farmBoard.max);
      await act(hub, { type: "fleetChecked", isScheduled, printers }, by, signal);
      const [last] = checks();
      return last ?? { atMs: hub.stampMs(), by: by.actor, isScheduled, printers };
    },
    async discover(signal) {
      const missing: { node: string; why: string }[] = [];
      await Promise.all(
        machines().map(async ({ id: node }) => {
          try {
            const answer = await ask(node, { ask: "discover" }, TIMEOUT.discoverMs, signal);
            for (const one of foundListSchema.parse(answer)) keep(node, one);
          } catch (error) {
            missing.push({ node, why: toErrorRecord(error).message.slice(0, 200) });
          }
        }),
      );
      silent = missing;
      scannedAtMs = hub.stampMs();
    },
    found: () => [...found.values()],
    get scannedAtMs() {
      return scannedAtMs;
    },
    get silent() {
      return silent;
    },
  };

  function keep(node: string, one: Found): void {
    const known = found.get(one.key);
    // Two machines may see the same device; the first keeps it, so that the list stays still.
    if (known !== undefined && known.node !== node) return;
    found.delete(one.key);
    found.set(one.key, { node, found: one, seenAtMs: hub.stampMs() });
    const [oldest] = found.keys();
    if (found.size > LIMIT.foundDevices.max && oldest !== undefined) found.delete(oldest);
  }
}

/** What its machine said of it just now; of one that is not in the answer, or had none, that it is offline. */
function healthIn(device: DeviceRow, told: readonly Health[], why: string): Health {
  const said = told.find(({ printer }) => printer === device.id);
  return said ?? { ...healthOf({ ...device.printer, phase: "offline" }), why };
}
