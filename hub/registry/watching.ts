// Watches of a running hub: the core (watches.ts) fed by the hub's events, and a way to wait. Every hub
// serves watches from its own rows, leader or not.
//
// WG1. `pull` resolves with something to tell, or after TIMEOUT.watchProgressMs with a progress mark:
//      a silent watch is a broken one.
// WG2. A hub that took over the state of another has not seen the events between: every watcher gets
//      a snapshot.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Hub } from "../hub.ts";
import { makeWatchCore, type WatchBounds, type WatchCore, type Watcher } from "./watches.ts";

export interface RegistryWatches extends Pick<WatchCore, "open" | "reset" | "revision"> {
  /** The next messages of this watcher. Rejects when the signal aborts; `busy` when too many wait. */
  pull(watcher: Watcher, signal: AbortSignal): Promise<readonly WatchMessage[]>;
}

/** Takes events until the signal aborts. */
export function makeRegistryWatches(
  { rows, feed, replica, clock }: Pick<Hub, "rows" | "feed" | "replica" | "clock">,
  signal: AbortSignal,
  bounds?: WatchBounds,
): RegistryWatches {
  const core = makeWatchCore(() => rows, replica.ledger.position, bounds);
  let sleepers = new Set<() => void>();

  function wakeAll(): void {
    const woken = sleepers;
    sleepers = new Set();
    for (const wake of woken) wake();
  }

  feed.watch((items) => {
    if (items.some(({ kind }) => kind === "lapse")) {
      core.reset(replica.ledger.position); // WG2
      return wakeAll();
    }
    const events = items.flatMap((item) => (item.kind === "ledger" ? item.events : []));
    if (events.length === 0) return;
    core.take(events);
    wakeAll();
  }, signal);

  /** Until an event comes, `ms` have passed, or the signal aborts. */
  async function untilEvent(ms: number, stop: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    sleepers.add(wake);
    await clock.sleep(ms, AbortSignal.any([stop, woken.signal])).catch(() => {}); // either
    sleepers.delete(wake);
  }

  return {
    open: core.open,
    reset(revision) {
      core.reset(revision);
      wakeAll();
    },
    get revision() {
      return core.revision;
    },
    async pull(watcher, stop) {
      if (sleepers.size >= LIMIT.streams.max) {
        throw new GantryError("busy", `${LIMIT.streams.max} watches wait already`, {
          details: { retryAfterS: 5 },
        });
      }
      const untilMs = clock.monotonic() + TIMEOUT.watchProgressMs;
      for (;;) {
        if (stop.aborted) throw reasonOf(stop);
        const messages = watcher.next();
        if (messages.length > 0) return messages;
        const leftMs = untilMs - clock.monotonic();
        if (leftMs <= 0) return [watcher.progress()];
        await untilEvent(leftMs, stop);
      }
    },
  };
}
