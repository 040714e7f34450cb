import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MoneyCommand, Settlement } from "@gantry/shared/contract/money.ts";
import {
  answer,
  ask,
  command,
  type LedgerRig,
  makeLedgerRig,
  routing,
  START_MS,
} from "../testing/rig.ts";
import { budgetRoom, dayOf, monthOf, useOf } from "./budgets.ts";

const DAY = dayOf(START_MS);
const USD = 1_000_000;

const budget = (rig: LedgerRig, id: string, perDayMicroUsd: number): unknown =>
  rig.act({ type: "budgetSet", budget: id, perDayMicroUsd });
const reserve = (
  reservation: string,
  worstMicroUsd: number,
  facts: Partial<Extract<MoneyCommand, { type: "spendReserved" }>> = {},
): MoneyCommand => ({
  type: "spendReserved",
  reservation,
  worstMicroUsd,
  person: "ada",
  workload: "interactive",
  provider: "sim",
  model: "m",
  term: 1,
  ...facts,
});
const settled = (reservation: string, how: Settlement, costMicroUsd?: number) => ({
  type: "spendSettled" as const,
  reservation,
  how,
  ...(costMicroUsd === undefined ? {} : { costMicroUsd }),
});
const used = (rig: LedgerRig, scope = "appliance") => useOf(rig.rows, scope, DAY);

describe("budgets", () => {
  it("spend nothing where the appliance has none (BU1)", () => {
    const rig = makeLedgerRig();
    expect(rig.refuse(reserve("r1", 1))).toBe("budget_spent");
    budget(rig, "person:ada", USD);
    expect(rig.refuse(reserve("r1", 1))).toBe("budget_spent");
    budget(rig, "appliance", USD);
    rig.act(reserve("r1", 1));
    expect(rig.rows.hot("reservation").size).toBe(1);
  });

  it("bound a person, a kind of work, a day and a month, whichever is the narrowest", () => {
    const rig = makeLedgerRig();
    budget(rig, "appliance", 100);
    budget(rig, "person:bob", 10);
    budget(rig, "workload:exploration", 5);
    expect(rig.refuse(reserve("r", 11, { person: "bob" }))).toBe("budget_spent");
    expect(rig.refuse(reserve("r", 6, { workload: "exploration" }))).toBe("budget_spent");
    rig.act(reserve("r", 6));
    rig.act({ type: "budgetSet", budget: "person:*", perDayMicroUsd: 5 });
    expect(rig.refuse(reserve("s", 6, { person: "cy" }))).toBe("budget_spent");
    rig.act(reserve("s", 6, { person: "bob" })); // one of his own goes before that of everybody
    rig.act({ type: "budgetSet", budget: "appliance", perMonthMicroUsd: 12 });
    expect(rig.refuse(reserve("t", 1, { person: "bob" }))).toBe("budget_spent");
  });

  it("exploration cannot spend what is kept for scheduled work", () => {
    const rig = makeLedgerRig();
    budget(rig, "appliance", 100);
    budget(rig, "workload:exploration", 40);
    rig.act(reserve("r1", 40, { workload: "exploration" }));
    expect(rig.refuse(reserve("r2", 1, { workload: "exploration" }))).toBe("budget_spent");
    rig.act(reserve("r2", 60, { workload: "scheduled" }));
  });

  it("say when there is room again: the next day has its own", () => {
    const rig = makeLedgerRig();
    budget(rig, "appliance", 10);
    rig.act(reserve("r1", 10));
    expect(rig.refuse(reserve("r2", 1))).toBe("budget_spent");
    rig.at(86_400_000);
    rig.act(reserve("r2", 1));
    rig.act(settled("r1", "reported", 4)); // counts for the day on which it was reserved
    expect(used(rig)).toMatchObject({ spentMicroUsd: 4, reservedMicroUsd: 0 });
  });

  it("tell of 80 % once for each period and bound (BU3)", () => {
    const rig = makeLedgerRig();
    const alerts = (): number => rig.events.filter(({ type }) => type === "budget.alert").length;
    budget(rig, "appliance", 100);
    rig.act(reserve("r1", 79));
    expect(alerts()).toBe(0);
    rig.act(reserve("r2", 1));
    rig.act(reserve("r3", 1));
    expect(alerts()).toBe(1);
    budget(rig, "appliance", 101);
    rig.act(settled("r1", "worst"));
    expect(alerts()).toBe(2);
  });

  it("are refused where they are none", () => {
    const rig = makeLedgerRig();
    expect(rig.refuse({ type: "budgetSet", budget: "moon", perDayMicroUsd: 1 })).toBe(
      "bad_request",
    );
    expect(rig.refuse({ type: "budgetSet", budget: "appliance" })).toBe("bad_request");
    expect(rig.refuse({ type: "budgetSet", budget: "appliance", perDayMicroUsd: -1 })).toBe(
      "bad_request",
    );
    expect(rig.refuse({ type: "budgetDropped", budget: "appliance" })).toBe("not_found");
  });
});

describe("reservations", () => {
  it("are settled once: as reported, at the worst, or not at all (SP1)", () => {
    const rig = makeLedgerRig();
    budget(rig, "appliance", 100);
    for (const id of ["a", "b", "c"]) rig.act(reserve(id, 10));
    rig.act(settled("a", "reported", 3));
    rig.act(settled("b", "worst"));
    rig.act(settled("c", "released"));
    expect(used(rig)).toMatchObject({
      spentMicroUsd: 13,
      uncertainMicroUsd: 10,
      reservedMicroUsd: 0,
      calls: 2,
    });
    for (const id of ["a", "b", "c"]) expect(rig.refuse(settled(id, "worst"))).toBe("conflict");
    expect(rig.refuse(settled("a", "reported"))).toBe("conflict");
  });

  it("are settled with the answer they paid for, in one entry", () => {
    const rig = makeLedgerRig();
    budget(rig, "appliance", 100);
    ask(rig);
    rig.act(reserve("a", 10, { question: "msg_1" }));
    const given = answer("msg_1", {
      routing: routing({ tier: "frontier" }),
      usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0, costMicroUsd: 7 },
    });
    const bought = { ...given, type: "answerBought" as const, reservation: "a" };
    rig.act(bought);
    expect(used(rig)).toMatchObject({ spentMicroUsd: 7, reservedMicroUsd: 0 });
    expect([...rig.rows.hot("spend").values()]).toMatchObject([{ costMicroUsd: 7 }]);
    expect(rig.refuse(bought)).toBe("conflict");
    ask(rig, { question: "msg_2" });
    expect(rig.refuse({ ...bought, question: "msg_2" })).toBe("conflict");
    expect(rig.rows.hot("question").size).toBe(1); // an answer without its price is none
  });

  it("never let money that was spent or reserved pass a budget, in any order, over restarts", () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("reserve" as const),
        worst: fc.integer({ min: 0, max: 40 }),
        person: fc.constantFrom("ada", "bob"),
        workload: fc.constantFrom("interactive" as const, "exploration" as const),
      }),
      fc.record({
        kind: fc.constant("settle" as const),
        pick: fc.nat(20),
        how: fc.constantFrom("reported" as const, "worst" as const, "released" as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({ kind: fc.constant("restart" as const) }),
    );
    const maxima = { appliance: 100, "person:bob": 50, "workload:exploration": 30 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const rig = makeLedgerRig();
        for (const [id, max] of Object.entries(maxima)) budget(rig, id, max);
        const fitted: (readonly [boolean, boolean])[] = [];
        let made = 0;
        let spent = 0;
        for (const each of steps) {
          const open = [...rig.rows.hot("reservation").values()];
          if (each.kind === "restart") rig.restart();
          else if (each.kind === "reserve") {
            const { worst, person, workload } = each;
            const { leftMicroUsd } = budgetRoom(rig.rows, { person, workload }, START_MS);
            made += 1;
            const body = reserve(`r${made}`, worst, { person, workload });
            const [reply] = rig.apply(command(body));
            fitted.push([worst <= leftMicroUsd, reply?.ok === true]);
          } else if (open.length > 0) {
            const row = open[each.pick % open.length];
            if (row === undefined) continue;
            const cost = Math.floor(row.worstMicroUsd * each.share);
            rig.act(settled(row.id, each.how, each.how === "reported" ? cost : undefined));
            spent += { reported: cost, worst: row.worstMicroUsd, released: 0 }[each.how];
          }
          for (const [scope, max] of Object.entries(maxima)) {
            const use = used(rig, scope);
            expect(use.spentMicroUsd + use.reservedMicroUsd).toBeLessThanOrEqual(max);
          }
          const reserved = [...rig.rows.hot("reservation").values()].reduce(
            (sum, row) => sum + row.worstMicroUsd,
            0,
          );
          expect(used(rig)).toMatchObject({ spentMicroUsd: spent, reservedMicroUsd: reserved });
          expect(useOf(rig.rows, "appliance", monthOf(DAY)).spentMicroUsd).toBe(spent);
        }
        expect(fitted.filter(([isFit, isTaken]) => isFit !== isTaken)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});
