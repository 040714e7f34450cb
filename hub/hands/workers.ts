// Programs that do the work of queues: streams of leased jobs, pushed while there is credit, and their
// ends, many in one command. The leader's memory; the log has the ends.
//
// WS1. A lease belongs to a stream. When the stream's session ends its jobs wait GRACE_MS for the worker
//      to announce them from another one; then they are given up, in the log.
// WS2. An end counts only with the token of the present lease, or where there is none with one of the
//      leader before. Until the log has it the lease keeps its slots and its place, and the worker may
//      have the next job already.
// WS3. Work with the effect `once` leaves only after the log says that it is leased (WK3).
// WS4. What was cancelled is told to its worker in the turn in which the log has it.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, isErrorCode, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, RETRY } from "@gantry/shared/base/policy.ts";
import type { WorkEnd } from "@gantry/shared/contract/queues.ts";
import type {
  EndedWork,
  HeldWork,
  LeasedWork,
  RegistryCall,
  RegistryWork,
} from "@gantry/shared/contract/registry-ops.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import { act, byHub, type Hub, propose } from "../hub.ts";
import type { Item } from "../queues/item.ts";
import type { Scheduler } from "../queues/scheduler.ts";
import { GRACE_MS, type Queues } from "./queues.ts";

type Say = (work: Omit<RegistryWork, "type" | "id">) => "sent" | "absent" | "full";
type Call<T extends RegistryCall["op"]> = Extract<RegistryCall, { op: T }>;

const JOBS_PER_MESSAGE = 256;
const MESSAGE_BYTES = 262_144; // a job has LIMIT.jobBytes at most, and a frame 4 MiB
const EARLIER = "an earlier stream";
const LOST_PER_COMMAND = 1_000;

export interface WorkStream {
  readonly name: string;
  /** No more jobs; what it holds may end in peace. */
  drain(): void;
  /** Its session is over (WS1). */
  end(): void;
}

export interface Workers {
  /** Throws no_leader, bad_request. `adopted`: what of `holds` is its own now. */
  open(call: Call<"work">, who: string, say: Say): { stream: WorkStream; adopted: HeldWork[] };
  /** Gives those that came too late. Rejects as Replica.propose. */
  ended(ends: readonly WorkEnd[]): Promise<readonly string[]>;
  /** The ends of a `fail` as the policy of their queues has it. */
  failures(call: Call<"fail">): WorkEnd[];
  extend(call: Call<"extend">): readonly string[];
  progressOf(job: string): unknown;
  /** Who holds it by this memory. */
  holderOf(job: string): string | undefined;
  listen(queue: string, say: Say): { drain(): void; end(): void };
}

interface Stream {
  readonly name: string;
  readonly queue: string;
  readonly credit: number;
  readonly say: Say;
  /** Its ends that are on their way into the log use no credit. */
  ending: number;
}

export function makeWorkers(parts: {
  readonly hub: Hub;
  readonly queues: Queues;
  /** Stops a job at a node agent. */
  readonly stopAtNode: (node: string, job: string, token: number) => void;
  readonly signal: AbortSignal;
}): Workers {
  const { hub, queues, stopAtNode, signal } = parts;
  const { rows } = hub;
  const streams = new Map<string, Stream>();
  const byQueue = new Map<string, Set<Stream>>();
  const orphans = new Map<string, number>(); // worker without a stream -> until when it may come back
  const listeners = new Map<string, Set<Say>>();
  const progress = new Map<string, unknown>();
  const results = new Map<string, unknown>(); // of ends on their way into the log
  const extended = new Map<string, number>(); // job -> its later end
  const toLook = new Set<string>();
  const toTell = new Map<Say, EndedWork[]>();
  let isLooking = false;
  let serial = 0;

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────

  let gathered: WorkEnd[] = [];
  let gathering: Promise<ReadonlySet<string>> | undefined;

  /** All ends of a turn are one command. */
  function propEnds(ends: readonly WorkEnd[]): Promise<ReadonlySet<string>> {
    gathered.push(...ends);
    gathering ??= new Promise((resolve) => {
      queueMicrotask(() => {
        const all = gathered;
        gathered = [];
        gathering = undefined;
        const body = { type: "jobsEnded" as const, ends: all };
        resolve(
          act(hub, body, byHub(hub), signal).then(
            (value) => new Set((value as { late: readonly string[] }).late), // domains/work.ts
          ),
        );
      });
    });
    return gathering;
  }

  async function ended(ends: readonly WorkEnd[]): Promise<readonly string[]> {
    const index = queues.scheduler;
    if (index === undefined) throw noLeader();
    const late: string[] = [];
    const mine: WorkEnd[] = [];
    for (const end of ends) {
      const item = index.get(end.job);
      if (item !== undefined) inherit(index, item, end);
      const lease = item?.lease;
      if (item === undefined || lease?.token !== end.token || lease.isEnding) {
        late.push(end.job); // WS2
        continue;
      }
      setEnding(item, true);
      if ("result" in end) results.set(end.job, end.result);
      mine.push(end);
      look(item.queue);
    }
    if (mine.length === 0) return late;
    try {
      const refused = await propEnds(mine);
      for (const { job } of mine) if (refused.has(job)) late.push(job);
      return late;
    } catch (error) {
      for (const { job } of mine) {
        const item = index.get(job);
        if (item !== undefined) setEnding(item, false);
      }
      throw error;
    } finally {
      for (const { job } of mine) results.delete(job);
    }
  }

  /**
   * Nobody holds it here: whoever ends it has it from the leader before, whose leases were never
   * written down. A lease that was given up is fenced by the log.
   */
  function inherit(index: Scheduler, item: Item, { job, token }: HeldWork): void {
    const row = rows.get("job", job);
    if (item.lease !== undefined || item.needs !== "" || row === undefined) return;
    if (row.effect === "once" || token <= (row.fence ?? 0) || token > queues.token()) return;
    const nowMs = hub.stampMs();
    const lease = { worker: EARLIER, token, atMs: nowMs, endsAtMs: nowMs, isEnding: false };
    index.adopt(job, lease, nowMs);
  }

  function setEnding(item: Item, isEnding: boolean): void {
    const { lease } = item;
    if (lease === undefined || lease.isEnding === isEnding) return;
    lease.isEnding = isEnding;
    const stream = streams.get(lease.worker);
    if (stream !== undefined) stream.ending += isEnding ? 1 : -1;
  }

  function retryAtMs(queue: string, attempts: number): number {
    const backoff = rows.get("queue", queue)?.policy.backoff ?? RETRY.nodeHop.backoff;
    return hub.stampMs() + backoffMs(backoff, attempts, hub.random);
  }

  /** The provider of this key or queue said when to come back. */
  function pause(item: Item, ms: number): void {
    const untilMs = hub.stampMs() + ms;
    const key = item.key === undefined ? {} : { key: item.key };
    const body = {
      type: "queuePaused" as const,
      queue: item.queue,
      isPaused: true,
      untilMs,
      ...key,
    };
    propose(hub, body, byHub(hub), signal).catch((error: unknown) =>
      hub.log.warn({ error: toErrorRecord(error), queue: item.queue }, "a queue was not paused"),
    );
  }

  // ── leases ────────────────────────────────────────────────────────────────────────────────────

  function look(queue: string): void {
    if (!byQueue.has(queue)) return;
    toLook.add(queue);
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
    tellEnds();
  }

  /** Free credit of all workers of a queue is filled, by turns of JOBS_PER_MESSAGE at most. */
  function deal(index: Scheduler, queue: string): void {
    const mine = byQueue.get(queue);
    if (mine === undefined) return;
    for (const stream of Array.from(mine)) {
      const free = freeOf(index, stream);
      if (free <= 0) continue;
      // Whoever was served goes to the end: the next look begins with another.
      if (mine.size > 1) {
        mine.delete(stream);
        mine.add(stream);
      }
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
        endsAtMs: ({ id }) => nowMs + (rows.get("job", id)?.timeoutMs ?? 0),
      });
      if (items.length > 0) send(index, stream, items);
      if (isMore || (items.length === max && freeOf(index, stream) > 0)) lookLater(queue);
    }
  }

  /** After other work had its turn. */
  function lookLater(queue: string): void {
    setImmediate(() => look(queue));
  }

  const freeOf = (index: Scheduler, { name, credit, ending }: Stream): number =>
    credit - index.leasedBy(name).size + ending;

  function send(index: Scheduler, stream: Stream, items: readonly Item[]): void {
    const now: LeasedWork[] = [];
    const once: Item[] = [];
    for (const item of items) {
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

  /** In messages that fit into a frame. */
  function sayAll(stream: Stream, jobs: readonly LeasedWork[]): boolean {
    let from = 0;
    let bytes = 0;
    for (const [place, job] of jobs.entries()) {
      bytes += weightOf(job.data);
      if (bytes < MESSAGE_BYTES && place + 1 < jobs.length) continue;
      if (stream.say({ jobs: jobs.slice(from, place + 1) }) !== "sent") return false;
      from = place + 1;
      bytes = 0;
    }
    return true;
  }

  // ── what is given up ──────────────────────────────────────────────────────────────────────────

  function sweep(index: Scheduler, nowMs: number): void {
    const lost: WorkEnd[] = [];
    for (const item of index.leased()) {
      const { lease } = item;
      if (item.needs !== "" || lease === undefined || lease.isEnding) continue;
      if (!isOver(item, lease.worker, nowMs)) continue;
      if (lost.length >= LOST_PER_COMMAND) break; // the next sweep takes the rest
      const attempts = rows.get("job", item.id)?.attempts ?? 0;
      const at = retryAtMs(item.queue, attempts + 1);
      lost.push({ job: item.id, token: lease.token, lost: true, retryAtMs: at });
      const stop = [{ job: item.id, token: lease.token }];
      streams.get(lease.worker)?.say({ stops: stop });
    }
    for (const [name, untilMs] of orphans) {
      if (untilMs < nowMs && index.leasedBy(name).size === 0) orphans.delete(name);
    }
    if (lost.length === 0) return;
    ended(lost).catch((error: unknown) => {
      if (!signal.aborted) {
        hub.log.warn({ error: toErrorRecord(error) }, "leases were not given up; tried again");
      }
    });
  }

  function isOver({ id, lease }: Item, worker: string, nowMs: number): boolean {
    if ((extended.get(id) ?? lease?.endsAtMs ?? 0) <= nowMs) return true;
    if (streams.has(worker)) return false;
    let untilMs = orphans.get(worker);
    if (untilMs === undefined) {
      untilMs = nowMs + GRACE_MS; // a lease of the log whose worker this reign has not seen
      orphans.set(worker, untilMs);
    }
    return untilMs <= nowMs;
  }

  // ── who listens ───────────────────────────────────────────────────────────────────────────────

  function noteEnd(item: Item, row: JobRow | undefined): void {
    const mine = listeners.get(item.queue);
    if (mine === undefined || mine.size === 0) return;
    if (row !== undefined && (row.state === "ready" || row.state === "leased")) return; // again
    const state = row?.state ?? "done";
    const result = row?.result ?? results.get(item.id);
    const end: EndedWork = {
      job: item.id,
      state,
      ...(result === undefined ? {} : { result }),
      ...(row?.error === undefined ? {} : { error: row.error }),
    };
    for (const one of mine) {
      const waiting = toTell.get(one);
      if (waiting === undefined) toTell.set(one, [end]);
      else waiting.push(end);
    }
    if (isLooking) return;
    isLooking = true;
    queueMicrotask(lookNow);
  }

  function tellEnds(): void {
    for (const [one, ends] of toTell) {
      for (let from = 0; from < ends.length; from += JOBS_PER_MESSAGE) {
        one({ ends: ends.slice(from, from + JOBS_PER_MESSAGE) });
      }
    }
    toTell.clear();
  }

  queues.watch({
    ready: look,
    ended(item, row) {
      const { lease } = item;
      progress.delete(item.id);
      extended.delete(item.id);
      if (lease !== undefined) {
        const stream = streams.get(lease.worker);
        if (lease.isEnding && stream !== undefined) stream.ending -= 1;
        const isStopped = row?.state === "cancelled" || row?.state === "failed";
        if (isStopped && !lease.isEnding) stop(item, lease); // WS4
      }
      noteEnd(item, row);
    },
    swept: sweep,
    forgotten() {
      // Streams of an earlier reign are void: their clients open new ones, and say what they hold.
      for (const stream of streams.values()) stream.say({ isOver: true });
      for (const mine of listeners.values()) for (const one of mine) one({ isOver: true });
      listeners.clear();
      toTell.clear();
      streams.clear();
      byQueue.clear();
      orphans.clear();
      extended.clear();
    },
  });

  function stop(
    { id: job, needs }: Item,
    { worker, token }: { worker: string; token: number },
  ): void {
    if (needs === "") streams.get(worker)?.say({ stops: [{ job, token }] });
    else stopAtNode(worker, job, token);
  }

  return {
    open(call, who, speak) {
      const index = queues.scheduler;
      if (index === undefined) throw noLeader();
      const { queue, credit, holds = [] } = call;
      if (credit < 1 || credit > LIMIT.workCredit.max) {
        throw new GantryError("bad_request", `credit is 1 to ${LIMIT.workCredit.max}`);
      }
      serial += 1;
      // A lease in the log names its stream: one of another reign or process must not look like it.
      const name = `${who}/${hub.replica.status().term}.${serial}`;
      const stream: Stream = { name, queue, credit, say: speak, ending: 0 };
      streams.set(stream.name, stream);
      const mine = byQueue.get(queue) ?? new Set();
      byQueue.set(queue, mine);
      mine.add(stream);
      const adopted = holds.filter((held) => adopt(index, stream, held));
      look(queue);
      const its = {
        name: stream.name,
        drain: () => drain(stream),
        end: () => leave(stream),
      };
      return { stream: its, adopted };
    },
    ended,
    failures({ ends }) {
      return ends.map(({ job, token, error, isFinal, pauseMs }) => {
        const { code, message } = error;
        const record = { code: isErrorCode(code) ? code : ("command_failed" as const), message };
        if (isFinal === true) return { job, token, error: record };
        const item = queues.scheduler?.get(job);
        if (item !== undefined && pauseMs !== undefined && item.lease?.token === token) {
          pause(item, pauseMs);
        }
        const attempts = (rows.get("job", job)?.attempts ?? 0) + 1;
        const at = retryAtMs(item?.queue ?? "", attempts);
        return { job, token, error: record, retryAtMs: at };
      });
    },
    extend({ jobs }) {
      const late: string[] = [];
      for (const { job, token, ms, progress: shown } of jobs) {
        const lease = queues.scheduler?.get(job)?.lease;
        if (lease?.token !== token) {
          late.push(job);
          continue;
        }
        if (ms !== undefined) extended.set(job, hub.stampMs() + ms);
        if (shown !== undefined) progress.set(job, shown);
      }
      return late;
    },
    progressOf: (job) => progress.get(job),
    holderOf: (job) => queues.scheduler?.get(job)?.lease?.worker,
    listen(queue, speak) {
      const mine = listeners.get(queue) ?? new Set();
      listeners.set(queue, mine);
      mine.add(speak);
      const end = (): void => void mine.delete(speak);
      return { drain: end, end };
    },
  };

  function drain(stream: Stream): void {
    const mine = byQueue.get(stream.queue);
    mine?.delete(stream);
    if (mine?.size === 0) byQueue.delete(stream.queue);
  }

  /** WS1. */
  function leave(stream: Stream): void {
    drain(stream);
    if (!streams.delete(stream.name)) return;
    orphans.set(stream.name, hub.stampMs() + GRACE_MS);
  }

  function adopt(index: Scheduler, stream: Stream, { job, token }: HeldWork): boolean {
    const row = rows.get("job", job);
    const item = index.get(job);
    if (row === undefined || item === undefined || token <= (row.fence ?? 0)) return false;
    const { lease } = item;
    if (lease !== undefined) {
      if (lease.token !== token || lease.isEnding) return false;
      if (streams.has(lease.worker) && lease.worker !== stream.name) return false;
      index.release(job, hub.stampMs());
    } else if (row.effect === "once") return false; // WS3: it was given up
    const nowMs = hub.stampMs();
    const endsAtMs = nowMs + row.timeoutMs;
    const given = { worker: stream.name, token, atMs: nowMs, endsAtMs, isEnding: false };
    return index.adopt(job, given, nowMs);
  }
}

const weightOf = (data: unknown): number =>
  typeof data === "string" ? data.length : JSON.stringify(data).length;

const noLeader = (): GantryError =>
  new GantryError("no_leader", "This hub does not lead", { details: { retryAfterS: 1 } });

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
