// The hub's metrics, by the names that dashboards rely on. prom-client holds the numbers; its own
// process metrics are left out because promtool rejects three of their names (notes/ops 6).

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { JobRow, PrintRow } from "@gantry/shared/contract/rows.ts";
import type { FiringRow } from "@gantry/shared/contract/schedules.ts";
import type { Feed } from "./feed/feed.ts";

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Commands take moments, CAD up to two minutes, prints days. */
const TASK_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 3_600, 14_400, 86_400];

export interface Metrics {
  readonly registry: Registry;
  readonly commands: Counter<"type" | "result">;
  readonly commitSeconds: Histogram;
  readonly answers: Counter<"tier" | "cached" | "result">;
  readonly answerSeconds: Histogram<"tier">;
  readonly cacheLookups: Counter<"result">;
  readonly tokens: Counter<"kind" | "model">;
  readonly costMicroUsd: Counter;
  readonly prints: Counter<"result">;
  readonly jobs: Counter<"result">;
  /** `service`: fabrication, or a kind of job: cad, slice, command, embed. */
  readonly taskSeconds: Histogram<"service">;
  readonly taskStatus: Counter<"service" | "status">;
  readonly scheduled: Counter<"outcome">;
  readonly libraryBatchPatches: Histogram;
  readonly libraryWaitSeconds: Histogram;
}

export interface MetricSources {
  /** Read at each scrape. */
  readonly gauges: Readonly<Record<string, { readonly help: string; readonly read: () => number }>>;
}

export function makeMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    commands: new Counter({
      name: "gantry_commands_total",
      help: "Commands applied",
      labelNames: ["type", "result"],
      registers,
    }),
    commitSeconds: new Histogram({
      name: "gantry_raft_commit_seconds",
      help: "From proposal to reply",
      buckets: SECONDS,
      registers,
    }),
    answers: new Counter({
      name: "gantry_answers_total",
      help: "Questions answered",
      labelNames: ["tier", "cached", "result"],
      registers,
    }),
    answerSeconds: new Histogram({
      name: "gantry_answer_seconds",
      help: "From question to answer",
      labelNames: ["tier"],
      buckets: SECONDS,
      registers,
    }),
    cacheLookups: new Counter({
      name: "gantry_cache_lookups_total",
      help: "Lookups of the answer cache",
      labelNames: ["result"],
      registers,
    }),
    tokens: new Counter({
      name: "gantry_tokens_total",
      help: "Tokens of local models",
      labelNames: ["kind", "model"],
      registers,
    }),
    costMicroUsd: new Counter({
      name: "gantry_cost_micro_usd_total",
      help: "Money spent, in millionths of a dollar",
      registers,
    }),
    prints: new Counter({
      name: "gantry_prints_total",
      help: "Print jobs ended",
      labelNames: ["result"],
      registers,
    }),
    jobs: new Counter({
      name: "gantry_jobs_total",
      help: "Queued jobs ended",
      labelNames: ["result"],
      registers,
    }),
    taskSeconds: new Histogram({
      name: "task_execution_duration_seconds",
      help: "From its start on a machine to its end; prints are `fabrication`",
      labelNames: ["service"],
      buckets: TASK_SECONDS,
      registers,
    }),
    taskStatus: new Counter({
      name: "task_execution_status",
      help: "Ends of tasks by service",
      labelNames: ["service", "status"],
      registers,
    }),
    scheduled: new Counter({
      name: "gantry_scheduled_jobs_total",
      help: "Instants of schedules, and runs by hand",
      labelNames: ["outcome"],
      registers,
    }),
    libraryBatchPatches: new Histogram({
      name: "gantry_library_batch_patches",
      help: "Patches of a workflow that became one version together",
      buckets: [1, 2, 5, 10, 25, 50, 100],
      registers,
    }),
    libraryWaitSeconds: new Histogram({
      name: "gantry_library_wait_seconds",
      help: "From the first patch of a batch to its version",
      buckets: [0.1, 0.5, 1, 2, 4, 5, 5.5, 6, 8, 15, 60],
      registers,
    }),
  };
}

/** Jobs of each queue, and how far it is behind, read when somebody asks. */
export function exposeQueues(
  { registry }: Metrics,
  read: () => Iterable<
    readonly [queue: string, states: Readonly<Record<string, number>>, lagS: number]
  >,
): void {
  const registers = [registry];
  const jobs: Gauge<"queue" | "state"> = new Gauge({
    name: "gantry_queue_jobs",
    help: "Jobs of a queue",
    labelNames: ["queue", "state"],
    registers,
    collect() {
      for (const [queue, states] of read()) {
        for (const [state, count] of Object.entries(states)) jobs.set({ queue, state }, count);
      }
    },
  });
  const lag: Gauge<"queue"> = new Gauge({
    name: "gantry_queue_lag_seconds",
    help: "Age of the job that has been ready the longest",
    labelNames: ["queue"],
    registers,
    collect() {
      for (const [queue, , lagS] of read()) lag.set({ queue }, lagS);
    },
  });
}

/** Adds gauges that are read when somebody asks. */
export function exposeGauges({ registry }: Metrics, { gauges }: MetricSources): void {
  for (const [name, { help, read }] of Object.entries(gauges)) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => gauge.set(read()),
    });
  }
}

/** Counts prints and jobs that ended, off the events of the ledger. */
export function countEvents(
  { prints, jobs, scheduled, taskSeconds, taskStatus }: Metrics,
  feed: Feed,
  signal: AbortSignal,
): void {
  feed.watch((items) => {
    for (const item of items) {
      if (item.kind === "ledger") item.events.forEach(count);
    }
  }, signal);

  /** Of one that never began there is no time, only its end. */
  function countTask(
    service: string,
    status: string,
    fromMs: number | undefined,
    toMs: number,
  ): void {
    if (!ENDED.has(status)) return;
    taskStatus.inc({ service, status });
    if (fromMs !== undefined) taskSeconds.observe({ service }, Math.max(0, toMs - fromMs) / 1_000);
  }

  function count({ type, data }: LedgerEvent): void {
    if (type === "print.changed") {
      const row = data as PrintRow; // the domains emit the row
      countEnd(prints, row);
      countTask("fabrication", row.state, row.startedAtMs, row.changedAtMs);
    }
    if (type === "job.changed") {
      const row = data as JobRow;
      countEnd(jobs, row);
      countTask(row.kind, row.state, row.lease?.atMs, row.changedAtMs);
    }
    if (type === "queue.changed") countEnds(jobs, data as { ended?: Record<string, number> });
    if (type === "schedule.fired") scheduled.inc({ outcome: (data as FiringRow).outcome });
  }
}

const ENDED: ReadonlySet<string> = new Set([
  "done",
  "failed",
  "cancelled",
  "interrupted",
  "unknown",
]);

function countEnds(
  counter: Counter<"result">,
  { ended = {} }: { ended?: Record<string, number> },
): void {
  for (const [result, count] of Object.entries(ended)) {
    if (ENDED.has(result)) counter.inc({ result }, count);
  }
}

function countEnd(counter: Counter<"result">, { state }: PrintRow | JobRow): void {
  if (ENDED.has(state)) counter.inc({ result: state });
}
