// The live feed of this worker: one watch of the desk for all its readers, while there are any.
//
// FE1. Nobody pushes to a reader. A reader that has room looks here; one that has not costs nothing
//      but its place, and delays nobody.
// FE2. Of a soft value (telemetry) only the newest is kept, for each thing it is about.
// FE3. Events cross from the main thread only while somebody reads: the first reader begins the full
//      watch, and a beat ends it when nobody has read for TIMEOUT.feedLingerMs. A wake-up of this
//      thread for each commit would cost the hub more than many commits do.
// FE4. What a full watch could not see is a hole in the ring: each one begins with a lapse, so that a
//      reader who was here before takes what it missed from the log (RD1).
// FE5. Changes of tokens come always, read or not: the identity cache hangs on them (ID2, RD3).

import type { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { SoftEvent } from "@gantry/shared/contract/events.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { Desk, FeedItem } from "../../ports.ts";
import { within } from "../deadline.ts";
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
  /** Log position up to which this worker has heard of everything; holds while somebody reads. */
  readonly position: number;
  /** The newest of each, the longest unchanged first. */
  readonly soft: ReadonlyMap<string, SoftValue>;
  /** How often TIMEOUT.sseHeartbeatMs has passed. */
  readonly beats: number;
  /** Grows with each token.changed event. */
  readonly tokenChanges: number;
  /**
   * Counts one reader until `signal` aborts. Resolves when the full watch is there: from then on the
   * ring gets every event after `position`. Rejects with stopping, with timeout after
   * TIMEOUT.proposeMs, or with the signal's reason; the reader counts until `signal` aborts even so.
   */
  join(signal: AbortSignal): Promise<void>;
  /** Resolves at the next item, soft value or beat, or when `signal` aborts. Never rejects. */
  wait(signal: AbortSignal): Promise<void>;
}

interface FullWatch {
  readonly controller: AbortController;
  /** Settles once the main thread has said where it begins, or that it cannot. */
  readonly begun: Promise<void>;
  isBegun: boolean;
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
  let position = 0;
  let full: FullWatch | undefined;
  let readers = 0;
  let leftAtMs = 0;

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
    takeTokenChange(item);
    if (item.kind === "lapse") {
      ring.lapse();
      return;
    }
    position = Math.max(position, item.id);
    ring.push({ id: item.id, lines: item.events.map(lineOf) });
  }

  /** Of both watches, as either may be first; a second look at a token is cheap. */
  function takeTokenChange(item: FeedItem): void {
    const mayBeOne = // after a lapse: one may have been revoked meanwhile
      item.kind === "lapse" ||
      (item.kind === "ledger" && item.events.some(({ type }) => type === "token.changed"));
    if (!mayBeOne) return;
    tokenChanges += 1;
    onTokenChange();
  }

  const watching =
    (takeOne: (item: FeedItem) => void) =>
    (items: readonly FeedItem[]): void => {
      for (const item of items) takeOne(item);
      wakeAll();
    };

  function beginFull(): FullWatch {
    const controller = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined); // heard by those who wait for it, if there is anyone
    ring.lapse(); // FE4
    soft.clear(); // old by now; printers repeat theirs within a second
    const watch: FullWatch = { controller, begun: promise, isBegun: false };
    full = watch; // before the desk hears of it: it may refuse at once
    desk.watch(watching(take), AbortSignal.any([controller.signal, scope.signal]), {
      onBegin(from) {
        position = from;
        watch.isBegun = true;
        resolve();
      },
      onEnd(error: GantryError) {
        if (full === watch) full = undefined;
        reject(error);
      },
    });
    return watch;
  }

  /** FE3. */
  function endUnread(): void {
    if (full === undefined || readers > 0) return;
    if (clock.monotonic() - leftAtMs < TIMEOUT.feedLingerMs) return;
    full.controller.abort();
    full = undefined;
  }

  function leave(): void {
    readers -= 1;
    leftAtMs = clock.monotonic();
  }

  desk.watch(watching(takeTokenChange), scope.signal, { types: ["token.changed"] }); // FE5

  scope.start("feed beat", async (signal) => {
    while (!signal.aborted) {
      await clock.sleep(TIMEOUT.sseHeartbeatMs, signal);
      beats += 1;
      endUnread();
      wakeAll();
    }
  });
  scope.signal.addEventListener("abort", wakeAll, { once: true });

  return {
    ring,
    soft,
    get position() {
      return position;
    },
    get beats() {
      return beats;
    },
    get tokenChanges() {
      return tokenChanges;
    },
    async join(signal) {
      if (signal.aborted) throw reasonOf(signal);
      readers += 1;
      signal.addEventListener("abort", leave, { once: true });
      const { isBegun, begun } = full ?? beginFull();
      if (isBegun) return;
      await within(clock, TIMEOUT.proposeMs, signal, (limited) => unlessAborted(begun, limited));
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

/** `promise`, or the signal's reason if it aborts first. */
function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() =>
    signal.removeEventListener("abort", onAbort),
  );
}
