// Use cases: schedules.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type {
  ScheduleChange,
  ScheduleAdd,
  ScheduleView,
} from "@gantry/shared/contract/schemas/schedules.ts";
import type { ScheduleRow } from "@gantry/shared/contract/schedules.ts";
import { act, newId } from "../hub.ts";
import { isSwitchedOff } from "../ledger/domains/schedule-budget.ts";
import { historyOf } from "../ledger/domains/schedule-rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { preview } from "../schedules/next.ts";
import { jitterMs, nextWithin } from "../schedules/plan.ts";
import {
  actorOf,
  assertMaker,
  byOf,
  type DeskParts,
  pageOf,
  paramOf,
  type ScheduleHands,
  seesAll,
  type UseCase,
} from "./context.ts";
import { fieldsOf, type PolicyFields, policyOf, targetOf, whenOf } from "./schedule-drafts.ts";
import { firingView, localTime, scheduleView, startedView } from "./schedule-views.ts";
import { isoTime } from "./views.ts";

export function scheduleUseCases({
  schedules: hands,
}: DeskParts): Partial<Record<RouteName, UseCase>> {
  if (hands === undefined) return {};
  return {
    schedules: (parts, request) => list(parts, hands, request),
    scheduleMade: (parts, request, options) => made(parts, hands, request, options),
    schedule: (parts, request) => viewOf(parts, hands, visible(parts, request)),
    scheduleChanged: (parts, request, options) => changed(parts, hands, request, options),
    scheduleDeleted: deleted,
    schedulePaused: (parts, request, options) => paused(parts, hands, request, options),
    scheduleResumed: (parts, request, options) => resumed(parts, hands, request, options),
    scheduleRun: (parts, request, options) => run(parts, hands, request, options),
    scheduleNext: (parts, request) => next(parts, hands, request),
    scheduleHistory: history,
  };
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

const viewOf = ({ hub }: DeskParts, { calendar }: ScheduleHands, row: ScheduleRow): ScheduleView =>
  scheduleView(hub.rows, row, hub.stampMs(), calendar);

/** Somebody else's schedule is not there, but for operators. */
function visible({ hub }: DeskParts, request: DeskRequest): ScheduleRow {
  const id = paramOf(request, "id");
  const { person, role } = actorOf(request);
  const row = hub.rows.get("schedule", id);
  if (row === undefined || (row.by !== person && !seesAll(role))) {
    throw new GantryError("not_found", `There is no schedule ${id}`);
  }
  return row;
}

function own(parts: DeskParts, request: DeskRequest): ScheduleRow {
  const row = visible(parts, request);
  assertMaker(row, request);
  return row;
}

/** By id, which is the order in which they were made; the newest first. */
function list(parts: DeskParts, hands: ScheduleHands, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { person, role } = actorOf(request);
  const { limit, after } = request.query;
  const found = [...rows.hot("schedule").values()]
    .filter((row) => row.by === person || seesAll(role))
    .filter(({ id }) => typeof after !== "string" || id < after)
    .toSorted((a, b) => (a.id > b.id ? -1 : 1));
  const page = found.slice(0, Number(limit ?? 50));
  const cursor = found.length > page.length ? page.at(-1)?.id : undefined;
  return {
    enabled: !isSwitchedOff(rows),
    schedules: page.map((row) => viewOf(parts, hands, row)),
    ...(cursor === undefined ? {} : { next: cursor }),
  };
}

function next(
  { hub, ...parts }: DeskParts,
  { calendar }: ScheduleHands,
  request: DeskRequest,
): unknown {
  const { id, when, policy, state, nextMs } = visible({ hub, ...parts }, request);
  const zone = when.kind === "cron" ? when.zone : "UTC";
  const count = Number(request.query["count"] ?? 10);
  const instants =
    state !== "active" || nextMs === undefined
      ? []
      : preview(when, nextMs - 1, count, calendar, policy.endsAtMs);
  return {
    zone,
    next: instants.map((ms) => ({
      at: isoTime(ms),
      local: localTime(calendar, zone, ms),
      startsAt: isoTime(ms + jitterMs(id, ms, policy.jitterMs)),
    })),
  };
}

function history(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { id } = visible(parts, request);
  const made = rows.get("count", historyOf(id)) ?? 0;
  const kept = LIMIT.scheduleHistory.max;
  const { items, next: cursor } = pageOf(request, made, (place) => {
    if (place < made - kept) return undefined;
    const firing = rows.get("firing", rows.get("order", `${historyOf(id)}/${place % kept}`) ?? "");
    return firing === undefined ? undefined : firingView(rows, firing);
  });
  const isMore = cursor !== undefined && Number(cursor) > made - kept;
  return { firings: items, ...(isMore ? { next: cursor } : {}) };
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────

async function made(
  parts: DeskParts,
  hands: ScheduleHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ScheduleView> {
  const { hub } = parts;
  const body = request.body as ScheduleAdd;
  const facts = {
    name: body.name,
    when: whenOf(hands, body.when, hub.stampMs()),
    target: targetOf(parts, request, body.target),
    policy: policyOf(body),
  };
  const nextMs = nextWithin(facts, hub.stampMs(), hands.calendar);
  if (nextMs === undefined) throw neverRuns();
  const command = {
    type: "scheduleMade" as const,
    schedule: newId(hub, "sch"),
    role: actorOf(request).role,
    ...facts,
    nextMs,
  };
  const value = await act(hub, command, byOf(request), signal);
  return viewById(parts, hands, (value as { schedule: string }).schedule); // domains/schedules.ts
}

const neverRuns = (): GantryError =>
  new GantryError("bad_schedule", "It would never run", { details: { field: "when" } });

function viewById(parts: DeskParts, hands: ScheduleHands, id: string): ScheduleView {
  const row = parts.hub.rows.get("schedule", id);
  if (row === undefined) throw new GantryError("not_found", `There is no schedule ${id}`);
  return viewOf(parts, hands, row);
}

async function changed(
  parts: DeskParts,
  hands: ScheduleHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ScheduleView> {
  const { hub } = parts;
  const row = own(parts, request);
  const { name, when: newWhen, target: newTarget, ...fields } = request.body as ScheduleChange;
  const given = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<PolicyFields>; // the schema's own
  const nowMs = hub.stampMs();
  const when = newWhen === undefined ? row.when : whenOf(hands, newWhen, nowMs);
  const policy = policyOf({ ...fieldsOf(row.policy), ...given });
  const isRetimed = newWhen !== undefined || given.endsAt !== undefined;
  const fromMs = Math.max(nowMs, row.lastMs ?? 0);
  const nextMs = isRetimed ? nextWithin({ when, policy }, fromMs, hands.calendar) : undefined;
  if (isRetimed && nextMs === undefined) throw neverRuns();
  const target = newTarget === undefined ? undefined : targetOf(parts, request, newTarget);
  const { ifRevision } = request;
  await act(
    hub,
    {
      type: "scheduleChanged",
      schedule: row.id,
      ...(ifRevision === undefined ? {} : { ifRevision }),
      ...(name === undefined ? {} : { name }),
      ...(newWhen === undefined ? {} : { when }),
      ...(target === undefined ? {} : { target }),
      ...(Object.keys(given).length === 0 ? {} : { policy }),
      ...(nextMs === undefined || row.state === "paused" ? {} : { nextMs }),
    },
    byOf(request),
    signal,
  );
  return viewById(parts, hands, row.id);
}

async function deleted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { id } = own(parts, request);
  await act(parts.hub, { type: "scheduleDeleted", schedule: id }, byOf(request), signal);
  return { ok: true };
}

async function paused(
  parts: DeskParts,
  hands: ScheduleHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ScheduleView> {
  const { id } = own(parts, request);
  await act(parts.hub, { type: "schedulePaused", schedule: id }, byOf(request), signal);
  return viewById(parts, hands, id);
}

async function resumed(
  parts: DeskParts,
  hands: ScheduleHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ScheduleView> {
  const { hub } = parts;
  const row = own(parts, request);
  const nextMs = nextWithin(row, Math.max(hub.stampMs(), row.lastMs ?? 0), hands.calendar);
  const command = {
    type: "scheduleResumed" as const,
    schedule: row.id,
    ...(nextMs === undefined ? {} : { nextMs }),
  };
  await act(hub, command, byOf(request), signal);
  return viewById(parts, hands, row.id);
}

async function run(
  parts: DeskParts,
  { runNow }: ScheduleHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { firing, outcome, started, cancelled } = await runNow(
    own(parts, request),
    byOf(request),
    signal,
  );
  return {
    firing,
    outcome,
    ...(started === undefined ? {} : { started: startedView(parts.hub.rows, started) }),
    ...(cancelled === undefined ? {} : { cancelled }),
  };
}
