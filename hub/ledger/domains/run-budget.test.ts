import { describe, expect, it } from "vitest";
import { narrowest } from "./run-budget.ts";
import { makeLedgerRig, START_MS, type LedgerRig } from "../testing/rig.ts";
import { advanced, graph, http, kept, runOf, started } from "../testing/flows.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";

const done = (
  place: string,
  facts: { micro?: number; tokens?: number; run?: string } = {},
): RunFact => [
  facts.run ?? "run_1",
  "done",
  place,
  1,
  { ok: true },
  { promptTokens: facts.tokens ?? 0, completionTokens: 0, costMicroUsd: facts.micro ?? 0 },
];

const agent = (facts: object = {}): object => ({ type: "agent", prompt: "think", ...facts });
const CHAIN = graph({ a: agent({ undo: "back" }), b: agent(), c: agent(), back: http() }, [
  "a>b",
  "b>c",
]);

function begin(budget: object, flow = CHAIN): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(flow));
  rig.act(started({ budget }));
  return rig;
}

const alerts = (rig: LedgerRig): unknown[] =>
  rig.events.filter(({ type }) => type === "budget.alert").map(({ data }) => data);

describe("a run with a budget", () => {
  it("[K55] stops in the middle when its money is spent: nothing more begins, what was done is undone, and 80 % was told before", () => {
    const rig = begin({ costUsd: 1 });
    rig.act(advanced(done("a", { micro: 800_000 })));
    expect(alerts(rig)).toMatchObject([{ run: "run_1", what: "costUsd", max: 1 }]);
    expect(runOf(rig).state.state).toBe("running");
    rig.act(advanced(done("b", { micro: 200_001 })));
    const { state } = runOf(rig);
    expect([state.state, state.ending]).toEqual(["undoing", "failed"]);
    expect(state.fault).toEqual({ code: "budget_exceeded", message: "costUsd: 1.000001 of 1" });
    expect(rig.events.filter(({ type }) => type === "budget.alert")).toHaveLength(1);
    rig.act(advanced(done("back", { micro: 5_000_000 })));
    expect(runOf(rig).state.state).toBe("failed");
    expect(runOf(rig).state.fault?.code).toBe("budget_exceeded");
  });

  it("[K55] may take exactly what it was given of tokens and tasks, and not one more", () => {
    const tokens = begin({ tokens: 100 });
    tokens.act(advanced(done("a", { tokens: 60 }), done("b", { tokens: 40 })));
    expect(runOf(tokens).state.state).toBe("running");
    tokens.act(advanced(done("c", { tokens: 1 })));
    expect(runOf(tokens).state.state).toBe("done"); // what had ended is not taken back

    const tasks = begin({ tasks: 2 });
    tasks.act(advanced(done("a")));
    expect(runOf(tasks).spent?.tasks).toBe(2);
    tasks.act(advanced(done("b")));
    expect(runOf(tasks).state.fault).toMatchObject({
      code: "budget_exceeded",
      message: "tasks: 3 of 2",
    });
    expect(runOf(tasks).state.root.state.filter((code) => code === 1)).toHaveLength(1); // the undo node alone
  });

  it("[K55] ends when its time is over, and not before", () => {
    const rig = begin({ timeMs: 60_000 });
    const due: RunFact = ["run_1", "due", "", START_MS + 60_000];
    rig.at(59_999);
    rig.act(advanced(due));
    expect(runOf(rig).state.state).toBe("running");
    rig.at(60_000);
    rig.act(advanced(due));
    expect(runOf(rig).state.fault).toMatchObject({
      code: "budget_exceeded",
      message: "timeMs: 60000 of 60000",
    });
  });

  it("counts what runs below it take, and stops them with itself", () => {
    const rig = makeLedgerRig();
    const below = graph({ think: agent(), more: agent() }, ["think>more"]);
    rig.act(kept(below, { name: "below" }));
    rig.act(
      kept(
        graph({ sub: { type: "subworkflow", workflow: "below" } }, [], { budget: { tokens: 10 } }),
      ),
    );
    rig.act(started());
    const child = Object.values(runOf(rig).children)[0] ?? "";
    expect(runOf(rig, child).budget).toBeUndefined();
    rig.act(advanced(done("think", { run: child, tokens: 11 })));
    expect(runOf(rig).state.fault).toMatchObject({
      code: "budget_exceeded",
      message: "tokens: 11 of 10",
    });
    expect(runOf(rig, child).state.state).toBe("cancelled");
    expect(rig.rows.hot("run").size).toBe(0);
  });

  it("is bounded by the start as well as by the workflow, and by no patch", () => {
    expect(narrowest({ costUsd: 2, tokens: 5 }, { costUsd: 1 }, undefined)).toEqual({
      costUsd: 1,
      tokens: 5,
    });
    const rig = makeLedgerRig();
    rig.act(kept({ ...CHAIN, budget: { tokens: 50 } }));
    rig.act(started({ budget: { tokens: 500, tasks: 9 } }));
    expect(runOf(rig).budget).toEqual({ tokens: 50, tasks: 9 });
    const patched = rig.refuse({
      type: "runPatched",
      run: "run_1",
      by: { kind: "person", role: "admin" },
      operations: [{ op: "replace", path: "/budget/tokens", value: 1_000 }],
      reason: "more",
      rules: { hosts: ["*"], agentHosts: [], agentCapabilities: [], hazardous: [] },
    });
    expect(patched).toBe("bad_patch"); // RB4
    expect(runOf(rig).budget?.tokens).toBe(50);
  });

  it("replays give the same rows, at any restart", () => {
    const rig = begin({ costUsd: 1 });
    rig.act(advanced(done("a", { micro: 900_000 })));
    rig.restart();
    rig.act(advanced(done("b", { micro: 900_000 })));
    expect(runOf(rig).state.fault?.code).toBe("budget_exceeded");
    expect(alerts(rig)).toHaveLength(1);
  });
});

const budget = (id: string, usd: number): Parameters<LedgerRig["act"]>[0] => ({
  type: "budgetSet",
  budget: id,
  perDayMicroUsd: usd * 1_000_000,
});
function spend(
  rig: LedgerRig,
  workload: "scheduled" | "exploration",
  usd: number,
): string | undefined {
  const call = {
    person: "ada",
    workload,
    provider: "p",
    model: "m",
    worstMicroUsd: usd * 1_000_000,
    term: 1,
  };
  const id = `rsv_${rig.entries.length}`;
  const reply = rig.apply({
    type: "spendReserved",
    reservation: id,
    ...call,
    atMs: START_MS + 60_000,
    actor: "hub",
    requestId: "r",
  })[0];
  if (reply?.ok !== true) return reply?.error.code;
  rig.act({
    type: "spendSettled",
    reservation: id,
    how: "reported",
    costMicroUsd: usd * 1_000_000,
  });
  return undefined;
}

describe("a run that a schedule has started", () => {
  const DAY_MS = 86_400_000;
  const FIRST = START_MS + 60_000;

  function scheduled(policy: object): LedgerRig {
    const rig = makeLedgerRig();
    rig.act(kept(CHAIN));
    rig.act({
      type: "tokenMade",
      token: "tok_ada",
      person: "ada",
      role: "maker",
      secretSha256: "of ada",
    });
    const own = {
      catchUp: "skip",
      catchUpMax: 10,
      overlap: "allow",
      jitterMs: 0,
      lateMs: 60_000,
    } as const;
    rig.act({
      type: "scheduleMade",
      schedule: "sch_1",
      name: "explore",
      role: "maker",
      when: { kind: "every", everyMs: DAY_MS, anchorMs: FIRST },
      target: { type: "run", workflow: "flow", inputs: {} },
      policy: { ...own, ...policy },
      nextMs: FIRST,
    });
    rig.at(60_000);
    return rig;
  }
  const byHand = (run: string): Parameters<LedgerRig["act"]>[0] => ({
    type: "scheduleFired",
    schedule: "sch_1",
    plannedMs: FIRST,
    why: "person",
    start: { type: "run", run },
  });
  it("[K55] of exploration stops when exploration's budget is spent, starts no other, and has not touched that of scheduled work", () => {
    const rig = scheduled({ workload: "exploration" });
    rig.act(budget("appliance", 100));
    rig.act(budget("workload:exploration", 2));
    rig.act(budget("workload:scheduled", 5));
    rig.act(byHand("run_1"));
    expect(runOf(rig).workload).toBe("exploration");
    expect(spend(rig, "exploration", 2)).toBeUndefined();
    rig.act(advanced(done("a", { micro: 2_000_000 })));
    expect(runOf(rig).state).toMatchObject({
      state: "undoing",
      fault: { code: "budget_exceeded", message: "the budget workload:exploration is spent" },
    });
    expect(spend(rig, "exploration", 1)).toBe("budget_spent");
    expect(rig.refuse(byHand("run_2"))).toBe("budget_spent"); // before the start
    expect(spend(rig, "scheduled", 5)).toBeUndefined();
    rig.act(advanced(done("back")));
    expect(runOf(rig).state.state).toBe("failed");
  });

  it("[K55] may take what is left of its schedule's day, and no more; what runs took counts for the next start", () => {
    const rig = scheduled({ costPerDayMaxMicroUsd: 3_000_000 });
    rig.act(byHand("run_1"));
    rig.act(advanced(done("a", { micro: 1_000_000 })));
    rig.act(byHand("run_2"));
    expect(runOf(rig, "run_2").budget).toEqual({ costUsd: 2 });
    rig.act(advanced(done("a", { run: "run_2", micro: 2_500_000 })));
    expect(runOf(rig, "run_2").state.fault?.code).toBe("budget_exceeded");
    expect(rig.refuse(byHand("run_3"))).toBe("budget_spent");
  });
});
