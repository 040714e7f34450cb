// Canned schedules and webhooks of the mock hub.

import type { FiringView, ScheduleView } from "@gantry/shared/contract/schemas/schedules.ts";
import type { WebhookView } from "@gantry/shared/contract/schemas/webhooks.ts";

const NEXT = "2030-03-09T12:00:00.000Z";

const schedule = (id: string, facts: Partial<ScheduleView>): ScheduleView => ({
  id,
  name: "Morning round",
  by: "Ada",
  state: "active",
  when: { kind: "cron", pattern: "0 4 * * *", zone: "America/Los_Angeles" },
  target: { type: "question", text: "status" },
  catchUp: "once",
  catchUpMax: 10,
  overlap: "skip",
  jitterS: 0,
  lateS: 60,
  revision: 9,
  createdAt: "2026-01-02T10:00:00.000Z",
  nextAt: NEXT,
  nextLocal: "2030-03-09T04:00:00-08:00",
  runsToday: 0,
  costTodayUsd: 0,
  counts: { started: 12, skipped: 0, refused: 1, missed: 2 },
  ...facts,
});

export const SCHEDULES: readonly ScheduleView[] = [
  schedule("sch_morning", {}),
  schedule("sch_sweep", {
    name: "Sweep",
    state: "paused",
    when: { kind: "every", everyS: 3_600, from: NEXT },
    target: { type: "run", workflow: "sweep", inputs: {} },
  }),
];

/** Over the night in which clocks go forward. */
export const NEXT_TIMES = [
  { at: NEXT, local: "2030-03-09T04:00:00-08:00", startsAt: NEXT },
  {
    at: "2030-03-10T11:00:00.000Z",
    local: "2030-03-10T04:00:00-07:00",
    startsAt: "2030-03-10T11:00:00.000Z",
  },
];

export const FIRINGS: readonly FiringView[] = [
  {
    id: "sch_morning/2",
    plannedAt: "2026-03-02T12:00:00.000Z",
    firedAt: "2026-03-02T14:30:00.000Z",
    lateMs: 9_000_000,
    why: "catch-up",
    by: "hub",
    outcome: "started",
    started: { type: "question", id: "msg_2", state: "done", tookMs: 900 },
  },
  {
    id: "sch_morning/1",
    plannedAt: "2026-03-01T12:00:00.000Z",
    firedAt: "2026-03-01T12:00:00.010Z",
    lateMs: 10,
    why: "due",
    by: "hub",
    outcome: "refused",
    error: { code: "budget_spent", message: "It has spent its budget of the day" },
  },
];

export const WEBHOOKS: readonly WebhookView[] = [
  {
    id: "whk_store",
    url: "https://example.org/hook",
    types: ["print.*", "run.*"],
    by: "Ada",
    createdAt: "2026-01-02T10:00:00.000Z",
    cursor: 90,
    delivery_count: 41,
    failure_count: 2,
    dead: 2,
    lastDeliveredAt: "2026-03-02T14:30:00.000Z",
    lastError: { code: "unreachable", message: "The receiver answered 500" },
  },
];
