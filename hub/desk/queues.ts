// Named queues, as people and programs over HTTP see them.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { DEFAULT_QUEUE, type QueuePolicy } from "@gantry/shared/contract/queues.ts";
import type { WorkSpec } from "@gantry/shared/contract/registry-ops.ts";
import type { JobRow } from "@gantry/shared/contract/rows.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { QueueView } from "@gantry/shared/contract/schemas/queues.ts";
import { draftsOf } from "../hands/work-calls.ts";
import { act } from "../hub.ts";
import { endedList } from "../ledger/domains/job-rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { rowOfWork } from "../queues/item.ts";
import { byOf, type DeskParts, paramOf, type QueueHands, type UseCase } from "./context.ts";
import { isoTime, jobView } from "./views.ts";

function handsOf({ queues }: DeskParts): QueueHands {
  assert(queues !== undefined, "this desk has queues");
  return queues;
}

// ── work ────────────────────────────────────────────────────────────────────────────────────────

/** Adds jobs in one command, and gives their ids. */
export async function addWork(
  { hub }: DeskParts,
  request: DeskRequest,
  { queue, jobs: specs }: { readonly queue: string; readonly jobs: readonly WorkSpec[] },
  signal: AbortSignal,
): Promise<string[]> {
  const jobs = draftsOf(hub, specs);
  const value = await act(hub, { type: "jobsAdded", queue, jobs }, byOf(request), signal);
  const { existing, made } = value as { existing?: [number, string][]; made?: string[] }; // work.ts
  const ids = made ?? jobs.map(({ job }) => job);
  for (const [index, job] of existing ?? []) ids[index] = job;
  return ids;
}

const workAdded: UseCase = async (parts, request, { signal }) => {
  const body = request.body as { queue: string; jobs: WorkSpec[] };
  return { jobs: await addWork(parts, request, body, signal) };
};

interface DeadFilter {
  readonly wish: "requeue" | "drop";
  readonly queue?: string;
  readonly code?: string;
  readonly olderThanMs?: number;
  readonly jobs?: readonly string[];
  readonly preview: boolean;
}

/** Dead work that a filter names, the oldest first. */
export function deadRows(
  { hub }: DeskParts,
  filter: Omit<DeadFilter, "wish" | "preview">,
): JobRow[] {
  const { queue, code, olderThanMs, jobs } = filter;
  const named = jobs === undefined ? undefined : new Set(jobs);
  const untilMs = olderThanMs === undefined ? Infinity : hub.stampMs() - olderThanMs;
  const found: JobRow[] = [];
  for (const [place, id] of hub.rows.hot("order")) {
    if (!place.startsWith("dead/") || named?.has(id) === false) continue;
    const row = hub.rows.get("job", id);
    if (row === undefined || row.changedAtMs > untilMs) continue;
    if (queue !== undefined && (row.queue ?? DEFAULT_QUEUE) !== queue) continue;
    if (code !== undefined && row.error?.code !== code) continue;
    found.push(row);
  }
  return found.toSorted((a, b) => a.changedAtMs - b.changedAtMs);
}

const deadDirected: UseCase = async (parts, request, { signal }) => {
  const { wish, preview, ...filter } = request.body as DeadFilter;
  const ids = deadRows(parts, filter).map(({ id }) => id);
  if (preview) return { count: ids.length, jobs: ids.slice(0, LIMIT.jobsInBatch.max) };
  const done: string[] = [];
  for (let from = 0; from < ids.length; from += LIMIT.jobsInBatch.max) {
    const jobs = ids.slice(from, from + LIMIT.jobsInBatch.max);
    const { replay, session: _session, ...by } = byOf(request);
    // One key for the whole request: each part of it is a command of its own.
    const keyed =
      replay === undefined ? by : { ...by, replay: { ...replay, key: `${replay.key}#${from}` } };
    const value = await act(parts.hub, { type: "jobsDirected", wish, jobs }, keyed, signal);
    done.push(...(value as { jobs: string[] }).jobs); // domains/work.ts
  }
  return { count: done.length, jobs: done.slice(0, LIMIT.jobsInBatch.max) };
};

// ── queues ──────────────────────────────────────────────────────────────────────────────────────

function viewQueue(parts: DeskParts, name: string): QueueView {
  const row = parts.hub.rows.get("queue", name);
  const { queues } = handsOf(parts);
  if (row === undefined && name !== DEFAULT_QUEUE) {
    throw new GantryError("not_found", `There is no queue ${name}`);
  }
  const pausedKeys = Object.entries(row?.pausedKeys ?? {})
    .filter(([, untilMs]) => untilMs > parts.hub.stampMs())
    .map(([key, untilMs]) => [key, isoTime(untilMs)] as const);
  const { ready, parked, delayed, waiting, leased, dead, lagMs } = queues.facts(name);
  return {
    name,
    isPaused: row?.isPaused ?? false,
    ...(row?.pausedUntilMs === undefined ? {} : { pausedUntil: isoTime(row.pausedUntilMs) }),
    ...(pausedKeys.length === 0 ? {} : { pausedKeys: Object.fromEntries(pausedKeys) }),
    policy: row?.policy ?? {},
    ready,
    parked,
    delayed,
    waiting,
    leased,
    dead,
    lagMs,
  };
}

/** Work that a leader holds in its memory alone is shown as leased, with what is known of it. */
export function viewWork(parts: DeskParts, row: JobRow): JobView {
  const view = jobView(parts.hub.rows, row, parts.hub.stampMs());
  if (row.kind !== "work") return view;
  const worker = parts.queues?.workers.holderOf(row.id);
  const progress = parts.queues?.workers.progressOf(row.id);
  return {
    ...view,
    ...(worker === undefined ? {} : { state: "leased", node: worker }),
    ...(progress === undefined ? {} : { progress }),
  };
}

const queueJobs: UseCase = (parts, request) => {
  const { rows } = parts.hub;
  const name = paramOf(request, "queue");
  const { state, limit } = request.query as { state: string; limit: number };
  const found: JobRow[] = [];
  if (state === "ended" || state === "dead") {
    const ids =
      state === "dead"
        ? deadRows(parts, { queue: name }).map(({ id }) => id)
        : newest(parts, endedList(name), limit);
    for (const id of new Set(ids)) {
      const row = found.length < limit ? rows.get("job", id) : undefined;
      if (row !== undefined) found.push(row);
    }
  } else {
    for (const row of openRows(parts)) {
      if ((row.queue ?? DEFAULT_QUEUE) !== name) continue;
      const isLeased = handsOf(parts).workers.holderOf(row.id) !== undefined;
      if (state === "leased" && !isLeased) continue;
      if (state === "waiting" && row.state !== "waiting") continue;
      found.push(row);
      if (found.length >= limit) break;
    }
  }
  return { jobs: found.map((row) => viewWork(parts, row)) };
};

/** Those with a row, and tasks of runs that have none. */
function* openRows(parts: DeskParts): Generator<JobRow> {
  yield* parts.hub.rows.hot("job").values();
  for (const work of handsOf(parts).queues.runWork.values()) yield rowOfWork(work);
}

/** Its row, or what stands for it. */
export function openRow({ hub, queues }: DeskParts, id: string): JobRow | undefined {
  const work = queues?.queues.runWork.get(id);
  return hub.rows.get("job", id) ?? (work === undefined ? undefined : rowOfWork(work));
}

function newest({ hub: { rows } }: DeskParts, list: string, limit: number): string[] {
  const ids: string[] = [];
  for (let place = (rows.get("count", list) ?? 0) - 1; place >= 0; place -= 1) {
    const id = rows.get("order", `${list}/${place}`);
    if (id !== undefined) ids.push(id);
    if (ids.length >= limit) break;
  }
  return ids;
}

const queueSet: UseCase = async (parts, request, { signal }) => {
  const queue = paramOf(request, "queue");
  const policy = request.body as QueuePolicy;
  await act(parts.hub, { type: "queueSet", queue, policy }, byOf(request), signal);
  return viewQueue(parts, queue);
};

async function pause(
  parts: DeskParts,
  request: DeskRequest,
  isPaused: boolean,
  { signal }: DeskCallOptions,
): Promise<QueueView> {
  const queue = paramOf(request, "queue");
  const { key, forMs } = request.body as { key?: string; forMs?: number };
  const body = {
    type: "queuePaused" as const,
    queue,
    isPaused,
    ...(key === undefined ? {} : { key }),
    ...(forMs === undefined ? {} : { untilMs: parts.hub.stampMs() + forMs }),
  };
  await act(parts.hub, body, byOf(request), signal);
  return viewQueue(parts, queue);
}

export const QUEUE_USE_CASES = {
  workAdded,
  deadDirected,
  queues: ((parts) => ({
    queues: handsOf(parts)
      .queues.names()
      .map((name) => viewQueue(parts, name)),
  })) as UseCase,
  queue: ((parts, request) => viewQueue(parts, paramOf(request, "queue"))) as UseCase,
  queueJobs,
  queueSet,
  queuePaused: ((parts, request, options) => pause(parts, request, true, options)) as UseCase,
  queueResumed: ((parts, request, options) => pause(parts, request, false, options)) as UseCase,
};
