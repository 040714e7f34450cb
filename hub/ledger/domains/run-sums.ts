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

const DAY_MS = 86_400_000;
let lastDay = { number: 0, name: "1970-01-01" }; // a pure memo: runs end on the same day as the one before

export function dayOf(ms: number): string {
  const number = Math.floor(ms / DAY_MS);
  if (number !== lastDay.number)
    lastDay = { number, name: new Date(ms).toISOString().slice(0, 10) };
  return lastDay.name;
}
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
  const open = new Map<string, OwnSum>();
  return {
    count(line, by) {
      const isBelow = line.parent !== undefined;
      if (line.replayOf !== undefined || (isBelow && line.usage === undefined)) return; // RU2
      const day = dayOf(line.endedMs);
      const id = `${day}/${line.workflow}/${line.by}`;
      const mine = open.get(id) ?? ownSum(rows.get("runSum", id) ?? nothingOf(day, line));
      open.set(id, mine);
      countInto(mine, line, by);
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

/** A copy that this command alone has: a thousand ends are counted into it, and nothing is copied again. */
type OwnSum = { -readonly [K in keyof RunSumRow]: RunSumRow[K] } & {
  durations: Record<string, number>;
};

const ownSum = (row: RunSumRow): OwnSum => ({ ...row, durations: { ...row.durations } });

function countInto(sum: OwnSum, line: RunLineRow, by: 1 | -1): void {
  const { state } = line;
  if (line.usage !== undefined) sum.usage = addUsage(sum.usage, line.usage, by);
  if (line.parent !== undefined) return;
  sum[state] += by;
  if (state === "failed") sum.faults = faultsWith(sum.faults, line, by);
  sum.tookMs += by * tookMs(line);
  const bucket = bucketOf(tookMs(line));
  const count = (sum.durations[bucket] ?? 0) + by;
  if (count === 0) delete sum.durations[bucket];
  else sum.durations[bucket] = count;
}

const tookMs = ({ endedMs, createdAtMs }: RunLineRow): number => Math.floor(endedMs - createdAtMs);

function faultsWith(faults: Counts, { fault }: RunLineRow, by: number): Counts {
  const code = fault?.code ?? OTHER;
  const isKnown = Object.hasOwn(faults, code);
  const hasRoom = by === 1 && Object.keys(faults).length < LIMIT.runFaultCodes.max - 1;
  return countedIn(faults, isKnown || hasRoom ? code : OTHER, by);
}
