// The standing jobs, while this hub leads: goals found in the failures of thirty days, projects for
// those that were approved, outcomes of those that are done; reminders and ends of what nobody answers.
//
// GH1. What is due is read off the rows at each look: a new leader finds the same, and the ledger takes
//      each day of a job once (GO2).
// GH2. Where there never was a goal, and none is found, nothing is written: an idle hub stays idle.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { GoalRow, StandingJob } from "@gantry/shared/contract/goals.ts";
import { byHub, type Hub, newId, propose } from "../hub.ts";
import { dueOf } from "../ledger/domains/goals.ts";
import type { Rows } from "../ledger/rows.ts";
import {
  GOAL_DAYS,
  goalsFrom,
  outcomeOf,
  type WorkflowHistory,
} from "../schedules/goal-finding.ts";
import { dayName, dueDay } from "../schedules/standing.ts";

const LOOK_MS = 60_000;
const DAY_MS = 86_400_000;
/** A workflow of this name works an approved goal out: its output `{tasks: [...]}` are the tasks. */
export const GOAL_WORKFLOW = "goal-project";
const MEASURED_MAX = 200;
const JOBS: readonly StandingJob[] = ["projects", "research", "outcomes"];

export interface GoalHands {
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** One look; gives the jobs that ran. */
  look(signal: AbortSignal): Promise<readonly StandingJob[]>;
}

export function makeGoalHands(hub: Hub): GoalHands {
  const { rows, clock } = hub;
  /** By job, the day for which there was nothing to do, as seen by this hub. */
  const idle = new Map<StandingJob, string>();

  const bodyOf = (job: StandingJob, day: string) => {
    const common = { type: "standingRan" as const, day };
    switch (job) {
      case "research":
        return {
          ...common,
          job,
          goals: goalsFrom(historyOf(rows, daysBefore(day, GOAL_DAYS)), goalId),
        };
      case "projects": {
        const hasWorkflow = rows.get("workflow", GOAL_WORKFLOW) !== undefined;
        const approved = [...rows.hot("goal").values()].filter(({ state }) => state === "approved");
        const projects = approved
          .toSorted((a, b) => b.impact - a.impact || (a.id < b.id ? -1 : 1))
          .map(({ id }) =>
            hasWorkflow
              ? { goal: id, run: newId(hub, "run"), workflow: GOAL_WORKFLOW }
              : { goal: id },
          );
        return { ...common, job, projects };
      }
      case "outcomes":
        return { ...common, job, outcomes: outcomesOf(rows, day) };
    }
  };

  /** GH2. */
  const isIdle = (body: ReturnType<typeof bodyOf>): boolean =>
    (rows.get("count", "goals") ?? 0) === 0 && !(body.job === "research" && body.goals.length > 0);

  /** With the log position, so that one found again later is another goal. */
  const goalId = (key: string): string =>
    `gol_${sha256(`${key} ${hub.replica.ledger.position}`).slice(0, 26)}`;

  async function look(signal: AbortSignal): Promise<readonly StandingJob[]> {
    const nowMs = hub.stampMs();
    const ran: StandingJob[] = [];
    for (const job of JOBS) {
      const day = dueDay(job, nowMs, rows.get("standing", job)?.day);
      if (day === undefined) continue;
      if (idle.get(job) === day) continue;
      const body = bodyOf(job, day);
      if (isIdle(body)) {
        idle.set(job, day);
        continue;
      }
      const reply = await propose(hub, body, byHub(hub), signal);
      if (reply.ok) ran.push(job);
      else hub.log.info({ job, day, error: reply.error }, "a standing job did not run");
    }
    const isDue = [...rows.hot("goal").values()].some((row) => dueOf({ rows, nowMs }, row));
    if (isDue) await propose(hub, { type: "goalsTicked" }, byHub(hub), signal);
    return ran;
  }

  return {
    look,
    async run(signal) {
      while (!signal.aborted) {
        try {
          await look(signal);
        } catch (error) {
          if (signal.aborted) return;
          hub.log.warn({ error: toErrorRecord(error) }, "standing jobs wait for the next look");
        }
        await clock.sleep(LOOK_MS, signal).catch(() => {}); // the loop ends by itself
      }
    },
  };
}

/** `count` days up to and with this one. */
function daysBefore(day: string, count: number): readonly string[] {
  const lastMs = Date.parse(day);
  return Array.from({ length: count }, (_, back) => dayName(lastMs - back * DAY_MS));
}

/** By workflow, over these days; from the sums that every end of a run is counted into. */
export function historyOf(rows: Rows, days: readonly string[]): readonly WorkflowHistory[] {
  const found = new Map<
    string,
    { workflow: string; runs: number; faults: Record<string, number> }
  >();
  for (const day of days) {
    const count = rows.get("count", `runSums/${day}`) ?? 0;
    for (let at = 0; at < count; at += 1) {
      const id = rows.get("order", `runSums/${day}/${at}`);
      const sum = id === undefined ? undefined : rows.get("runSum", id);
      if (sum === undefined) continue;
      const mine = found.get(sum.workflow) ?? { workflow: sum.workflow, runs: 0, faults: {} };
      found.set(sum.workflow, mine);
      mine.runs += sum.done + sum.failed + sum.cancelled;
      for (const [code, failures] of Object.entries(sum.faults))
        mine.faults[code] = (mine.faults[code] ?? 0) + failures;
    }
  }
  return [...found.values()];
}

/** Of goals that are done and were found in failures, the newest first. */
function outcomesOf(rows: Rows, day: string) {
  const count = rows.get("count", "goals") ?? 0;
  const done: GoalRow[] = [];
  for (let at = count - 1; at >= 0 && done.length < MEASURED_MAX; at -= 1) {
    const id = rows.get("order", `goals/${at}`);
    const row = id === undefined ? undefined : rows.get("goal", id);
    if (row?.state === "done" && row.evidence !== undefined) done.push(row);
  }
  return done.flatMap((row) => {
    const { evidence, doneAtMs = row.changedAtMs } = row;
    const sinceDays = Math.floor((Date.parse(day) - Date.parse(dayName(doneAtMs))) / DAY_MS);
    if (evidence === undefined || sinceDays < 1) return []; // the day on which it was done is of both
    const history = historyOf(rows, daysBefore(day, Math.min(sinceDays, GOAL_DAYS)));
    const outcome = outcomeOf(
      evidence,
      history.find(({ workflow }) => workflow === evidence.workflow),
    );
    return outcome === undefined ? [] : [{ goal: row.id, ...outcome }];
  });
}
