// Use cases: what runs and answers came to, from the sums that the ledger keeps (domains/run-sums.ts).
//
// AN1. Days are UTC and whole, `from` and `to` both included: sums of days are what a recount of the
//      runs that ended on them gives, to the last one. Percentiles are within 1/64 (ledger/histogram.ts).
// AN2. Money of others is for operators: a viewer's costs are his own.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunSumRow, RunUsage } from "@gantry/shared/contract/run-rows.ts";
import { addUsage, dayOf, FREE_RUN } from "../ledger/domains/run-sums.ts";
import { type Counts, percentileOf } from "../ledger/histogram.ts";
import type { Rows } from "../ledger/rows.ts";
import type { DeskRequest } from "../ports.ts";
import { actorOf, type DeskParts, seesAll } from "./context.ts";
import { firstPlace } from "./run-list.ts";

const DAY_MS = 86_400_000;
const RECENT_IDS = 10;
const WEEK_DAYS = 7;
const MONTH_DAYS = 30;

/** Left out: `days` days up to today. */
interface Window {
  readonly from: string;
  readonly to: string;
}

export interface RunTotals {
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly tookMs: number;
  readonly faults: Counts;
  readonly durations: Counts;
  readonly usage: RunUsage;
}

const NOTHING: RunTotals = {
  done: 0,
  failed: 0,
  cancelled: 0,
  tookMs: 0,
  faults: {},
  durations: {},
  usage: FREE_RUN,
};

// ── use cases ───────────────────────────────────────────────────────────────────────────────────

/** Rates and times: 7 days if nothing else is said; money: 30 days. */
export function analyticsSummary({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const nowMs = hub.stampMs();
  const window = windowOf(request, nowMs, WEEK_DAYS);
  const isMine = ownerTest(request);
  const money = addUp(sumsIn(rows, windowOf(request, nowMs, MONTH_DAYS)).filter(isMine));
  return {
    ...window,
    total_workflows: rows.get("count", "runs") ?? 0,
    active: activeRuns(rows),
    ...totalsView(sumsIn(rows, window), isMine),
    total_cost_usd: usd(money.usage),
  };
}

export function analyticsWorkflows({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const nowMs = hub.stampMs();
  const window = windowOf(request, nowMs, WEEK_DAYS);
  const sums = sumsIn(rows, window);
  const started = rows.get("count", "runs") ?? 0;
  const idAt = (number: number): string => rows.get("order", `runs/${number}`) ?? "";
  const firstRecent = firstPlace(started, (at) => startedMs(rows, idAt(at)) > nowMs - DAY_MS);
  const ids = Array.from({ length: Math.min(RECENT_IDS, started) }, (_, n) =>
    idAt(started - 1 - n),
  );
  const isMine = ownerTest(request);
  const groups = [...Map.groupBy(sums, ({ workflow }) => workflow)];
  return {
    ...window,
    active: activeRuns(rows),
    completed: addUp(sums).done,
    recent_24h: started - firstRecent,
    recent_task_ids: ids,
    workflows: groups
      .map(([workflow, of]) => ({ workflow, ...totalsView(of, isMine) }))
      .toSorted((a, b) => b.runs - a.runs || (a.workflow < b.workflow ? -1 : 1)),
  };
}

/** All of the answers that there are, and 30 days of runs, if nothing else is said. */
export function costs({ hub }: DeskParts, request: DeskRequest): unknown {
  const isMine = ownerTest(request);
  const asked = request.query as Partial<Window>;
  const answers = [...hub.rows.hot("spend").values()].filter(
    (row) => isMine(row) && row.day >= (asked.from ?? "") && row.day <= (asked.to ?? "~"),
  );
  const sum = (
    member: "answers" | "cachedAnswers" | "promptTokens" | "completionTokens" | "costMicroUsd",
  ): number => answers.reduce((total, row) => total + row[member], 0);
  const sums = sumsIn(hub.rows, windowOf(request, hub.stampMs(), MONTH_DAYS)).filter(isMine);
  const total = addUp(sums);
  const runs = total.done + total.failed + total.cancelled;
  const micro = total.usage.costMicroUsd;
  return {
    total_cost_usd: (sum("costMicroUsd") + micro) / 1_000_000,
    answers: sum("answers"),
    cached_answers: sum("cachedAnswers"),
    prompt_tokens: sum("promptTokens") + total.usage.promptTokens,
    completion_tokens: sum("completionTokens") + total.usage.completionTokens,
    by: answers.map((row) => ({
      day: row.day,
      person: row.person,
      tier: row.tier,
      model: row.model,
      answers: row.answers,
      cached_answers: row.cachedAnswers,
      prompt_tokens: row.promptTokens,
      completion_tokens: row.completionTokens,
      cost_usd: row.costMicroUsd / 1_000_000,
    })),
    workflow_count: runs,
    workflow_cost_usd: micro / 1_000_000,
    average_cost_usd: runs === 0 ? 0 : Math.round(micro / runs / 100) / 10_000,
    by_workflow: spent(sums, ({ workflow }) => workflow),
    by_person: spent(sums, (row) => row.person),
    by_day: spent(sums, ({ day }) => day),
  };
}

/** AN2: whose money this person sees. */
function ownerTest(request: DeskRequest): (row: { readonly person: string }) => boolean {
  const { person, role } = actorOf(request);
  return (row) => row.person === person || seesAll(role);
}

// ── sums ────────────────────────────────────────────────────────────────────────────────────────

/** AN1. Throws bad_request for a window that is none, too_large. */
function windowOf({ query }: DeskRequest, nowMs: number, days: number): Window {
  const { from, to } = query as Partial<Window>;
  const last = to ?? dayOf(nowMs);
  const first = from ?? dayOf(Date.parse(last) - (days - 1) * DAY_MS);
  if (first > last) throw new GantryError("bad_request", "from: it is after `to`");
  return { from: first, to: last };
}

function sumsIn(rows: Rows, { from, to }: Window): readonly RunSumRow[] {
  const sums: RunSumRow[] = [];
  let reads = 0;
  for (let ms = Date.parse(from); ms <= Date.parse(to); ms += DAY_MS) {
    const day = dayOf(ms);
    const count = rows.get("count", `runSums/${day}`) ?? 0;
    reads += 1 + count;
    if (reads > LIMIT.runSums.max)
      throw new GantryError(
        "too_large",
        `These are more than ${LIMIT.runSums.max} sums: ask for fewer days`,
      );
    for (let place = 0; place < count; place += 1) {
      const row = rows.get("runSum", rows.get("order", `runSums/${day}/${place}`) ?? "");
      if (row !== undefined) sums.push(row);
    }
  }
  return sums;
}

function addUp(sums: readonly RunSumRow[]): RunTotals {
  const faults: Record<string, number> = {};
  const durations: Record<string, number> = {};
  let { done, failed, cancelled, tookMs, usage } = NOTHING;
  for (const sum of sums) {
    done += sum.done;
    failed += sum.failed;
    cancelled += sum.cancelled;
    tookMs += sum.tookMs;
    usage = addUsage(usage, sum.usage);
    addTo(faults, sum.faults);
    addTo(durations, sum.durations);
  }
  return { done, failed, cancelled, tookMs, faults, durations, usage };
}

function addTo(into: Record<string, number>, counts: Counts): void {
  for (const [key, count] of Object.entries(counts)) into[key] = (into[key] ?? 0) + count;
}

function totalsView(sums: readonly RunSumRow[], isMine: ReturnType<typeof ownerTest>) {
  const { done, failed, cancelled, tookMs, faults, durations } = addUp(sums);
  const { usage } = addUp(sums.filter(isMine));
  const runs = done + failed + cancelled;
  const [p50, p95] = [percentileOf(durations, 50), percentileOf(durations, 95)];
  return {
    runs,
    done,
    failed,
    cancelled,
    ...(done + failed === 0 ? {} : { success_rate: done / (done + failed) }),
    ...(runs === 0 ? {} : { avg_execution_ms: tookMs / runs }),
    ...(p50 === undefined ? {} : { p50_execution_ms: p50 }),
    ...(p95 === undefined ? {} : { p95_execution_ms: p95 }),
    failures: Object.entries(faults)
      .map(([code, count]) => ({ code, count }))
      .toSorted((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1)),
    cost_usd: usd(usage),
  };
}

function spent(
  sums: readonly RunSumRow[],
  nameOf: (sum: RunSumRow) => string,
): { name: string; runs: number; cost_usd: number }[] {
  return [...Map.groupBy(sums, nameOf)]
    .map(([name, of]) => {
      const { done, failed, cancelled, usage } = addUp(of);
      return { name, runs: done + failed + cancelled, cost_usd: usd(usage) };
    })
    .toSorted((a, b) => b.cost_usd - a.cost_usd || (a.name < b.name ? -1 : 1));
}

const usd = ({ costMicroUsd }: RunUsage): number => costMicroUsd / 1_000_000;

const activeRuns = (rows: Rows): number => {
  let count = 0;
  for (const { number } of rows.hot("run").values()) if (number !== undefined) count += 1;
  return count;
};

const startedMs = (rows: Rows, id: string): number =>
  rows.hot("run").get(id)?.createdAtMs ?? rows.get("runLine", id)?.createdAtMs ?? 0;
