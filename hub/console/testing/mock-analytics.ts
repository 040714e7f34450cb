// Canned sums of runs of the mock hub.

const TOTALS = {
  runs: 120,
  done: 111,
  failed: 6,
  cancelled: 3,
  success_rate: 0.948,
  avg_execution_ms: 4_200,
  p50_execution_ms: 3_100,
  p95_execution_ms: 11_900,
  failures: [
    { code: "timeout", count: 4 },
    { code: "unreachable", count: 2 },
  ],
  cost_usd: 1.25,
};
const days = { from: "2026-11-15", to: "2026-11-21" };

export function readAnalytics(path: string): unknown {
  if (path === "/api/analytics/summary")
    return { ...days, total_workflows: 4_711, active: 3, ...TOTALS, total_cost_usd: 5.5 };
  if (path !== "/api/analytics/workflows") return undefined;
  const quote = { ...TOTALS, workflow: "quote", runs: 20, done: 20, failed: 0, failures: [] };
  return {
    ...days,
    active: 3,
    completed: 111,
    recent_24h: 17,
    recent_task_ids: ["run_orders"],
    workflows: [{ workflow: "orders", ...TOTALS, runs: 100 }, quote],
  };
}
