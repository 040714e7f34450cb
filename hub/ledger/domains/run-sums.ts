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

/** `by`: 1 at its end, -1 when it moves again. */
export function countRun(context: Context, line: RunLineRow, by: 1 | -1): void {
  const { rows } = context;
  const { workflow, by: person, state, usage } = line;
  const isBelow = line.parent !== undefined;
  if (line.replayOf !== undefined || (isBelow && usage === undefined)) return; // RU2
  const day = dayOf(line.endedMs);
  const id = `${day}/${workflow}/${person}`;
  const found = rows.get("runSum", id);
  if (found === undefined) appendOrder(context, `runSums/${day}`, id);
  const before: RunSumRow = found ?? {
    day,
    workflow,
    person,
    done: 0,
    failed: 0,
    cancelled: 0,
    faults: {},
    tookMs: 0,
    durations: {},
    usage: FREE_RUN,
  };
  const after = isBelow
    ? before
    : {
        ...before,
        [state]: before[state] + by,
        faults: state === "failed" ? faultsWith(before.faults, line, by) : before.faults,
        tookMs: before.tookMs + by * tookMs(line),
        durations: countedIn(before.durations, String(bucketOf(tookMs(line))), by),
      };
  const total = usage === undefined ? before.usage : addUsage(before.usage, usage, by);
  rows.cool("runSum", id, { ...after, usage: total });
}

/**
 * The ledger's time never goes back, so a run does not end before it began. Logs of earlier versions
 * have times with fractions, which no bucket is for.
 */
const tookMs = ({ endedMs, createdAtMs }: RunLineRow): number => Math.floor(endedMs - createdAtMs);

function faultsWith(faults: Counts, { fault }: RunLineRow, by: number): Counts {
  const code = fault?.code ?? OTHER;
  const isKnown = Object.hasOwn(faults, code);
  const hasRoom = by === 1 && Object.keys(faults).length < LIMIT.runFaultCodes.max - 1;
  return countedIn(faults, isKnown || hasRoom ? code : OTHER, by);
}
