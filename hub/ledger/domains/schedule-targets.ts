// What a schedule starts, whether it has ended, and how it is cancelled.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command, CommandBody } from "@gantry/shared/contract/commands.ts";
import { mayAct, type Role, ROLES } from "@gantry/shared/contract/roles.ts";
import type {
  ScheduleRow,
  ScheduleStart,
  StartedThing,
} from "@gantry/shared/contract/schedules.ts";
import { allRead, type Context } from "../context.ts";
import { OF_RESULTS } from "../run-row.ts";
import type { Rows } from "../rows.ts";
import { questionAsked } from "./asking.ts";
import { isOpen as isOpenJob } from "./job-cancel.ts";
import { jobAdded, jobCancelled } from "./jobs.ts";
import { bestRoleOf } from "./people.ts";
import { runCancelled, runStarted } from "./runs.ts";
import { runBudgetOf } from "./schedule-budget.ts";

export function isOpen(rows: Rows, { type, id }: StartedThing): boolean {
  switch (type) {
    case "job": {
      const row = rows.get("job", id);
      return row !== undefined && isOpenJob(row);
    }
    case "question":
      return rows.hot("question").has(id);
    case "run":
      return rows.hot("run").has(id);
    case "event":
      return false;
  }
}

/** Starts what `start` says, as part of the present command. Throws before it has written anything. */
export function startTarget(
  context: Context,
  row: ScheduleRow,
  start: ScheduleStart,
  role: Role,
): StartedThing {
  const { target } = row;
  if (start.type !== target.type) {
    throw new GantryError("conflict", `${row.id} starts a ${target.type} by now`);
  }
  if (start.type === "job" && target.type === "job") {
    jobAdded(context, asCommand(context, row, { type: "jobAdded", ...start.draft }));
    return { type: "job", id: start.draft.job };
  }
  if (start.type === "question" && target.type === "question") {
    const { conversation, message } = start;
    const { text } = target;
    const asked = { type: "questionAsked", conversation, message, text, role } as const;
    questionAsked(context, asCommand(context, row, asked));
    return { type: "question", id: message };
  }
  if (start.type === "run" && target.type === "run") {
    const { workflow, inputs } = target;
    const budget = runBudgetOf(context, row, target.budget);
    const workload = row.policy.workload ?? "scheduled";
    const own = allRead(context, OF_RESULTS)
      ? { workload, ...(budget === undefined ? {} : { budget }) }
      : {};
    const begun = { type: "runStarted", role, run: start.run, workflow, inputs, ...own } as const;
    runStarted(context, asCommand(context, row, begun));
    return { type: "run", id: start.run };
  }
  if (target.type === "event") {
    const { name, data } = target;
    context.emit("schedule.event", row.id, { name, data });
    return { type: "event", id: `${row.id}/${context.position}` };
  }
  throw new GantryError("conflict", `A ${target.type} cannot be started so`);
}

/** Of a thing that is open. Questions are answered to the end: they are left alone. */
export function cancelStarted(
  context: Context,
  row: ScheduleRow,
  { type, id }: StartedThing,
): void {
  if (type === "job")
    jobCancelled(context, asCommand(context, row, { type: "jobCancelled", job: id }));
  if (type !== "run") return;
  const reason = `${row.id} begins its next run`;
  runCancelled(context, asCommand(context, row, { type: "runCancelled", run: id, reason }));
}

/** The body as a command of the person for whom the schedule acts. */
function asCommand<B extends CommandBody>(
  { command }: Context,
  { by }: ScheduleRow,
  body: B,
): B & Pick<Command, "atMs" | "actor" | "requestId"> {
  const { atMs, requestId } = command;
  return { ...body, atMs, actor: by, requestId };
}

/**
 * The role with which the schedule may act now: its own at most, and no more than the person's best
 * token that is valid. Throws forbidden if there is none, or not enough of it.
 */
export function roleNow({ rows, nowMs }: Context, row: ScheduleRow): Role {
  const best = bestRoleOf(rows, row.by, nowMs);
  const role =
    best === undefined ? undefined : ROLES[Math.min(ROLES.indexOf(best), ROLES.indexOf(row.role))];
  if (role !== undefined && mayAct(role, needsMaker(row) ? "maker" : "viewer")) return role;
  throw new GantryError("forbidden", `${row.by} has no valid token that may start this`);
}

/** As the routes do that start the same by hand. */
const needsMaker = ({ target: { type } }: ScheduleRow): boolean => type === "job" || type === "run";
