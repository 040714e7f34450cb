// Programs that do the work of queues: streams of leased jobs, pushed while there is credit
// (work-dealing.ts), and their ends (work-ends.ts). The leader's memory; the log has the ends.
//
// WS1. A lease belongs to a stream. When the stream's session ends its jobs wait GRACE_MS for the worker
//      to announce them from another one; then they are given up, in the log.
// WS4. What was cancelled is told to its worker in the turn in which the log has it.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { WorkEnd } from "@gantry/shared/contract/queues.ts";
import type { Effect } from "@gantry/shared/contract/rows.ts";
import type { HeldWork } from "@gantry/shared/contract/registry-ops.ts";
import type { Hub } from "../hub.ts";
import type { Item } from "../queues/item.ts";
import type { Scheduler } from "../queues/scheduler.ts";
import { GRACE_MS, type Queues } from "./queues.ts";
import { makeWorkDealing, type WorkDealing } from "./work-dealing.ts";
import { makeWorkEnds, noLeader, type WorkEnds } from "./work-ends.ts";
import { makeWorkListeners, type WorkListeners } from "./work-listeners.ts";
import { type Call, makeStreams, type Say, type Stream } from "./work-streams.ts";

const LOST_PER_COMMAND = 1_000;
/** What has no row has had no lease that ended, and is never `once`. */
const RUN_WORK: { readonly fence?: number; readonly effect: Effect } = { effect: "idempotent" };

export interface WorkStream {
  readonly name: string;
  /** No more jobs; what it holds may end in peace. */
  drain(): void;
  /** It is drained and holds nothing: it may end. */
  isIdle(): boolean;
  /** Its session is over (WS1). */
  end(): void;
}

export interface Workers extends Pick<WorkEnds, "ended" | "failures"> {
  /** Throws no_leader, bad_request. `adopted`: what of `holds` is its own now. */
  open(call: Call<"work">, who: string, say: Say): { stream: WorkStream; adopted: HeldWork[] };
  extend(call: Call<"extend">): readonly string[];
  progressOf(job: string): unknown;
  /** Who holds it by this memory. */
  holderOf(job: string): string | undefined;
  readonly listen: WorkListeners["listen"];
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
  const streams = makeStreams();
  const listeners = makeWorkListeners();
  const ends: WorkEnds = makeWorkEnds({
    hub,
    queues,
    streams,
    look: (queue) => dealing.look(queue),
    signal,
  });
  const { ended, failures, retryAtMs } = ends;
  const dealing: WorkDealing = makeWorkDealing({
    hub,
    queues,
    streams,
    ended,
    afterwards: listeners.tell,
    signal,
  });
  const { look, lookSoon } = dealing;
  const orphans = new Map<string, number>(); // worker without a stream -> until when it may come back
  const progress = new Map<string, unknown>();
  const extended = new Map<string, number>(); // job -> its later end
  let serial = 0;

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

  // ── what the queues say ───────────────────────────────────────────────────────────────────────

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
      if (listeners.note(item, row, ends.resultOf(item.id))) lookSoon();
    },
    swept: sweep,
    forgotten() {
      // Streams of an earlier reign are void: their clients open new ones, and say what they hold.
      for (const stream of streams.all()) stream.say({ isOver: true });
      listeners.forget();
      streams.clear();
      orphans.clear();
      extended.clear();
      progress.clear();
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
      if (index === undefined || queues.isReadingRuns) throw noLeader(); // QH4
      const { queue, credit, holds = [] } = call;
      if (credit < 1 || credit > LIMIT.workCredit.max) {
        throw new GantryError("bad_request", `credit is 1 to ${LIMIT.workCredit.max}`);
      }
      serial += 1;
      // A lease in the log names its stream: one of another reign or process must not look like it.
      const name = `${who}/${hub.replica.status().term}.${serial}`;
      const stream: Stream = { name, queue, credit, say: speak, ending: 0 };
      streams.add(stream);
      const adopted = holds.filter((held) => adopt(index, stream, held));
      look(queue);
      const its = {
        name: stream.name,
        drain: () => streams.drain(stream),
        isIdle: () =>
          streams.takers(queue)?.has(stream) !== true &&
          (queues.scheduler?.leasedBy(stream.name).size ?? 0) === 0,
        end: () => leave(stream),
      };
      return { stream: its, adopted };
    },
    ended,
    failures,
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
    listen: listeners.listen,
  };

  /** WS1. */
  function leave(stream: Stream): void {
    if (!streams.remove(stream)) return;
    orphans.set(stream.name, hub.stampMs() + GRACE_MS);
  }

  function adopt(index: Scheduler, stream: Stream, { job, token }: HeldWork): boolean {
    const item = index.get(job);
    const row = item?.work ?? rows.get("job", job);
    if (row === undefined || item === undefined) return false;
    const { fence = 0, effect } = "owner" in row ? RUN_WORK : row;
    if (token <= fence) return false;
    const { lease } = item;
    if (lease !== undefined) {
      if (lease.token !== token || lease.isEnding) return false;
      if (streams.has(lease.worker) && lease.worker !== stream.name) return false;
      index.release(job, hub.stampMs());
    } else if (effect === "once") return false; // WS3: it was given up
    const nowMs = hub.stampMs();
    const endsAtMs = nowMs + row.timeoutMs;
    const given = { worker: stream.name, token, atMs: nowMs, endsAtMs, isEnding: false };
    return index.adopt(job, given, nowMs);
  }
}
