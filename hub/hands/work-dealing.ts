// How ready work leaves for the programs that have credit for it.
//
// WS3. Work with the effect `once` leaves only after the log says that it is leased (WK3).

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { LeasedWork } from "@gantry/shared/contract/registry-ops.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { act, byHub, type Hub } from "../hub.ts";
import type { Item, RunWork } from "../queues/item.ts";
import type { Scheduler } from "../queues/scheduler.ts";
import { GRACE_MS, type Queues } from "./queues.ts";
import type { WorkEnds } from "./work-ends.ts";
import { JOBS_PER_MESSAGE, sayAll, type Stream, type Streams } from "./work-streams.ts";

export interface WorkDealing {
  /** After this turn: something of this queue may start, or somebody has credit for it. */
  readonly look: (queue: string) => void;
  /** After this turn, even if there is nothing to deal out. */
  readonly lookSoon: () => void;
}

export function makeWorkDealing(parts: {
  readonly hub: Hub;
  readonly queues: Queues;
  readonly streams: Streams;
  readonly ended: WorkEnds["ended"];
  /** Called at the end of each look. */
  readonly afterwards: () => void;
  readonly signal: AbortSignal;
}): WorkDealing {
  const { hub, queues, streams, ended, afterwards, signal } = parts;
  const { rows } = hub;
  const toLook = new Set<string>();
  let isLooking = false;

  function look(queue: string): void {
    if (streams.takers(queue) === undefined) return;
    toLook.add(queue);
    lookSoon();
  }

  function lookSoon(): void {
    if (isLooking) return;
    isLooking = true;
    queueMicrotask(lookNow);
  }

  function lookNow(): void {
    isLooking = false;
    const all = [...toLook];
    toLook.clear();
    const index = queues.scheduler;
    if (index !== undefined) for (const queue of all) deal(index, queue);
    afterwards();
  }

  /** Free credit of all workers of a queue is filled, by turns of JOBS_PER_MESSAGE at most. */
  function deal(index: Scheduler, queue: string): void {
    const mine = streams.takers(queue);
    if (mine === undefined) return;
    for (const stream of Array.from(mine)) {
      const free = freeOf(index, stream);
      if (free <= 0) continue;
      if (mine.size > 1) streams.toTheEnd(stream);
      const share = mine.size > 1 ? Math.ceil(index.countOf(queue).ready / mine.size) : free;
      const max = Math.min(free, Math.max(1, share), JOBS_PER_MESSAGE);
      const nowMs = hub.stampMs();
      const { items, isMore } = index.take({
        queue,
        needs: "",
        max,
        worker: stream.name,
        token: queues.token(),
        nowMs,
        endsAtMs: ({ id, work }) => nowMs + ((work ?? rows.get("job", id))?.timeoutMs ?? 0),
      });
      if (items.length > 0) send(index, stream, items);
      if (isMore || (items.length === max && freeOf(index, stream) > 0)) lookLater(queue);
    }
  }

  /** After other work had its turn. */
  function lookLater(queue: string): void {
    setImmediate(() => look(queue));
  }

  function send(index: Scheduler, stream: Stream, items: readonly Item[]): void {
    const now: LeasedWork[] = [];
    const once: Item[] = [];
    for (const item of items) {
      if (item.work !== undefined) {
        now.push(leasedWorkOfRun(item, item.work));
        continue;
      }
      const row = rows.get("job", item.id);
      if (row?.effect === "once" && row.state === "ready") once.push(item);
      else if (row !== undefined) now.push(leasedWork(item, row));
    }
    if (now.length > 0) say(index, stream, now);
    if (once.length > 0) void sendOnce(index, stream, once);
  }

  function say(index: Scheduler, stream: Stream, jobs: readonly LeasedWork[]): void {
    if (sayAll(stream, jobs)) return;
    // Its connection is full or gone: those that did not leave go to somebody else, and of those that
    // did the worker's ends come too late.
    for (const { job } of jobs) index.release(job, hub.stampMs());
    if (streams.has(stream.name)) lookLater(stream.queue);
  }

  /** WS3. */
  async function sendOnce(index: Scheduler, stream: Stream, items: readonly Item[]): Promise<void> {
    const jobs = items.map(({ id: job, lease }) => ({ job, token: lease?.token ?? 0 }));
    let leased: ReadonlySet<string> = new Set();
    try {
      const body = { type: "jobsLeased" as const, worker: stream.name, jobs };
      const value = (await act(hub, body, byHub(hub), signal)) as { leased: string[] }; // work.ts
      leased = new Set(value.leased);
    } catch (error) {
      // Nobody heard of them; if the log has it all the same, they are given up as unknown in time.
      hub.log.warn({ error: toErrorRecord(error), queue: stream.queue }, "work was not leased");
    }
    const now: LeasedWork[] = [];
    for (const item of items) {
      const row = rows.get("job", item.id);
      if (row !== undefined && leased.has(item.id)) now.push(leasedWork(item, row));
      else if (row?.state === "ready") index.release(item.id, hub.stampMs());
    }
    if (now.length === 0 || sayAll(stream, now)) return;
    // Nobody heard of them: that is no lost lease.
    const error = { code: "unreachable" as const, message: "Its worker could not be told" };
    const retryAtMs = hub.stampMs() + GRACE_MS;
    const ends = now.map(({ job, token }) => ({ job, token, error, retryAtMs }));
    ended(ends).catch((fault: unknown) =>
      hub.log.warn({ error: toErrorRecord(fault) }, "work that nobody heard of was not given back"),
    );
  }

  return { look, lookSoon };
}

const freeOf = (index: Scheduler, { name, credit, ending }: Stream): number =>
  credit - index.leasedBy(name).size + ending;

const leasedWorkOfRun = ({ lease }: Item, work: RunWork): LeasedWork => ({
  job: work.id,
  token: lease?.token ?? 0,
  data: work.data,
  attempt: 1,
  timeoutMs: work.timeoutMs,
});

function leasedWork(item: Item, row: JobRow): LeasedWork {
  const { children } = row;
  return {
    job: item.id,
    token: item.lease?.token ?? 0,
    data: row.input["data"],
    attempt: row.attempts + 1,
    timeoutMs: row.timeoutMs,
    ...(children === undefined ? {} : { children }),
  };
}
