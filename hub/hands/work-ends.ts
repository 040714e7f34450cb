// How the work of programs ends: many ends in one command, and what a failure means to its queue.
//
// WS2. An end counts only with the token of the present lease, or where there is none with one of the
//      leader before. Until the log has it the lease keeps its slots and its place, and the worker may
//      have the next job already.
// WS5. Of work without a row only its being done is told to its run. All else is what a row is for: it
//      gets one, and ends as any job does.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, isErrorCode, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { RETRY } from "@gantry/shared/base/policy.ts";
import type { WorkEnd } from "@gantry/shared/contract/queues.ts";
import type { HeldWork } from "@gantry/shared/contract/registry-ops.ts";
import { act, byHub, type Hub, propose } from "../hub.ts";
import type { Item, RunWork, RunWorkOwner } from "../queues/item.ts";
import type { Scheduler } from "../queues/scheduler.ts";
import { roughChars } from "../workflow/json-size.ts";
import type { Queues } from "./queues.ts";
import type { Call, Streams } from "./work-streams.ts";

const EARLIER = "an earlier stream";
/** Of the results of one command. */
const CHARS_MAX = 524_288;

interface WorkOfRun {
  readonly end: WorkEnd;
  readonly work: RunWork;
}

interface Gathered {
  readonly ends: WorkEnd[];
  /** Those that came too late. */
  readonly late: Promise<ReadonlySet<string>>;
  chars: number;
}

export interface WorkEnds {
  /** Gives those that came too late. Rejects as Replica.propose. */
  readonly ended: (ends: readonly WorkEnd[]) => Promise<readonly string[]>;
  /** The ends of a `fail` as the policy of their queues has it. */
  readonly failures: (call: Call<"fail">) => WorkEnd[];
  /** When the next try of a job of this queue may begin, ms since 1970. */
  readonly retryAtMs: (queue: string, attempts: number) => number;
  /** Of an end that is on its way into the log. */
  resultOf(job: string): unknown;
}

export function makeWorkEnds(parts: {
  readonly hub: Hub;
  readonly queues: Queues;
  readonly streams: Streams;
  /** There may be credit again. */
  readonly look: (queue: string) => void;
  readonly signal: AbortSignal;
}): WorkEnds {
  const { hub, queues, streams, look, signal } = parts;
  const { rows } = hub;
  const results = new Map<string, unknown>(); // of ends on their way into the log
  let gathered: Gathered | undefined;

  /** All ends of a turn are one command, or as few as their results leave room for. */
  function propEnds(ends: readonly WorkEnd[]): Promise<ReadonlySet<string>> {
    const chars = ends.reduce(
      (sum, end) => sum + ("result" in end ? roughChars(end.result) : 0),
      0,
    );
    if (gathered !== undefined && gathered.chars + chars > CHARS_MAX) gathered = undefined;
    gathered ??= gather();
    gathered.chars += chars;
    gathered.ends.push(...ends);
    return gathered.late;
  }

  function gather(): Gathered {
    const ends: WorkEnd[] = [];
    const late = new Promise<ReadonlySet<string>>((resolve) => {
      queueMicrotask(() => {
        if (gathered === mine) gathered = undefined;
        resolve(
          act(hub, { type: "jobsEnded", ends }, byHub(hub), signal).then(
            (value) => new Set((value as { late: readonly string[] }).late), // domains/work.ts
          ),
        );
      });
    });
    const mine: Gathered = { ends, late, chars: 0 };
    return mine;
  }

  async function ended(ends: readonly WorkEnd[]): Promise<readonly string[]> {
    const index = queues.scheduler;
    if (index === undefined) throw noLeader();
    const late: string[] = [];
    const mine: WorkEnd[] = [];
    const ofRuns: WorkOfRun[] = [];
    if (queues.isReadingRuns && !ends.every(({ job }) => index.get(job) !== undefined))
      throw noLeader(); // QH4
    for (const end of ends) {
      const item = index.get(end.job);
      if (item !== undefined) inherit(index, item, end);
      const lease = item?.lease;
      if (item === undefined || lease?.token !== end.token || lease.isEnding) {
        late.push(end.job); // WS2
        continue;
      }
      setEnding(item, true);
      look(item.queue);
      if (item.work !== undefined) ofRuns.push({ end, work: item.work });
      else {
        if ("result" in end) results.set(end.job, end.result);
        mine.push(end);
      }
    }
    try {
      const kinds: Promise<void>[] = [];
      if (ofRuns.length > 0) kinds.push(endRunWork(ofRuns, late));
      if (mine.length > 0) kinds.push(endJobs(mine, late));
      await Promise.all(kinds);
      return late;
    } catch (error) {
      for (const { job } of ends) {
        const item = index.get(job);
        if (item !== undefined && !late.includes(job)) setEnding(item, false);
      }
      throw error;
    } finally {
      for (const { job } of mine) results.delete(job);
    }
  }

  async function endJobs(mine: readonly WorkEnd[], late: string[]): Promise<void> {
    const refused = await propEnds(mine);
    for (const { job } of mine) if (refused.has(job)) late.push(job);
  }

  /** WS5. */
  async function endRunWork(ofRuns: readonly WorkOfRun[], late: string[]): Promise<void> {
    const done = new Map<RunWorkOwner, { work: RunWork; result: unknown }[]>();
    const others: Promise<void>[] = [];
    for (const { end, work } of ofRuns) {
      if (!("result" in end) || !work.owner.isSmall(end.result)) {
        others.push(endAsJob(end, work, late));
        continue;
      }
      const its = done.get(work.owner);
      if (its === undefined) done.set(work.owner, [{ work, result: end.result }]);
      else its.push({ work, result: end.result });
    }
    await Promise.all([...[...done].map(([owner, its]) => owner.done(its)), ...others]);
  }

  async function endAsJob(end: WorkEnd, work: RunWork, late: string[]): Promise<void> {
    if (await work.owner.makeJob(work)) await endJobs([end], late);
    else late.push(end.job);
  }

  /**
   * Nobody holds it here: whoever ends it has it from the leader before, whose leases were never
   * written down. A lease that was given up is fenced by the log.
   */
  function inherit(index: Scheduler, item: Item, { job, token }: HeldWork): void {
    if (item.lease !== undefined || item.needs !== "" || token > queues.token()) return;
    const row = item.work === undefined ? rows.get("job", job) : undefined;
    if (item.work === undefined && row === undefined) return;
    if (row?.effect === "once" || token <= (row?.fence ?? 0)) return;
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

  function failures({ ends }: Call<"fail">): WorkEnd[] {
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
  }

  return { ended, failures, retryAtMs, resultOf: (job) => results.get(job) };
}

export const noLeader = (): GantryError =>
  new GantryError("no_leader", "This hub does not lead", { details: { retryAfterS: 1 } });
