// The live feed of this worker: one watch of the desk for all its readers.
//
// FE1. Nobody pushes to a reader. A reader that has room looks here; one that has not costs nothing
//      but its place, and delays nobody.
// FE2. Of a soft value (telemetry) only the newest is kept, for each thing it is about.

import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { SoftEvent } from "@gantry/shared/contract/events.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Desk, FeedItem } from "../../ports.ts";
import { lineOf, makeRing, type Ring } from "./ring.ts";

const SOFT_VALUES_MAX = 1_000;

export interface SoftValue {
  /** Grows with each soft event of this worker. */
  readonly version: number;
  readonly type: SoftEvent["type"];
  readonly text: string;
}

export interface Feed {
  readonly ring: Ring;
  /** The newest of each, the longest unchanged first. */
  readonly soft: ReadonlyMap<string, SoftValue>;
  /** How often TIMEOUT.sseHeartbeatMs has passed. */
  readonly beats: number;
  /** How many token.changed events came. */
  readonly tokenChanges: number;
  /** Resolves at the next item, soft value or beat, or when `signal` aborts. Never rejects. */
  wait(signal: AbortSignal): Promise<void>;
}

/** `onTokenChange` runs before any reader sees the event. */
export function makeFeed(
  desk: Desk,
  clock: Clock,
  scope: Scope,
  onTokenChange: () => void,
  itemsMax: number = LIMIT.eventRing.max,
): Feed {
  const ring = makeRing(itemsMax);
  const soft = new Map<string, SoftValue>();
  let sleepers: (() => void)[] = [];
  let beats = 0;
  let tokenChanges = 0;
  let version = 0;

  function wakeAll(): void {
    const woken = sleepers;
    sleepers = [];
    for (const wake of woken) wake();
  }

  function takeSoft(event: SoftEvent): void {
    const key = event.type === "telemetry" ? `d:${event.device}` : `n:${event.node}`;
    version += 1;
    const text = `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    soft.delete(key); // so that the map stays in order of change
    soft.set(key, { version, type: event.type, text });
    const oldest = soft.keys().next();
    if (soft.size > SOFT_VALUES_MAX && oldest.done !== true) soft.delete(oldest.value);
  }

  function take(item: FeedItem): void {
    if (item.kind === "soft") {
      takeSoft(item.event);
      return;
    }
    if (item.kind === "lapse") {
      onTokenChange(); // one may have been revoked meanwhile
      tokenChanges += 1;
      ring.lapse();
      return;
    }
    if (item.events.some(({ type }) => type === "token.changed")) {
      tokenChanges += 1;
      onTokenChange();
    }
    ring.push({ id: item.id, lines: item.events.map(lineOf) });
  }

  desk.watch((items) => {
    for (const item of items) take(item);
    wakeAll();
  }, scope.signal);

  scope.start("feed beat", async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(TIMEOUT.sseHeartbeatMs, signal);
      beats += 1;
      wakeAll();
    }
  });
  scope.signal.addEventListener("abort", wakeAll, { once: true });

  return {
    ring,
    soft,
    get beats() {
      return beats;
    },
    get tokenChanges() {
      return tokenChanges;
    },
    wait(signal) {
      if (signal.aborted || scope.signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          signal.removeEventListener("abort", wake);
          resolve();
        };
        signal.addEventListener("abort", wake, { once: true });
        sleepers.push(wake);
      });
    },
  };
}
