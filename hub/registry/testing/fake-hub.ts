// Test equipment: a hub that is a ledger in memory under a clock that only moves when told to.

import { present } from "@gantry/shared/base/assert.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeFeed } from "../../feed/feed.ts";
import { makeSoftState } from "../../feed/soft.ts";
import type { Hub } from "../../hub.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../../ledger/testing/rig.ts";
import { makeMetrics } from "../../metrics.ts";
import type { Replica } from "../../replica/replica.ts";

export interface ManualClock extends Clock {
  /** Moves both clocks in steps of `stepMs`, and lets what waits run after each. */
  pass(ms: number, stepMs?: number): Promise<void>;
  /** Time passes at once and nobody sees it pass: this process was stopped. */
  stall(ms: number): void;
}

/** Enough turns for chains of awaits that have no timer in them. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

export function makeManualClock(): ManualClock {
  let nowMs = 0;
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  return {
    now: () => START_MS + nowMs,
    monotonic: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(reasonOf(signal));
        const onAbort = (): void => {
          sleepers.delete(sleeper);
          reject(reasonOf(signal));
        };
        const sleeper = {
          atMs: nowMs + ms,
          wake() {
            signal.removeEventListener("abort", onAbort);
            resolve();
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        sleepers.add(sleeper);
      }),
    timeout: (_ms, parent) => parent ?? new AbortController().signal,
    async pass(ms, stepMs = 100) {
      const untilMs = nowMs + ms;
      await settle();
      while (nowMs < untilMs) {
        nowMs = Math.min(untilMs, nowMs + stepMs);
        for (const sleeper of sleepers) {
          if (sleeper.atMs > nowMs) continue;
          sleepers.delete(sleeper);
          sleeper.wake();
        }
        await settle();
      }
    },
    stall(ms) {
      nowMs += ms;
    },
  };
}

export interface FakeHub {
  readonly hub: Hub;
  readonly rig: LedgerRig;
  readonly clock: ManualClock;
  /** Commands proposed by what is tested. */
  readonly proposed: readonly Command[];
  /** Tells watchers of the feed what the rig has done since the last time. */
  readonly publish: () => void;
}

export function makeFakeHub(): FakeHub {
  const rig = makeLedgerRig();
  const clock = makeManualClock();
  const feed = makeFeed();
  const proposed: Command[] = [];
  let published = 0;

  function publish(): void {
    const events = rig.events.slice(published);
    published = rig.events.length;
    if (events.length > 0) feed.publish(events);
  }

  const replica = {
    ledger: rig.ledger,
    async propose(command: Command) {
      proposed.push(command);
      const [reply] = rig.apply(command);
      publish();
      return present(reply, "a reply");
    },
  } as Pick<Replica, "ledger" | "propose"> as Replica; // all that the registry uses of it

  const hub: Hub = {
    id: "hub_1",
    replica,
    rows: rig.rows,
    feed,
    soft: makeSoftState(feed),
    clock,
    random: seededRandom(1),
    log: silentLogger,
    stampMs: () => clock.now(),
    metrics: makeMetrics(),
  };
  return { hub, rig, clock, proposed, publish };
}
