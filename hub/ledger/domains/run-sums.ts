// What ended runs come to, by day, workflow and person: a row that grows and shrinks with each end, so
// that no question about a month reads the runs of a month.
//
// RU1. Equal to a recount over all lines at any time: what an end adds, a retry of that run takes away.
// RU2. A replay cost nothing and decided nothing: it is in no sum. A run below another is counted by
//      what it cost alone: it is a part of the one above it.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunLineRow, RunSumRow, RunUsage } from "@gantry/shared/contract/run-rows.ts";
import { appendOrder, type Context } from "../context.ts";
import { bucketOf, type Counts, countedIn } from "../histogram.ts";

export const FREE_RUN: RunUsage = { promptTokens: 0, completionTokens: 0, costMicroUsd: 0 };
const OTHER = "other";

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
export const addUsage = (a: RunUsage, b: RunUsage, by = 1): RunUsage => ({
  promptTokens: a.promptTokens + by * b.promptTokens,
  completionTokens: a.completionTokens + by * b.completionTokens,
  costMicroUsd: a.costMicroUsd + by * b.costMicroUsd,
});

export interface RunSums {
  /** `by`: 1 at its end, -1 when it moves again. */
  count(line: RunLineRow, by: 1 | -1): void;
  /** One write for each sum that has changed: who counts also flushes. */
  flush(): void;
}

export function makeRunSums(context: Context): RunSums {
  const { rows } = context;
  const open = new Map<string, RunSumRow>();
  return {
    count(line, by) {
      const isBelow = line.parent !== undefined;
      if (line.replayOf !== undefined || (isBelow && line.usage === undefined)) return; // RU2
      const day = dayOf(line.endedMs);
      const id = `${day}/${line.workflow}/${line.by}`;
      const before = open.get(id) ?? rows.get("runSum", id) ?? nothingOf(day, line);
      open.set(id, counted(before, line, by));
    },
    flush() {
      for (const [id, row] of open) {
        if (rows.get("runSum", id) === undefined) appendOrder(context, `runSums/${row.day}`, id);
        rows.cool("runSum", id, row);
      }
      open.clear();
    },
  };
}

const nothingOf = (day: string, { workflow, by }: RunLineRow): RunSumRow => ({
  day,
  workflow,
  person: by,
  done: 0,
  failed: 0,
  cancelled: 0,
  faults: {},
  tookMs: 0,
  durations: {},
  usage: FREE_RUN,
});

function counted(before: RunSumRow, line: RunLineRow, by: 1 | -1): RunSumRow {
  const { state } = line;
  const usage = line.usage === undefined ? before.usage : addUsage(before.usage, line.usage, by);
  if (line.parent !== undefined) return { ...before, usage };
  return {
    ...before,
    [state]: before[state] + by,
    faults: state === "failed" ? faultsWith(before.faults, line, by) : before.faults,
    tookMs: before.tookMs + by * tookMs(line),
    durations: countedIn(before.durations, String(bucketOf(tookMs(line))), by),
    usage,
  };
}

const tookMs = ({ endedMs, createdAtMs }: RunLineRow): number => Math.floor(endedMs - createdAtMs);

function faultsWith(faults: Counts, { fault }: RunLineRow, by: number): Counts {
  const code = fault?.code ?? OTHER;
  const isKnown = Object.hasOwn(faults, code);
  const hasRoom = by === 1 && Object.keys(faults).length < LIMIT.runFaultCodes.max - 1;
  return countedIn(faults, isKnown || hasRoom ? code : OTHER, by);
}
