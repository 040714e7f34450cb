// Who works on what next: an index over the jobs that have not ended, rebuilt from rows after an
// election and kept by their changes. Pure: the time comes in.
//
// SC1. Every job it knows is in exactly one place: delayed, in a lane, parked at a gate, or leased.
// SC2. A job that is kept back by a limit never blocks another (gates.ts).
// SC3. Each operation costs O(log n) in the number of jobs; one `take` looks at LOOKS_MAX at most.
// SC4. A lease ends by `release` or `remove` only: what a worker's silence means is decided outside.

import { assert } from "@gantry/shared/base/assert.ts";
import { type Gates, makeGates } from "./gates.ts";
import { type Heap, makeHeap } from "./heap.ts";
import { type Allowance, type Item, type Lease, NO_RULES, type QueueRules } from "./item.ts";
import { type Lanes, makeLanes } from "./lanes.ts";

const LOOKS_MAX = 2_000;

/** Work of one queue for one kind of taker. */
export interface Channel {
  readonly queue: string;
  readonly needs: string;
  readonly lanes: Lanes;
}

export interface QueueCount {
  readonly ready: number;
  readonly delayed: number;
  readonly parked: number;
  readonly leased: number;
}

export interface Scheduler {
  setRules(queue: string, rules: QueueRules, nowMs: number): void;
  /** A job that may start, at once or at its time. `heldBackUntilMs`: not before, whatever it says. */
  add(item: Item, nowMs: number, heldBackUntilMs?: number): void;
  /** It ended, or waits for something else. Nothing if it is not known. */
  remove(id: string, nowMs: number): void;
  get(id: string): Item | undefined;
  /**
   * Leases up to `max` jobs to `worker`. `isMore`: it stopped because it had looked at many that are
   * kept back; ask again.
   */
  take(asked: {
    readonly queue: string;
    readonly needs: string;
    readonly max: number;
    readonly worker: string;
    readonly token: number;
    readonly nowMs: number;
    readonly endsAtMs: (item: Item) => number;
  }): { readonly items: readonly Item[]; readonly isMore: boolean };
  /** A lease that somebody else gave and that still holds. */
  adopt(id: string, lease: Lease, nowMs: number): boolean;
  /** The lease is over, the job is not: it goes to its lane, or waits for its time again. */
  release(id: string, nowMs: number, notBeforeMs?: number): void;
  /** Moves what is due. */
  advance(nowMs: number): void;
  /** When `advance` has something to do; undefined: not by time alone. */
  nextWakeMs(nowMs: number): number | undefined;
  /** With jobs in their lanes. */
  channels(): Iterable<Channel>;
  leased(): ReadonlySet<Item>;
  leasedBy(worker: string): ReadonlySet<Item>;
  countOf(queue: string): QueueCount;
  /** Since when the first to come of those in their lanes could have started; O(lanes). */
  readySinceMs(queue: string): number | undefined;
  /** It has limits of its own or for its keys. */
  isLimited(queue: string): boolean;
  readonly size: number;
  sweep(nowMs: number): void;
}

const NOBODY: ReadonlySet<Item> = new Set();

export function makeScheduler(): Scheduler {
  const items = new Map<string, Item>();
  const channels = new Map<string, Channel>();
  const rules = new Map<string, QueueRules>();
  const counts = new Map<string, Record<Item["place"], number>>();
  const delayed: Heap<Item> = makeHeap((one, other) => dueMs(one) < dueMs(other));
  const due = new Map<Item, number>(); // where it is not the job's own time
  const leased = new Set<Item>();
  const byWorker = new Map<string, Set<Item>>();
  const gates: Gates = makeGates(
    (item) => {
      count(item, "parked", -1);
      toLane(item);
    },
    (queue, key) => keyAllowance(rulesOf(queue), key),
  );

  function dueMs(item: Item): number {
    return due.get(item) ?? item.notBeforeMs;
  }
  const rulesOf = (queue: string): QueueRules => rules.get(queue) ?? NO_RULES;

  function countsOf(queue: string): Record<Item["place"], number> {
    let found = counts.get(queue);
    if (found === undefined) {
      found = { delayed: 0, lane: 0, parked: 0, leased: 0 };
      counts.set(queue, found);
    }
    return found;
  }
  const count = (item: Item, place: Item["place"], by: number): void => {
    countsOf(item.queue)[place] += by;
  };

  function channelOf(item: Item): Channel {
    const name = channelName(item.queue, item.needs);
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = { queue: item.queue, needs: item.needs, lanes: makeLanes() };
      channels.set(name, channel);
    }
    return channel;
  }

  function toLane(item: Item): void {
    channelOf(item).lanes.add(item);
    count(item, "lane", 1);
  }

  function toDelayed(item: Item, untilMs: number): void {
    item.place = "delayed";
    if (untilMs !== item.notBeforeMs) due.set(item, untilMs);
    delayed.push(item);
    count(item, "delayed", 1);
  }

  /** Out of where it is; SC1 is broken until it is put somewhere. */
  function leave(item: Item, nowMs: number): void {
    count(item, item.place, -1);
    switch (item.place) {
      case "delayed":
        delayed.remove(item);
        due.delete(item);
        return;
      case "lane":
        channelOf(item).lanes.remove(item);
        gates.forget(item, nowMs);
        return;
      case "parked":
        gates.forget(item, nowMs);
        return;
      case "leased":
        endLease(item, nowMs);
    }
  }

  function endLease(item: Item, nowMs: number): void {
    const { lease } = item;
    assert(lease !== undefined, "SC1: what is leased has a lease");
    leased.delete(item);
    const mine = byWorker.get(lease.worker);
    mine?.delete(item);
    if (mine?.size === 0) byWorker.delete(lease.worker);
    item.lease = undefined;
    gates.release(item, nowMs);
  }

  function beginLease(item: Item, lease: Lease, nowMs: number): void {
    item.place = "leased";
    item.lease = lease;
    count(item, "leased", 1);
    leased.add(item);
    let mine = byWorker.get(lease.worker);
    if (mine === undefined) {
      mine = new Set();
      byWorker.set(lease.worker, mine);
    }
    mine.add(item);
    gates.hold(item, nowMs);
  }

  return {
    setRules(queue, next, nowMs) {
      rules.set(queue, next);
      gates.rulesChanged(queue, next, nowMs);
    },
    add(item, nowMs, heldBackUntilMs = 0) {
      assert(!items.has(item.id), "SC1: a job is added once");
      items.set(item.id, item);
      const startMs = Math.max(item.notBeforeMs, heldBackUntilMs);
      if (startMs > nowMs) toDelayed(item, startMs);
      else toLane(item);
    },
    remove(id, nowMs) {
      const item = items.get(id);
      if (item === undefined) return;
      leave(item, nowMs);
      items.delete(id);
    },
    get: (id) => items.get(id),
    take({ queue, needs, max, worker, token, nowMs, endsAtMs }) {
      const channel = channels.get(channelName(queue, needs));
      const taken: Item[] = [];
      const { isPaused, weights } = rulesOf(queue);
      if (channel === undefined || isPaused) return { items: taken, isMore: false };
      const weightOf = (workspace: string): number => weights?.[workspace] ?? 1;
      const { lanes } = channel;
      const own = gates.ofQueue(queue);
      for (let looks = 0; taken.length < max && gates.freeOf(own, nowMs) > 0; looks += 1) {
        if (looks >= LOOKS_MAX) return { items: taken, isMore: lanes.size > 0 }; // SC3
        const item = lanes.next(weightOf);
        if (item === undefined) break;
        count(item, "lane", -1);
        const closed = gates.closedTo(item, nowMs);
        if (closed === undefined) {
          const lease = { worker, token, atMs: nowMs, endsAtMs: endsAtMs(item), isEnding: false };
          beginLease(item, lease, nowMs);
          taken.push(item);
        } else {
          lanes.undoTurn(item);
          count(item, "parked", 1);
          gates.park(closed, item, nowMs); // SC2
        }
      }
      return { items: taken, isMore: false };
    },
    adopt(id, lease, nowMs) {
      const item = items.get(id);
      if (item === undefined || item.place === "leased") return false;
      leave(item, nowMs);
      beginLease(item, lease, nowMs);
      return true;
    },
    release(id, nowMs, notBeforeMs = 0) {
      const item = items.get(id);
      if (item?.place !== "leased") return;
      leave(item, nowMs);
      if (notBeforeMs > nowMs) toDelayed(item, notBeforeMs);
      else toLane(item);
    },
    advance(nowMs) {
      for (let top = delayed.top(); top !== undefined && dueMs(top) <= nowMs; top = delayed.top()) {
        leave(top, nowMs);
        toLane(top);
      }
      gates.wake(nowMs);
    },
    nextWakeMs(nowMs) {
      let wakeMs = Math.min(
        delayed.top() === undefined ? Infinity : dueMs(delayed.top() as Item),
        gates.nextWakeMs() ?? Infinity,
      );
      for (const { queue, lanes } of channels.values()) {
        if (lanes.size === 0) continue;
        const opensMs = gates.opensAtMs(gates.ofQueue(queue), nowMs);
        if (opensMs > nowMs) wakeMs = Math.min(wakeMs, opensMs);
      }
      return wakeMs === Infinity ? undefined : wakeMs;
    },
    *channels() {
      for (const [name, channel] of channels) {
        if (channel.lanes.size > 0) yield channel;
        else channels.delete(name);
      }
    },
    leased: () => leased,
    leasedBy: (worker) => byWorker.get(worker) ?? NOBODY,
    countOf(queue) {
      const { lane: ready, delayed: later, parked, leased: held } = countsOf(queue);
      return { ready, delayed: later, parked, leased: held };
    },
    readySinceMs(queue) {
      let sinceMs: number | undefined;
      for (const channel of channels.values()) {
        if (channel.queue !== queue) continue;
        for (const { notBeforeMs } of channel.lanes.tops()) {
          sinceMs = Math.min(sinceMs ?? Infinity, notBeforeMs);
        }
      }
      return sinceMs;
    },
    isLimited(queue) {
      const { concurrency, rate, perKey } = rulesOf(queue);
      return concurrency !== undefined || rate !== undefined || perKey !== undefined;
    },
    get size() {
      return items.size;
    },
    sweep: (nowMs) => gates.sweep(nowMs),
  };
}

const channelName = (queue: string, needs: string): string => `${queue}\n${needs}`;

function keyAllowance({ perKey, pausedKeys }: QueueRules, key: string): Allowance {
  const pausedUntilMs = pausedKeys?.[key];
  if (pausedUntilMs === undefined) return perKey ?? NO_ALLOWANCE;
  return { ...perKey, pausedUntilMs };
}
const NO_ALLOWANCE: Allowance = {};
