// Use cases: goals, and the standing jobs that look after them.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import { type GoalRow, STANDING_JOBS } from "@gantry/shared/contract/goals.ts";
import type { GoalView } from "@gantry/shared/contract/schemas/goals.ts";
import { act, newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, pageOf, paramOf } from "./context.ts";
import { isoTime } from "./views.ts";

/** The newest first. */
export function goals({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const wanted = request.query["state"];
  const { items, next } = pageOf(request, rows.get("count", "goals") ?? 0, (place) => {
    const id = rows.get("order", `goals/${place}`);
    const row = id === undefined ? undefined : rows.get("goal", id);
    return row === undefined || (wanted !== undefined && row.state !== wanted)
      ? undefined
      : goalView(row);
  });
  return { goals: items, ...(next === undefined ? {} : { next }) };
}

function rowFor({ hub }: DeskParts, id: string): GoalRow {
  const row = hub.rows.get("goal", id);
  if (row === undefined) throw new GantryError("not_found", `There is no goal ${id}`);
  return row;
}

export const goal = (parts: DeskParts, request: DeskRequest): GoalView =>
  goalView(rowFor(parts, paramOf(request, "id")));

export async function goalProposed(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<GoalView> {
  const body = request.body as { title: string; description: string; impact: number };
  const goal = newId(parts.hub, "gol");
  const key = `person/${body.title.toLowerCase()}`;
  const reply = await act(
    parts.hub,
    { type: "goalProposed", goal, key, ...body },
    byOf(request),
    signal,
  );
  return goalView(rowFor(parts, (reply as { goal: string }).goal)); // domains/goals.ts
}

export const decide =
  (approve: boolean) =>
  (parts: DeskParts, request: DeskRequest, { signal }: DeskCallOptions): Promise<unknown> => {
    const { reason } = request.body as { reason: string };
    const id = paramOf(request, "id");
    return act(
      parts.hub,
      { type: "goalDecided", goal: id, approve, reason },
      byOf(request),
      signal,
    );
  };

export function goalTaskDone(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const task = Number(paramOf(request, "number"));
  if (!Number.isSafeInteger(task) || task < 0)
    throw new GantryError("bad_request", "A task is named by its number, from 0");
  const body = { type: "goalTaskDone" as const, goal: paramOf(request, "id"), task };
  return act(parts.hub, body, byOf(request), signal);
}

export function standing({ hub }: DeskParts): unknown {
  const jobs = Object.entries(STANDING_JOBS).map(([name, { at, weekday }]) => {
    const row = hub.rows.get("standing", name);
    return {
      name,
      at,
      ...(weekday === undefined ? {} : { weekday }),
      ...(row === undefined ? {} : { lastDay: row.day, lastAt: isoTime(row.atMs) }),
    };
  });
  return { jobs };
}

function goalView(row: GoalRow): GoalView {
  const { project, outcome, evidence, decidedBy, reason } = row;
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    state: row.state,
    impact: row.impact,
    by: row.by,
    createdAt: isoTime(row.createdAtMs),
    changedAt: isoTime(row.changedAtMs),
    ...(row.state === "identified" ? { dueAt: isoTime(row.createdAtMs + LIFE.goalMs) } : {}),
    ...(decidedBy === undefined ? {} : { decidedBy }),
    ...(reason === undefined || reason === "" ? {} : { reason }),
    ...(evidence === undefined ? {} : { evidence: { ...evidence } }),
    ...(project === undefined
      ? {}
      : {
          project: {
            at: isoTime(project.atMs),
            ...(project.run === undefined ? {} : { run: project.run }),
            tasks: project.tasks.map((task) => ({ ...task })),
          },
        }),
    ...(outcome === undefined
      ? {}
      : {
          outcome: {
            measuredAt: isoTime(outcome.measuredAtMs),
            before: outcome.before,
            since: outcome.since,
            runsSince: outcome.runsSince,
            isBetter: outcome.isBetter,
          },
        }),
  };
}
