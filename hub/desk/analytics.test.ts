import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { bucketOf, boundsOf } from "../ledger/histogram.ts";
import type { RunRow } from "../ledger/run-row.ts";
import { graph, http, kept, started } from "../ledger/testing/flows.ts";
import { command, type LedgerRig, makeLedgerRig, START_MS } from "../ledger/testing/rig.ts";
import { analyticsSummary, analyticsWorkflows, costs } from "./analytics.ts";
import type { DeskParts } from "./context.ts";

const DAY_MS = 86_400_000;
const call = graph({ call: http() });
const above = graph({ sub: { type: "subworkflow", workflow: "alpha" } });

const step = fc.record({
  what: fc.constantFrom("start", "start", "done", "done", "failed", "cancel", "retry", "replay"),
  pick: fc.nat(40),
  workflow: fc.constantFrom("alpha", "beta", "above"),
  by: fc.constantFrom("ada", "bob"),
  code: fc.constantFrom("timeout", "busy", "command_failed"),
  costMicroUsd: fc.nat(5_000_000),
  waitMs: fc.oneof(fc.nat(2_000), fc.nat(DAY_MS)),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Told {
  readonly rig: LedgerRig;
  readonly ids: readonly string[];
  readonly nowMs: number;
}

function tell(steps: readonly Step[]): Told {
  const rig = makeLedgerRig();
  for (const name of ["alpha", "beta"]) rig.act(kept(call, { name }));
  rig.act(kept(above, { name: "above" }));
  const ids: string[] = [];
  let nowMs = START_MS;
  for (const [n, one] of steps.entries()) {
    nowMs += one.waitMs;
    const id = ids[one.pick % Math.max(1, ids.length)] ?? "run_none";
    const live = [...rig.rows.hot("run").values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const calling = live.filter(({ state }) => hasCall(rig, state.graph));
    const of = calling[one.pick % Math.max(1, calling.length)]?.id ?? "run_none";
    const attempt = (rig.rows.get("run", of)?.state.retries ?? 0) + 1;
    const usage = { promptTokens: 3, completionTokens: 5, costMicroUsd: one.costMicroUsd };
    const facts: readonly RunFact[] =
      one.what === "done"
        ? [[of, "done", "call", attempt, 1, usage]]
        : [[of, "failed", "call", attempt, { code: one.code, message: "no" }, null]];
    const body =
      one.what === "start"
        ? started({ run: `run_${n}`, workflow: one.workflow })
        : one.what === "replay"
          ? started({
              run: `run_${n}`,
              workflow: one.workflow,
              replayOf: { run: id, mode: "freeze" },
            })
          : one.what === "cancel"
            ? ({ type: "runCancelled", run: id, reason: "" } as const)
            : one.what === "retry"
              ? ({ type: "runRetried", run: id, node: "call" } as const)
              : ({ type: "runsAdvanced", facts } as const);
    const [reply] = rig.apply(command(body, { actor: one.by, atMs: nowMs }));
    const isStart = one.what === "start" || one.what === "replay";
    if (isStart && reply?.ok === true) ids.push(`run_${n}`);
  }
  return { rig, ids, nowMs };
}

const hasCall = (rig: LedgerRig, definition: string): boolean =>
  Object.hasOwn(rig.rows.get("definition", definition)?.graph.nodes ?? {}, "call");

/** Every run there ever was, below others too, off the rows of the runs themselves. */
function everyRun({ rig }: Told): readonly RunRow[] {
  rig.checkpoint();
  const found = new Map<string, RunRow>(rig.rows.hot("run"));
  const look = (id: string): void => {
    const row = rig.rows.get("run", id);
    if (row === undefined) return;
    found.set(id, row);
    const below = rig.rows.get("count", `runs/below/${id}`) ?? 0;
    for (let n = 0; n < below; n += 1) look(rig.rows.get("order", `runs/below/${id}/${n}`) ?? "");
  };
  const count = rig.rows.get("count", "runs") ?? 0;
  for (let n = 0; n < count; n += 1) look(rig.rows.get("order", `runs/${n}`) ?? "");
  return [...found.values()];
}

const parts = ({ rig, nowMs }: Told): DeskParts =>
  ({ hub: { rows: rig.rows, stampMs: () => nowMs } }) as unknown as DeskParts; // what it reads

const request = (query: object, role: Role = "operator", person = "ada") => ({
  actor: { person, role, token: "tok_1" },
  requestId: "req_1",
  params: {},
  query: { ...query },
  body: undefined,
});

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const costOf = (rows: readonly RunRow[]): number =>
  sum(rows.map(({ usage }) => usage?.costMicroUsd ?? 0)) / 1_000_000;

/** The obvious way. */
function recount(rows: readonly RunRow[], from: string, to: string) {
  const over = rows.filter(({ state, replayOf }) => {
    const day = state.endedMs === null ? "" : dayOf(state.endedMs);
    return replayOf === undefined && day >= from && day <= to;
  });
  const top = over.filter(({ parent }) => parent === undefined);
  const inState = (state: string): RunRow[] => top.filter((row) => row.state.state === state);
  const took = top
    .map(({ state, createdAtMs }) => (state.endedMs ?? 0) - createdAtMs)
    .toSorted((a, b) => a - b);
  const codes = Map.groupBy(inState("failed"), ({ state }) => state.fault?.code ?? "other");
  return { over, top, inState, took, codes };
}

/** How far off it is at most, as a part of what is exact. */
function offBy(found: number | undefined, took: readonly number[], percent: number): number {
  const exact = took[Math.ceil((percent / 100) * took.length) - 1];
  if (exact === undefined || found === undefined) return exact === found ? 0 : Infinity;
  return exact === found ? 0 : Math.abs(found - exact) / exact;
}

describe("analytics", () => {
  it("[M56] [M63] [M64] [M65] are what a recount of every run gives, for any days", () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 5, maxLength: 60, size: "max" }),
        fc.nat(30),
        fc.nat(30),
        (steps, first, length) => {
          const told = tell(steps);
          const rows = everyRun(told);
          const from = dayOf(START_MS + first * DAY_MS);
          const to = dayOf(START_MS + (first + length) * DAY_MS);
          const { over, top, inState, took, codes } = recount(rows, from, to);
          const summary = analyticsSummary(
            parts(told),
            request({ from, to }),
          ) as ReplyOf<"analyticsSummary">;
          expect(summary).toMatchObject({
            total_workflows: told.ids.length,
            active: [...told.rig.rows.hot("run").values()].filter((row) => row.parent === undefined)
              .length,
            runs: top.length,
            done: inState("done").length,
            failed: inState("failed").length,
            cancelled: inState("cancelled").length,
          });
          expect(summary.total_cost_usd).toBeCloseTo(costOf(over), 9);
          const average = sum(took) / Math.max(1, took.length);
          expect(summary.avg_execution_ms ?? 0).toBeCloseTo(average, 6);
          expect(offBy(summary.p50_execution_ms, took, 50)).toBeLessThanOrEqual(1 / 64);
          expect(offBy(summary.p95_execution_ms, took, 95)).toBeLessThanOrEqual(1 / 64);
          const failures = new Map(summary.failures.map((one) => [one.code, one.count]));
          expect(failures).toEqual(new Map([...codes].map(([code, of]) => [code, of.length])));

          const workflows = analyticsWorkflows(
            parts(told),
            request({ from, to }),
          ) as ReplyOf<"analyticsWorkflows">;
          expect(workflows.completed).toBe(inState("done").length);
          expect(workflows.recent_task_ids).toEqual(told.ids.slice(-10).toReversed());
          const starts = rows.filter((row) => row.parent === undefined);
          expect(workflows.recent_24h).toBe(
            starts.filter(({ createdAtMs }) => createdAtMs > told.nowMs - DAY_MS).length,
          );
          for (const one of workflows.workflows) {
            const of = top.filter(({ workflow }) => workflow === one.workflow);
            expect([one.workflow, one.runs]).toEqual([one.workflow, of.length]);
          }
          expect(sum(workflows.workflows.map((one) => one.runs))).toBe(top.length);

          const money = costs(parts(told), request({ from, to })) as ReplyOf<"costs">;
          expect(money.workflow_count).toBe(top.length);
          expect(money.total_cost_usd).toBeCloseTo(costOf(over), 9);
          expect(money.average_cost_usd).toBeCloseTo(costOf(over) / Math.max(1, top.length), 4);
          for (const { name, cost_usd } of money.by_person)
            expect(cost_usd).toBeCloseTo(costOf(over.filter(({ by }) => by === name)), 9);
          for (const { name, cost_usd } of money.by_workflow)
            expect(cost_usd).toBeCloseTo(costOf(over.filter((row) => row.workflow === name)), 9);
          for (const { name, cost_usd } of money.by_day)
            expect(cost_usd).toBeCloseTo(
              costOf(over.filter(({ state }) => dayOf(state.endedMs ?? 0) === name)),
              9,
            );
          expect(sum(money.by_day.map((one) => one.cost_usd))).toBeCloseTo(costOf(over), 9);
        },
      ),
      { numRuns: 120 },
    );
  });

  it("show a viewer his own money alone", () => {
    const told = tell([]);
    for (const by of ["ada", "bob"]) {
      told.rig.apply(command(started({ run: `run_${by}`, workflow: "alpha" }), { actor: by }));
      const usage = { promptTokens: 1, completionTokens: 1, costMicroUsd: 1_000_000 };
      const fact: RunFact = [`run_${by}`, "done", "call", 1, 1, usage];
      told.rig.apply(command({ type: "runsAdvanced", facts: [fact] }));
    }
    expect(costs(parts(told), request({}, "viewer"))).toMatchObject({
      total_cost_usd: 1,
      by_person: [{ name: "ada" }],
    });
    expect(costs(parts(told), request({}))).toMatchObject({ total_cost_usd: 2 });
    for (const [role, usd] of [
      ["viewer", 1],
      ["operator", 2],
    ] as const) {
      const mine = request({}, role);
      expect(analyticsSummary(parts(told), mine)).toMatchObject({
        runs: 2,
        cost_usd: usd,
        total_cost_usd: usd,
      });
      expect(analyticsWorkflows(parts(told), mine)).toMatchObject({
        workflows: [{ workflow: "alpha", runs: 2, cost_usd: usd }],
      });
    }
  });

  it("refuse a window that is none, and one that is too large", () => {
    const told = tell([]);
    const ask = (from: string, to: string) => () =>
      analyticsSummary(parts(told), request({ from, to }));
    expect(ask("2026-02-02", "2026-02-01")).toThrow(/after/);
    expect(ask("0001-01-01", "9999-12-31")).toThrow(/fewer days/);
  });

  it("buckets hold what is put in them, in order, within 1/64", () => {
    const whole = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        const { from, width } = boundsOf(bucketOf(a));
        expect(from <= a && a - from < width).toBe(true);
        expect(width === 1 || (width - 1) / 2 <= a / 64).toBe(true);
        expect(Math.sign(bucketOf(a) - bucketOf(b)) * Math.sign(a - b)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
