// Goals, their projects, and the standing jobs that look after them.
//
// GO1. One open goal for each key: what is found again while it is open, or within GOAL_QUIET_MS of its
//      end, is not found twice.
// GO2. A standing job runs once for each of its days, whoever leads and however often it is tried: the
//      second command is refused, with all that it would have done.
// GO3. An approved goal gets one project; what is `active` gets none.
// GO4. Nobody's silence lasts for ever: a reminder after LIFE.goalReminderMs, the end after LIFE.goalMs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { GoalDraft, GoalRow, GoalState, GoalTask } from "@gantry/shared/contract/goals.ts";
import { isArray, isObject, type Json } from "../../workflow/json-value.ts";
import { appendOrder, checkNew, type Context, inOrder, rowOf } from "../context.ts";
import { runStarted } from "./runs.ts";

const GOAL_QUIET_MS = 30 * 86_400_000;
const TASKS_MAX = 100;

const isOpen = ({ state }: GoalRow): boolean =>
  state === "identified" || state === "approved" || state === "active";

export function goalProposed(context: Context, command: CommandOf<"goalProposed">): unknown {
  const { goal, title, description, key, impact } = command;
  checkNew(context, "goal", goal, "goal");
  checkRoom(context);
  if (isKnown(context, key)) throw new GantryError("conflict", "There is an open goal about this");
  make(context, { goal, title, description, key, impact });
  context.audit("goal.proposed", goal, { title });
  return { goal };
}

function checkRoom({ rows }: Context): void {
  if (rows.hot("goal").size >= LIMIT.goals.max)
    throw new GantryError("busy", `${LIMIT.goals.max} goals are open, which is the bound`);
}

/** GO1. */
function isKnown({ rows, nowMs }: Context, key: string): boolean {
  const id = rows.get("order", `goals/key/${key}`);
  const row = id === undefined ? undefined : rows.get("goal", id);
  return row !== undefined && (isOpen(row) || row.changedAtMs + GOAL_QUIET_MS > nowMs);
}

function make(context: Context, { goal, ...draft }: GoalDraft): void {
  const { rows, nowMs, command } = context;
  const row: GoalRow = {
    ...draft,
    id: goal,
    state: "identified",
    by: command.actor,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
  };
  appendOrder(context, "goals", goal);
  rows.cool("order", `goals/key/${row.key}`, goal);
  write(context, row);
}

function write(context: Context, row: GoalRow): GoalRow {
  if (isOpen(row)) context.rows.put("goal", row.id, row);
  else context.rows.cool("goal", row.id, row);
  const { id, title, state, impact } = row;
  context.emit("goal.changed", id, { id, title, state, impact });
  return row;
}

const moved = (context: Context, row: GoalRow, facts: Partial<GoalRow>): GoalRow =>
  write(context, { ...row, ...facts, changedAtMs: context.nowMs });

export function goalDecided(context: Context, command: CommandOf<"goalDecided">): unknown {
  const { goal, approve, reason, actor } = command;
  const row = rowOf(context, "goal", goal, "goal");
  if (row.state !== "identified")
    throw new GantryError("conflict", `The goal is ${row.state} already`, {
      details: { state: row.state },
    });
  if (!approve && reason.trim() === "")
    throw new GantryError("bad_request", "A rejection needs a reason");
  const state: GoalState = approve ? "approved" : "rejected";
  moved(context, row, { state, decidedBy: actor, reason });
  context.audit(`goal.${state}`, goal, { reason });
  return { goal, state };
}

/** The last one ends the goal. */
export function goalTaskDone(context: Context, command: CommandOf<"goalTaskDone">): unknown {
  const row = rowOf(context, "goal", command.goal, "goal");
  const { project } = row;
  if (row.state !== "active" || project === undefined)
    throw new GantryError("conflict", `The goal is ${row.state}: it has no open tasks`);
  const task = project.tasks[command.task];
  if (task === undefined) throw new GantryError("not_found", `It has no task ${command.task}`);
  const tasks = project.tasks.with(command.task, { ...task, isDone: true });
  const isDone = tasks.every((each) => each.isDone);
  moved(context, row, {
    project: { ...project, tasks },
    ...(isDone ? { state: "done", doneAtMs: context.nowMs } : {}),
  });
  context.audit("goal.task", row.id, { task: task.title });
  return { goal: row.id, state: isDone ? "done" : "active" };
}

// ── what the hub does by itself ─────────────────────────────────────────────────────────────────

export function standingRan(context: Context, command: CommandOf<"standingRan">): unknown {
  const { rows, nowMs } = context;
  const { job, day } = command;
  const last = rows.get("standing", job);
  if (last !== undefined && last.day >= day)
    throw new GantryError("conflict", `${job} ran for ${last.day} already`); // GO2
  rows.put("standing", job, { day, atMs: nowMs });
  const done = doStanding(context, command);
  context.audit(`standing.${job}`, day, done);
  return { job, day, ...done };
}

function doStanding(context: Context, command: CommandOf<"standingRan">): Record<string, number> {
  switch (command.job) {
    case "research": {
      const fresh = command.goals.filter(
        ({ key, goal }) => !isKnown(context, key) && context.rows.get("goal", goal) === undefined,
      );
      const room = Math.max(0, LIMIT.goals.max - context.rows.hot("goal").size);
      for (const draft of fresh.slice(0, room)) make(context, draft);
      return { goals: Math.min(room, fresh.length) };
    }
    case "projects":
      return { projects: command.projects.filter((each) => beginProject(context, each)).length };
    case "outcomes": {
      let measured = 0;
      for (const { goal, ...outcome } of command.outcomes) {
        const row = context.rows.get("goal", goal);
        if (row?.state !== "done") continue;
        moved(context, row, { outcome: { ...outcome, measuredAtMs: context.nowMs } });
        measured += 1;
      }
      return { measured };
    }
  }
}

type Begun = Extract<CommandOf<"standingRan">, { job: "projects" }>["projects"][number];

/** GO3. A workflow that cannot be started is no reason to have no project. */
function beginProject(context: Context, { goal, run, workflow }: Begun): boolean {
  const row = context.rows.get("goal", goal);
  if (row?.state !== "approved") return false;
  const begun =
    run !== undefined && workflow !== undefined && startWorkflow(context, row, run, workflow);
  const tasks: readonly GoalTask[] = begun ? [] : [{ title: row.title, isDone: false }];
  moved(context, row, {
    state: "active",
    project: { atMs: context.nowMs, tasks, ...(begun ? { run } : {}) },
  });
  return true;
}

function startWorkflow(context: Context, row: GoalRow, run: string, workflow: string): boolean {
  const { rows } = context;
  const { writes } = rows;
  const { id, title, description, impact } = row;
  try {
    const { atMs, requestId } = context.command;
    const inputs = { goal: { id, title, description, impact } };
    const actor = row.decidedBy ?? row.by;
    const command = { type: "runStarted", role: "maker", run, workflow, inputs } as const;
    const begun = { ...command, atMs, actor, requestId };
    runStarted({ ...context, command: begun }, begun); // it is the run of who said yes
    return true;
  } catch (error) {
    if (!(error instanceof GantryError) || rows.writes !== writes) throw error;
    return false;
  }
}

/** GO4, and projects whose workflow has ended: what it gives is their tasks. */
export function goalsTicked(context: Context): unknown {
  const { nowMs } = context;
  let ticked = 0;
  for (const row of inOrder(context, "goal")) {
    const facts = dueOf(context, row);
    if (facts === undefined) continue;
    moved(context, row, facts);
    if (facts.remindedAtMs === nowMs)
      context.emit("goal.reminder", row.id, { id: row.id, title: row.title });
    ticked += 1;
  }
  if (ticked === 0) throw new GantryError("conflict", "Nothing is due");
  return { ticked };
}

export function dueOf(
  { rows, nowMs }: Pick<Context, "rows" | "nowMs">,
  row: GoalRow,
): Partial<GoalRow> | undefined {
  if (row.state === "identified") {
    if (nowMs >= row.createdAtMs + LIFE.goalMs) return { state: "expired" };
    const isQuiet =
      row.remindedAtMs === undefined && nowMs >= row.createdAtMs + LIFE.goalReminderMs;
    return isQuiet ? { remindedAtMs: nowMs } : undefined;
  }
  const { project } = row;
  if (row.state !== "active" || project?.run === undefined || project.tasks.length > 0)
    return undefined;
  if (rows.hot("run").has(project.run)) return undefined;
  const run = rows.get("run", project.run);
  const given = run?.state.state === "done" ? tasksIn(run.state.output) : [];
  const tasks = given.length > 0 ? given : [{ title: row.title, isDone: false }];
  return { project: { ...project, tasks } };
}

/** `{tasks: [TEXT or {title}]}`, as the output of the workflow. */
function tasksIn(output: Json): readonly GoalTask[] {
  const list = isObject(output) ? output["tasks"] : undefined;
  if (!isArray(list)) return [];
  return list.slice(0, TASKS_MAX).flatMap((item): GoalTask[] => {
    const title = isObject(item) ? item["title"] : item;
    return typeof title === "string" && title.trim() !== ""
      ? [{ title: title.slice(0, 500), isDone: false }]
      : [];
  });
}
