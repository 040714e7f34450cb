// Work of named queues, done by programs: many jobs in one command. Leases of work that may be repeated
// are not in the log: they live in the memory of the leader, and only ends are facts.
//
// WK1. A command adds all of its jobs or none; the same idempotency key in the same queue is the same
//      job, with another body it is refused.
// WK2. A try counts once: a token that is not newer than the last try that ended is late, and what is
//      late changes nothing. The first end of a job is its end.
// WK3. Work with the effect `once` is in the log as leased before anybody hears of it; if its worker
//      vanished it is `unknown` and a person decides.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { WorkDraft, WorkEnd } from "@gantry/shared/contract/queues.ts";
import type { JobClass, JobRow } from "@gantry/shared/contract/rows.ts";
import { checkNew, type Context } from "../context.ts";
import { cancelJob, childPlace, isOpen } from "./job-cancel.ts";
import { changeJob, countOpen, endJob } from "./job-rows.ts";
import { checkRoom, dropJob, orderOf, requeueJob } from "./jobs.ts";
import { checkQueue, DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT_MS, openQueue } from "./queues.ts";

/** `made`: ids as the first sending minted them, where a request may be sent again. `existing`: index of each job that was there already, and its id; of its children, the parent's. */
export interface Added {
  readonly added: number;
  readonly made?: readonly string[];
  readonly existing?: readonly (readonly [index: number, job: string])[];
}

export function jobsAdded(context: Context, command: CommandOf<"jobsAdded">): Added {
  const { queue, jobs } = command;
  checkQueue(context, queue);
  const known = knownJobs(context, command);
  checkDrafts(context, command, known);
  openQueue(context, queue);
  let place = 0;
  for (const [index, draft] of jobs.entries()) {
    if (known.has(index)) continue;
    addOne(context, queue, draft, place);
    place += 1;
  }
  for (const { job, waits } of jobs) if (waits !== undefined) startIfChildless(context, job);
  if (place > 0) {
    context.audit("jobs.added", queue, { count: place });
    context.emit("queue.changed", queue, { added: place });
  }
  return {
    added: place,
    ...(command.replay === undefined ? {} : { made: jobs.map(({ job }) => job) }),
    ...(known.size === 0 ? {} : { existing: [...known] }),
  };
}

/** WK1. Also a key that two jobs of this command share. */
function knownJobs(
  context: Context,
  { queue, jobs }: CommandOf<"jobsAdded">,
): ReadonlyMap<number, string> {
  const known = new Map<number, string>();
  const here = new Map<string, { readonly job: string; readonly sha256: string }>();
  const drafts = new Map<string, string>(); // what a draft that is known is called
  for (const [index, { job, idempotency, parent }] of jobs.entries()) {
    const old = parent === undefined ? undefined : drafts.get(parent);
    if (old !== undefined) known.set(index, old); // its family is there already
    if (old !== undefined || idempotency === undefined) continue;
    const { key, sha256 } = idempotency;
    const first = keptJob(context, queue, key) ?? here.get(key);
    if (first === undefined) here.set(key, { job, sha256 });
    else if (first.sha256 === sha256) {
      known.set(index, first.job);
      drafts.set(job, first.job);
    } else {
      throw new GantryError("idempotency_mismatch", `The key ${key} was used for another job`, {
        details: { index, job: first.job },
      });
    }
  }
  return known;
}

/** Everything that may refuse: nothing has been written yet. */
function checkDrafts(
  context: Context,
  { queue, jobs }: CommandOf<"jobsAdded">,
  known: ReadonlyMap<number, string>,
): void {
  const added: Partial<Record<JobClass, number>> = {};
  const parents = new Set<string>();
  const ids = new Set<string>();
  for (const [index, draft] of jobs.entries()) {
    if (known.has(index)) continue;
    const { job, parent, waits, class: its = "normal" } = draft;
    if (ids.has(job)) throw new GantryError("bad_request", `The job ${job} is named twice`);
    ids.add(job);
    checkNew(context, "job", job, "job");
    if (waits !== undefined) parents.add(job);
    if (parent !== undefined && !parents.has(parent)) checkParent(context, parent);
    added[its] = (added[its] ?? 0) + 1;
  }
  for (const [its, count] of Object.entries(added) as [JobClass, number][]) {
    checkRoom(context, { kind: "work", queue, class: its }, count);
  }
}

function checkParent({ rows }: Context, id: string): void {
  const parent = rows.get("job", id);
  if (parent?.state === "waiting" && parent.children !== undefined) return;
  const message = `The job ${id} does not wait for children`;
  throw new GantryError(parent === undefined ? "not_found" : "conflict", message);
}

function addOne(context: Context, queue: string, draft: WorkDraft, place: number): void {
  const { rows, command, position } = context;
  const { atMs, actor } = command;
  const policy = rows.get("queue", queue)?.policy;
  const { job, data, waits, parent, priority, workspace, mutex, key, idempotency } = draft;
  const row: JobRow = {
    id: job,
    kind: "work",
    queue,
    class: draft.class ?? "normal",
    effect: draft.effect ?? "idempotent",
    state: waits === undefined ? "ready" : "waiting",
    needs: "",
    input: { data },
    by: actor,
    order: orderOf(position, place),
    createdAtMs: atMs,
    changedAtMs: atMs,
    attempts: 0,
    attemptsMax: draft.attemptsMax ?? policy?.attemptsMax ?? DEFAULT_ATTEMPTS,
    notBeforeMs: draft.notBeforeMs ?? atMs,
    timeoutMs: draft.timeoutMs ?? policy?.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    isDead: false,
    ...(workspace === undefined ? {} : { workspace }),
    ...(priority === undefined ? {} : { priority }),
    ...(mutex === undefined ? {} : { mutex }),
    ...(key === undefined ? {} : { key }),
    ...(parent === undefined ? {} : { parent }),
    ...(waits === undefined
      ? {}
      : { children: { rule: waits, total: 0, open: 0, failed: 0, failedJobs: [] } }),
  };
  rows.put("job", job, row);
  countOpen(context, row, 1);
  if (parent !== undefined) addChild(context, parent, job);
  if (idempotency !== undefined) keepKey(context, queue, { ...idempotency, job });
}

/** JR1: nobody would end its wait. */
function startIfChildless(context: Context, id: string): void {
  const row = context.rows.get("job", id);
  if (row?.state === "waiting" && row.children?.total === 0) {
    changeJob(context, row, { state: "ready" });
  }
}

function addChild(context: Context, id: string, child: string): void {
  const parent = context.rows.get("job", id);
  const { children } = parent ?? {};
  if (parent === undefined || children === undefined) return; // checkDrafts
  context.rows.cool("order", childPlace(id, children.total), child);
  const more = { ...children, total: children.total + 1, open: children.open + 1 };
  changeJob(context, parent, { children: more });
}

// ── idempotency keys ────────────────────────────────────────────────────────────────────────────

const keyId = (queue: string, key: string): string => `${queue}/${key}`;

function keptJob(
  { rows, nowMs }: Context,
  queue: string,
  key: string,
): { readonly job: string; readonly sha256: string } | undefined {
  const kept = rows.get("jobKey", keyId(queue, key));
  return kept === undefined || kept.atMs + LIFE.idempotencyMs < nowMs ? undefined : kept;
}

/** A bounded ring, as that of apply.ts. */
function keepKey(
  { rows, nowMs }: Context,
  queue: string,
  { key, sha256, job }: { key: string; sha256: string; job: string },
): void {
  const made = rows.get("count", "jobKeys") ?? 0;
  const slot = `jobKey/${made % LIMIT.jobKeys.max}`;
  const dropped = rows.get("order", slot);
  // A key used again after its time has a later slot, and outlives the one that comes round now.
  if (dropped !== undefined && rows.get("jobKey", dropped)?.slot === slot) {
    rows.remove("jobKey", dropped);
  }
  const id = keyId(queue, key);
  rows.cool("order", slot, id);
  rows.cool("count", "jobKeys", made + 1);
  rows.cool("jobKey", id, { job, sha256, atMs: nowMs, slot });
}

// ── leases and ends ─────────────────────────────────────────────────────────────────────────────

/** Gives the jobs that were leased; the others have changed meanwhile (WK3). */
export function jobsLeased(
  context: Context,
  { worker, jobs, atMs }: CommandOf<"jobsLeased">,
): { readonly leased: readonly string[] } {
  const leased: string[] = [];
  for (const { job, token } of jobs) {
    const row = context.rows.get("job", job);
    if (row?.state !== "ready" || row.notBeforeMs > context.nowMs || token <= (row.fence ?? 0)) {
      continue;
    }
    const lease = { node: worker, bootId: "", token, atMs };
    changeJob(context, row, { state: "leased", lease });
    leased.push(job);
  }
  return { leased };
}

/** What became of each that changed nothing is told in `late`. */
export function jobsEnded(
  context: Context,
  { ends }: CommandOf<"jobsEnded">,
): { readonly late: readonly string[] } {
  const late: string[] = [];
  const tally = new Map<string, Record<string, number>>();
  for (const end of ends) {
    const row = context.rows.get("job", end.job);
    if (row === undefined || !isPresent(row, end.token)) {
      late.push(end.job); // WK2
      continue;
    }
    const became = endOne(context, row, end);
    const queue = row.queue ?? "";
    let counts = tally.get(queue);
    if (counts === undefined) {
      counts = {};
      tally.set(queue, counts);
    }
    counts[became] = (counts[became] ?? 0) + 1;
  }
  for (const [queue, counts] of tally) context.emit("queue.changed", queue, { ended: counts });
  return { late };
}

/** WK2. */
function isPresent({ kind, state, lease, fence }: JobRow, token: number): boolean {
  if (kind !== "work") return false;
  if (state === "leased") return lease?.token === token;
  return state === "ready" && token > (fence ?? 0);
}

const VANISHED = { code: "interrupted", message: "Its worker went away or was too slow" } as const;

/** What it became: `done`, `failed`, `unknown`, or `retried`. */
function endOne(context: Context, before: JobRow, end: WorkEnd): string {
  const { lease: _lease, ...rest } = before;
  const row: JobRow = { ...rest, attempts: before.attempts + 1, fence: end.token };
  if ("result" in end) {
    const { error: _error, ...whole } = row;
    endJob(context, whole, { state: "done", result: end.result });
    return "done";
  }
  const isLost = "lost" in end;
  const error = isLost ? VANISHED : end.error;
  if (isLost && row.effect === "once") {
    context.audit("job.unknown", row.id, { queue: row.queue });
    endJob(context, row, { state: "unknown", error, isDead: true });
    return "unknown"; // WK3
  }
  const { retryAtMs } = end;
  if (retryAtMs !== undefined && row.attempts < row.attemptsMax) {
    changeJob(context, row, { state: "ready", notBeforeMs: retryAtMs, error });
    return "retried";
  }
  context.audit("job.dead", row.id, { queue: row.queue, code: error.code });
  endJob(context, row, { state: "failed", error, isDead: true });
  return "failed";
}

/** Gives those that it was done to. */
export function jobsDirected(
  context: Context,
  { wish, jobs }: CommandOf<"jobsDirected">,
): { readonly jobs: readonly string[] } {
  const done: string[] = [];
  for (const id of new Set(jobs)) {
    const row = context.rows.get("job", id);
    if (row === undefined || !direct(context, row, wish)) continue;
    done.push(id);
  }
  if (done.length > 0) context.audit(`jobs.${wish}`, done[0] ?? "", { count: done.length });
  return { jobs: done };
}

function direct(context: Context, row: JobRow, wish: "cancel" | "requeue" | "drop"): boolean {
  if (wish === "cancel") {
    if (!isOpen(row)) return false;
    cancelJob(context, row);
    return true;
  }
  if (!row.isDead) return false;
  if (wish === "drop") dropJob(context, row);
  else {
    if (!hasRoom(context, row)) return false;
    requeueJob(context, row);
  }
  return true;
}

function hasRoom(context: Context, row: JobRow): boolean {
  try {
    checkRoom(context, row);
    return true;
  } catch (error) {
    if (error instanceof GantryError) return false;
    throw error;
  }
}
