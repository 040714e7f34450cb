// Canned goals of the mock hub.

import type { GoalView } from "@gantry/shared/contract/schemas/goals.ts";

const AT = "2026-11-23T13:00:00.000Z";
const goal = (id: string, title: string, members: Partial<GoalView>): GoalView => ({
  id,
  title,
  description: "",
  state: "identified",
  impact: 60,
  by: "hub",
  createdAt: AT,
  changedAt: AT,
  ...members,
});

const GOALS: readonly GoalView[] = [
  goal("gol_found", "quote should not fail with timeout", {
    description: "6 of 10 runs in 30 days failed with timeout.",
    dueAt: "2026-12-07T13:00:00.000Z",
  }),
  goal("gol_active", "No spool runs out unseen", {
    state: "active",
    by: "mara",
    decidedBy: "jon",
    project: { at: AT, run: "run_orders", tasks: [{ title: "weigh spools", isDone: false }] },
  }),
  goal("gol_done", "orders should not fail with unreachable", {
    state: "done",
    outcome: { measuredAt: AT, before: 60, since: 5, runsSince: 20, isBetter: true },
  }),
];

export function readGoals(method: string, path: string): unknown {
  if (path === "/api/goals") return { goals: GOALS };
  return method === "POST" && path.startsWith("/api/goals/")
    ? { goal: "gol", state: "done" }
    : undefined;
}
