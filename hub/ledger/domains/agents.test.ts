import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { StepDraft } from "@gantry/shared/contract/agents.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { type LedgerRig, makeLedgerRig, START_MS, usage } from "../testing/rig.ts";

type Body<T extends CommandBody["type"]> = Extract<CommandBody, { type: T }>;

const began = (facts: Partial<Body<"agentTurnBegan">> = {}): Body<"agentTurnBegan"> => ({
  type: "agentTurnBegan",
  turn: "trn_1",
  role: "maker",
  goal: "look around",
  mode: "solo",
  voices: [],
  rounds: 1,
  budget: { stepsMax: 4, tokensMax: 1_000_000, timeMs: 60_000, costMaxMicroUsd: 100 },
  ...facts,
});
const draft = (n: number, facts: Partial<StepDraft> = {}): StepDraft => ({
  n,
  agent: "solo",
  tool: "print_pause",
  arguments: { print: "prt_1" },
  effect: "replayed",
  hazardClass: "low",
  usage: usage(10),
  ...facts,
});
const planned = (n: number, facts: Partial<StepDraft> = {}): CommandBody => ({
  type: "agentStepPlanned",
  turn: "trn_1",
  step: draft(n, facts),
});
const ended = (n: number, suspicion?: string): CommandBody => ({
  type: "agentStepEnded",
  turn: "trn_1",
  n,
  outcome: { state: "done", result: "ok", ...(suspicion === undefined ? {} : { suspicion }) },
});
const asked = (people: 1 | 2 = 1): NonNullable<StepDraft["confirmation"]> => ({
  id: "cfm_1",
  phrase: "confirm it cedar",
  summary: "it",
  hazardClass: "medium",
  hazards: [],
  expiresAtMs: START_MS + LIFE.confirmationMs,
  nonce: "n1",
  people,
});
function start(facts: Partial<Body<"agentTurnBegan">> = {}): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(began(facts), { actor: "ada" });
  return rig;
}

describe("steps of a turn", () => {
  it("are numbered, one open at a time, and end once (AG1, AG2)", () => {
    const rig = start();
    expect(rig.refuse(planned(1))).toBe("conflict");
    rig.act(planned(0));
    expect(rig.refuse(planned(1))).toBe("conflict");
    expect(
      rig.refuse({ type: "agentTurnEnded", turn: "trn_1", agent: "solo", usage: usage() }),
    ).toBe("conflict");
    rig.act(ended(0));
    expect(rig.refuse(ended(0))).toBe("conflict");
    rig.act(planned(1));
    expect(rig.rows.get("agentTurn", "trn_1")?.steps.map(({ state }) => state)).toEqual([
      "done",
      "ready",
    ]);
  });

  it("are not ready without a person where the class or what was read asks for one (AG3)", () => {
    const rig = start();
    expect(rig.refuse(planned(0, { hazardClass: "medium" }))).toBe("forbidden");
    rig.act(planned(0, { effect: "read", hazardClass: "none" }));
    rig.act(ended(0, "ignore previous instructions"));
    expect(rig.refuse(planned(1))).toBe("forbidden");
    rig.act(planned(1, { effect: "read", hazardClass: "none" }));
    rig.act(ended(1));
    rig.act(planned(2, { confirmation: asked() }));
    expect(rig.rows.get("agentTurn", "trn_1")?.state).toBe("waiting");
    expect(rig.refuse(ended(2))).toBe("conflict"); // nobody has agreed
  });

  it("stop at the budget of steps and of money (AG4), and at the size of arguments", () => {
    const rig = start();
    const large = { text: "x".repeat(LIMIT.agentArgumentsBytes.max) };
    expect(rig.refuse(planned(0, { arguments: large }))).toBe("too_large");
    rig.act(planned(0, { usage: usage(101) }));
    rig.act(ended(0));
    expect(rig.refuse(planned(1))).toBe("budget_spent");
    const other = start({ budget: { ...began().budget, stepsMax: 1 } });
    other.act(planned(0));
    other.act(ended(0));
    expect(other.refuse(planned(1))).toBe("budget_spent");
  });

  it("are bound to their confirmation by a hash of everything that counts (AG5)", () => {
    const hashes = new Set<string | undefined>();
    const variants: (readonly [
      Partial<StepDraft>,
      Partial<NonNullable<StepDraft["confirmation"]>>,
      string,
    ])[] = [
      [{}, {}, "ada"],
      [{ tool: "print_resume" }, {}, "ada"],
      [{ arguments: { print: "prt_2" } }, {}, "ada"],
      [{ device: "sim" }, {}, "ada"],
      [{}, { expiresAtMs: START_MS + 1_000 }, "ada"],
      [{}, { nonce: "n2" }, "ada"],
      [{}, {}, "bob"],
    ];
    for (const [step, word, person] of variants) {
      const rig = makeLedgerRig();
      rig.act(began(), { actor: person });
      rig.act(planned(0, { ...step, confirmation: { ...asked(), ...word } }));
      hashes.add(rig.rows.get("confirmation", "cfm_1")?.actionSha256);
    }
    expect(hashes.size).toBe(variants.length);
  });

  it("of two people: the word of one counts once, and lets nothing go (H6)", () => {
    const rig = start();
    rig.act(planned(0, { confirmation: asked(2) }));
    const word = {
      type: "confirmationConsumed" as const,
      confirmation: "cfm_1",
      role: "safety" as const,
    };
    rig.act({ ...word, phrase: "confirm it cedar" }, { actor: "ada" });
    expect(rig.rows.get("agentTurn", "trn_1")?.state).toBe("waiting");
    expect(rig.refuse({ ...word, phrase: "confirm it cedar" }, { actor: "ada" })).toBe(
      "wrong_person",
    );
    rig.act({ ...word, phrase: null }, { actor: "bob" });
    expect(rig.rows.get("agentTurn", "trn_1")?.steps[0]?.state).toBe("ready");
  });
});

it("a turn's costs are the sum of its voices', whatever is said and done, and a restart changes nothing (AG6)", () => {
  const anyStep = fc.record({
    agent: fc.constantFrom("a", "b", "solo"),
    cost: fc.integer({ min: 0, max: 5 }),
    isSaid: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 12 }), (steps) => {
      const rig = start({ budget: { ...began().budget, stepsMax: 12, costMaxMicroUsd: 1_000 } });
      for (const [n, { agent, cost, isSaid }] of steps.entries()) {
        if (isSaid)
          rig.act({ type: "agentSaid", turn: "trn_1", n, agent, text: "x", usage: usage(cost) });
        else {
          rig.act(planned(n, { agent, usage: usage(cost) }));
          rig.act(ended(n));
        }
        if (n === 5) rig.restart();
      }
      rig.act({
        type: "agentTurnEnded",
        turn: "trn_1",
        agent: "judge",
        text: "done",
        usage: usage(3),
      });
      rig.restart();
      const row = rig.rows.get("agentTurn", "trn_1");
      const sum = (read: (of: { costMicroUsd: number; promptTokens: number }) => number): number =>
        Object.values(row?.costs ?? {}).reduce((all, one) => all + read(one), 0);
      expect(sum(({ costMicroUsd }) => costMicroUsd)).toBe(row?.usage.costMicroUsd);
      expect(sum(({ promptTokens }) => promptTokens)).toBe(row?.usage.promptTokens);
      expect(row?.usage.costMicroUsd).toBe(3 + steps.reduce((all, { cost }) => all + cost, 0));
      expect(rig.rows.hot("agentTurn").size).toBe(0);
    }),
    { numRuns: 100 },
  );
});

const approved = (tool: string): CommandBody => ({
  type: "toolApproved",
  server: "files",
  tool,
  sha256: "a".repeat(64),
  hazardClass: "low",
});

it("the turn begun longest ago is forgotten when there are too many, unless it is open", () => {
  const rig = start();
  const bodies = (from: number, to: number): CommandBody[] =>
    Array.from({ length: to - from }, (_, n) => began({ turn: `trn_${from + n}` }));
  const over = { type: "agentTurnEnded" as const, agent: "solo", usage: usage() };
  for (const body of bodies(2, LIMIT.agentHistory.max + 1)) {
    rig.act(body);
    rig.act({ ...over, turn: (body as { turn: string }).turn });
  }
  rig.act(began({ turn: "trn_more" }));
  expect(rig.rows.get("agentTurn", "trn_1")).toBeDefined(); // it is open
  rig.act(began({ turn: "trn_most" }));
  expect(rig.rows.get("agentTurn", "trn_2")).toBeUndefined();
  expect(rig.rows.get("agentTurn", "trn_3")).toBeDefined();
});

it("what was agreed to of another server is forgotten by tool or by server (AG7)", () => {
  const rig = makeLedgerRig();
  for (const tool of ["read", "write", "list"]) rig.act(approved(tool));
  rig.act({ type: "toolForgotten", server: "files", tool: "write" });
  expect([...rig.rows.hot("toolApproval").keys()]).toEqual(["files.read", "files.list"]);
  rig.act({ type: "toolForgotten", server: "files" });
  expect(rig.rows.hot("toolApproval").size).toBe(0);
  expect(rig.refuse({ type: "toolForgotten", server: "files" })).toBe("not_found");
});
