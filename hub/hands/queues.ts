// The queues of a reign: an index over all jobs that have not ended (hub/queues), rebuilt from the rows
// when the reign begins and kept by every change of them.
//
// QH1. Leases of work that may be repeated are in this memory alone. After an election what was ready
//      before it is held back for a grace of two heartbeats, in which workers announce what they hold;
//      so is what shares a limit with it. What is new and free of limits starts at once.
// QH2. A change is heard in the turn in which it is applied and acted on after it: observers write nothing.
// QH4. Work of runs without a row of its own is told by the hands of runs, and is known here alone. While
//      they still read what a reign began with, an end that nobody knows is not late: it comes again.
// QH3. Times are those that commands are stamped with: they never go back, whoever leads.

import { assert } from "@gantry/shared/base/assert.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { DEFAULT_QUEUE, type QueueRow } from "@gantry/shared/contract/queues.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import type { Hub } from "../hub.ts";
import { orderOf, ORDERS_PER_COMMAND } from "../ledger/domains/jobs.ts";
import { type Item, itemOf, itemOfWork, type QueueRules, type RunWork } from "../queues/item.ts";
import {
  type Channel,
  makeScheduler,
  type QueueCount,
  type Scheduler,
} from "../queues/scheduler.ts";

export const GRACE_MS: number = 2 * TIMEOUT.heartbeatMs;
const SWEEP_MS = 1_000;

export type JobEnd = Pick<JobRow, "state" | "result" | "error">;

/** What the hands that do the work hear. None of them may throw. */
export interface QueueWatcher {
  /** Something of this queue may start now. */
  ready(queue: string): void;
  /** A job has ended or was withdrawn. `item`: as it was, with its lease if it had one. */
  ended(item: Item, end: JobEnd | undefined): void;
  /** About once a second. */
  swept(scheduler: Scheduler, nowMs: number): void;
  /** The reign is over, or the rows are others: every lease of before is forgotten. */
  forgotten(): void;
}

export interface Queues {
  /** Undefined while this hub does not lead. */
  readonly scheduler: Scheduler | undefined;
  watch(watcher: QueueWatcher): void;
  /** Until the signal aborts: this hub leads. */
  run(signal: AbortSignal): Promise<void>;
  /** Fencing token of a lease that is given now: it grows with every change of the log. */
  token(): number;
  /** Of node agents, with something to do; not of queues that are paused. */
  nodeChannels(): readonly Channel[];
  /** QH4. `isNew`: it became owed in this reign. */
  offer(work: RunWork, isNew: boolean): void;
  /** It has ended, or nobody wants it any more. Nothing for a job with a row. */
  withdraw(id: string, end: JobEnd): void;
  /** QH4. By id. */
  readonly runWork: ReadonlyMap<string, RunWork>;
  /** QH4. */
  isReadingRuns: boolean;
  facts(queue: string): QueueFacts;
  /** By name, all that have a row or a job. */
  names(): readonly string[];
}

export interface QueueFacts extends QueueCount {
  readonly waiting: number;
  readonly dead: number;
  /** Age of the job that has been ready the longest, ms; 0 without one. */
  readonly lagMs: number;
}

export function makeQueues(hub: Hub): Queues {
  const { rows, clock, replica } = hub;
  const watchers: QueueWatcher[] = [];
  let scheduler: Scheduler | undefined;
  let graceUntilMs = 0;
  let wakeUp = new AbortController();
  let plannedMs = Infinity;
  let isPlanning = false;
  const runWork = new Map<string, RunWork>();
  let offered = 0;

  // ── the index ─────────────────────────────────────────────────────────────────────────────────

  /** QH1. */
  function heldBackMs(item: Item, index: Scheduler): number {
    if (item.needs !== "" || graceUntilMs <= hub.stampMs()) return 0;
    const isLimited =
      item.mutex !== undefined || item.key !== undefined || index.isLimited(item.queue);
    return isLimited ? graceUntilMs : 0;
  }

  function build(): Scheduler {
    const index = makeScheduler();
    const nowMs = hub.stampMs();
    graceUntilMs = nowMs + GRACE_MS;
    for (const row of rows.hot("queue").values()) index.setRules(row.name, rulesOf(row), nowMs);
    for (const row of rows.hot("job").values()) {
      if (row.state !== "ready" && row.state !== "leased") continue;
      const item = itemOf(row);
      index.add(item, nowMs, row.kind === "work" ? graceUntilMs : 0);
      if (row.state === "leased") adoptLogged(index, row, nowMs); // a row keeps its last lease
    }
    for (const work of runWork.values()) enter(index, work, nowMs, graceUntilMs);
    return index;
  }

  function enter(index: Scheduler, work: RunWork, nowMs: number, heldBackUntilMs: number): void {
    offered += 1;
    const order = orderOf(replica.ledger.position, offered % ORDERS_PER_COMMAND);
    index.add(itemOfWork(work, order), nowMs, heldBackUntilMs);
  }

  function jobChanged(id: string, row: JobRow | undefined, cold: JobRow | undefined): void {
    const index = scheduler;
    if (index === undefined) return;
    const nowMs = hub.stampMs();
    const before = index.get(id);
    if (row?.state === "leased" && before?.lease !== undefined) {
      // Taken here, and in the log now: from here on its token is the log's.
      const { token = before.lease.token, node: worker = before.lease.worker } = row.lease ?? {};
      if (worker === before.lease.worker) before.lease = { ...before.lease, token };
      return;
    }
    if (before?.work !== undefined) {
      runWork.delete(id);
      before.work = undefined; // it has a row now, and is where it was
      if (row?.state === "ready") return;
    }
    if (before !== undefined) {
      const was = { ...before };
      index.remove(id, nowMs);
      ready(before.queue); // slots may be free
      if (row?.state !== "ready" || was.lease !== undefined) tellEnded(was, row ?? cold);
    }
    if (row === undefined) return;
    if (row.state !== "ready" && row.state !== "leased") return;
    const item = itemOf(row);
    index.add(item, nowMs, heldBackMs(item, index));
    if (row.state === "leased") adoptLogged(index, row, nowMs);
    else ready(item.queue);
  }

  function tellEnded(item: Item, end: JobEnd | undefined): void {
    for (const watcher of watchers) watcher.ended(item, end);
  }

  function ready(queue: string): void {
    for (const watcher of watchers) watcher.ready(queue);
    if (isPlanning) return;
    isPlanning = true;
    queueMicrotask(plan); // once for all changes of an entry
  }

  /** What is due earlier than what is slept for ends the sleep. */
  function plan(): void {
    isPlanning = false;
    const wakeMs = scheduler?.nextWakeMs(hub.stampMs());
    if (wakeMs !== undefined && wakeMs < plannedMs) wakeUp.abort();
  }

  function queueChanged(name: string, row: QueueRow | undefined): void {
    const rules = row === undefined ? { isPaused: false } : rulesOf(row);
    scheduler?.setRules(name, rules, hub.stampMs());
    ready(name);
  }

  function begin(): void {
    for (const watcher of watchers) watcher.forgotten();
    scheduler = build();
    readyAll();
  }

  function readyAll(): void {
    for (const queue of new Set([...(scheduler?.channels() ?? [])].map((one) => one.queue))) {
      ready(queue);
    }
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────

  async function keepTime(signal: AbortSignal): Promise<void> {
    let sweptMs = clock.monotonic();
    while (!signal.aborted) {
      const index = scheduler;
      assert(index !== undefined, "the reign has its index");
      const nowMs = hub.stampMs();
      const wakeMs = index.nextWakeMs(nowMs);
      plannedMs = wakeMs ?? Infinity;
      const sleepMs = Math.min(SWEEP_MS, Math.max(1, (wakeMs ?? Infinity) - nowMs));
      await clock.sleep(sleepMs, AbortSignal.any([signal, wakeUp.signal])).catch(() => {}); // woken
      if (wakeUp.signal.aborted) wakeUp = new AbortController();
      if (signal.aborted || scheduler === undefined) return;
      if (wakeMs !== undefined && wakeMs <= hub.stampMs()) {
        scheduler.advance(hub.stampMs());
        readyAll();
      }
      if (clock.monotonic() - sweptMs < SWEEP_MS) continue;
      sweptMs = clock.monotonic();
      scheduler.sweep(hub.stampMs());
      for (const watcher of watchers) watcher.swept(scheduler, hub.stampMs());
    }
  }

  return {
    get scheduler() {
      return scheduler;
    },
    watch: (watcher) => void watchers.push(watcher),
    async run(signal) {
      const stops = [
        rows.observe("job", { changed: jobChanged, reloaded: begin }),
        rows.observe("queue", { changed: queueChanged, reloaded: () => {} }), // `begin` reads them too
      ];
      begin();
      try {
        await keepTime(signal);
      } finally {
        for (const stop of stops) stop();
        scheduler = undefined;
        for (const watcher of watchers) watcher.forgotten();
      }
    },
    token: () => replica.ledger.position,
    runWork,
    isReadingRuns: false,
    offer(work, isNew) {
      runWork.set(work.id, work);
      const index = scheduler;
      if (index === undefined) return; // `build` enters it
      const nowMs = hub.stampMs();
      enter(index, work, nowMs, isNew && !index.isLimited(work.queue) ? 0 : graceUntilMs);
      ready(work.queue);
    },
    withdraw(id, end) {
      if (!runWork.delete(id)) return;
      const item = scheduler?.get(id);
      if (scheduler === undefined || item === undefined) return;
      const { lease } = item;
      scheduler.remove(id, hub.stampMs());
      ready(item.queue); // slots may be free
      item.lease = lease; // as it was
      tellEnded(item, end);
    },
    nodeChannels: () => [...(scheduler?.channels() ?? [])].filter(({ needs }) => needs !== ""),
    facts(queue) {
      const nowMs = hub.stampMs();
      const count = scheduler?.countOf(queue) ?? { ready: 0, delayed: 0, parked: 0, leased: 0 };
      const sinceMs = scheduler?.readySinceMs(queue);
      let waiting = 0;
      let dead = 0;
      for (const id of rows.hot("order").values()) {
        const row = rows.get("job", id);
        if (row?.isDead === true && (row.queue ?? DEFAULT_QUEUE) === queue) dead += 1;
      }
      const open = ["high", "normal", "low"].map((its) => openOf(queue, its));
      let all = open.reduce((sum, its) => sum + its, 0);
      for (const work of runWork.values()) if (work.queue === queue) all += 1;
      waiting = Math.max(0, all - count.ready - count.delayed - count.parked - count.leased);
      const lagMs = sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs);
      return { ...count, waiting, dead, lagMs };
    },
    names() {
      return [...new Set([DEFAULT_QUEUE, ...rows.hot("queue").keys()])].toSorted();
    },
  };

  function openOf(queue: string, its: string): number {
    const named = rows.get("count", `open/${queue}/${its}`) ?? 0;
    return queue === DEFAULT_QUEUE ? named + (rows.get("count", `open/${its}`) ?? 0) : named;
  }
}

function rulesOf(row: QueueRow): QueueRules {
  const { policy, isPaused, pausedUntilMs, pausedKeys } = row;
  const { concurrency, rate, perKey, weights } = policy;
  return { isPaused, concurrency, rate, pausedUntilMs, pausedKeys, perKey, weights };
}

/** A lease that is in the log holds until the log says otherwise. */
function adoptLogged(index: Scheduler, { id, lease, timeoutMs }: JobRow, nowMs: number): void {
  if (lease === undefined || index.get(id)?.place === "leased") return;
  const { node: worker, token, atMs } = lease;
  const endsAtMs = atMs + timeoutMs;
  index.adopt(id, { worker, token, atMs, endsAtMs, isEnding: false }, nowMs);
}
