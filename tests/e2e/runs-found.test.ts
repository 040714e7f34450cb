// Ended runs through the whole appliance: found by what they are, counted, and restored by nobody in vain.

import { describe, expect, it } from "vitest";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { SCHEMAS } from "@gantry/shared/contract/schemas/table.ts";
import { type Appliance, startAppliance, until } from "../support/appliance.ts";

type Json = any; // eslint-disable-line typescript/no-explicit-any

const value = (given: unknown): object => ({
  type: "function",
  function: "value",
  with: { value: given },
});
const bad = value("${inputs.none.deeper}"); // there is no such input

/** The reply, which is what its schema says and nothing more. */
async function get(a: Appliance, route: RouteName, path: string): Promise<Json> {
  const { status, body } = await a.api("GET", path);
  expect([status, body.code, body.detail]).toEqual([200, undefined, undefined]);
  expect(SCHEMAS[route].reply.parse(body)).toEqual(body);
  return body;
}

describe("ended runs of a hub", () => {
  it("[M53] [M63] [M64] [M65] are found by state, workflow, person, time and words, and add up", async () => {
    await using a = await startAppliance({ parts: ["hub"] });
    const keep = (name: string, nodes: object): Promise<unknown> =>
      a.api("POST", "/api/workflows", { name, graph: { nodes, edges: [] } });
    await keep("good", { a: value("${inputs.title}") });
    await keep("other", { a: value(1) });
    const ids: string[] = [];
    const start = async (body: object): Promise<void> => {
      const reply = await a.api("POST", "/api/runs", body);
      ids.push(reply.body.run?.id ?? JSON.stringify(reply.body));
    };
    for (const title of ["left bracket", "right bracket", "lamp"])
      await start({ workflow: "good", inputs: { title } });
    await start({ workflow: "other" });
    await start({ graph: { nodes: { a: bad }, edges: [] } });
    expect(ids.filter((id) => !id.startsWith("run_"))).toEqual([]);
    await until("all to be over", async () => {
      const { runs } = await get(a, "runs", "/api/runs");
      return runs.length === 5 && runs.every((run: Json) => run.endedAt !== undefined);
    });
    const found = async (query: string): Promise<string[]> => {
      const { runs } = await get(a, "runs", `/api/runs?${query}`);
      return runs.map(({ id }: Json) => ids.indexOf(id));
    };
    expect(await found("")).toEqual([4, 3, 2, 1, 0]);
    expect(await found("state=done&workflow=good")).toEqual([2, 1, 0]);
    expect(await found("text=bracket")).toEqual([1, 0]);
    expect(await found("text=Left%20bracket")).toEqual([0]);
    expect(await found("state=failed")).toEqual([4]);
    expect(await found("from=2100-01-01T00:00:00Z")).toEqual([]);
    expect(await found("to=2100-01-01T00:00:00Z&workflow=other")).toEqual([3]);
    const first = await get(a, "runs", "/api/runs?limit=2");
    expect(await found(`limit=2&after=${first.next}`)).toEqual([2, 1]);

    const run = await get(a, "run", `/api/runs/${ids[0]}`);
    expect(run).toMatchObject({ state: "done", result: expect.anything(), tier: "hot" });
    expect(await found(`by=${run.by}&state=done`)).toEqual([3, 2, 1, 0]);
    const restored = await a.api("POST", `/api/runs/${ids[0]}/restore`);
    expect([restored.status, restored.body.run]).toEqual([200, { id: ids[0], state: "done" }]);
    expect((await a.api("POST", "/api/runs/run_none/restore")).status).toBe(404);

    const summary = await get(a, "analyticsSummary", "/api/analytics/summary");
    expect(summary).toMatchObject({ total_workflows: 5, active: 0, done: 4, failed: 1 });
    expect(summary.failures).toHaveLength(1);
    const workflows = await get(a, "analyticsWorkflows", "/api/analytics/workflows");
    expect(workflows.recent_task_ids).toEqual(ids.toReversed());
    expect(workflows).toMatchObject({ completed: 4, recent_24h: 5 });
    const costs = await get(a, "costs", "/api/analytics/costs");
    expect(costs).toMatchObject({ workflow_count: 5, total_cost_usd: 0 });
    expect((await a.api("GET", "/api/analytics/summary?from=yesterday")).status).toBe(400);
    expect((await a.api("GET", "/api/runs?text=%20")).status).toBe(400);
  }, 60_000);
});
