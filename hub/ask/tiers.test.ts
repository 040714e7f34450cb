import { expect, test } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { TierStep } from "@gantry/shared/contract/route.ts";
import { type AnswerTier, type Outcome, passed, runTiers, taken, type Turn } from "./tiers.ts";

const NEVER = new AbortController().signal;

/** A turn of which only what has been said matters. */
function makeTurn(): Turn & { readonly said: string[] } {
  const said: string[] = [];
  return {
    plan: {} as Turn["plan"], // no tier here reads it
    asked: {} as Turn["asked"],
    enriched: () => Promise.reject(new Error("no tier here asks")),
    say: (text) => void said.push(text),
    note: () => {},
    takeNotes: () => [],
    get hasSaid() {
      return said.length > 0;
    },
    said,
  };
}

const tier = (step: TierStep, answer: (turn: Turn) => Outcome): AnswerTier => ({
  tier: step,
  answer: (turn) => Promise.resolve().then(() => answer(turn)),
});
const fails = (code: ConstructorParameters<typeof GantryError>[0]) => (): never => {
  throw new GantryError(code, `it is ${code}`);
};
const answers = (text: string) => () =>
  taken({ text, tier: "local", model: "m", reason: `it says ${text}` });

test("[K10] the first tier that answers is the only one, and each one before it leaves its reason", async () => {
  const { decision, steps } = await runTiers(
    [
      tier("rule", () => passed("no intent")),
      tier("loaded", fails("busy")),
      tier("otherAgent", answers("here")),
      tier("cloud", fails("internal")),
    ],
    makeTurn(),
    NEVER,
  );
  expect(decision.text).toBe("here");
  expect(steps).toEqual([
    { tier: "rule", outcome: "skipped", reason: "no intent" },
    { tier: "loaded", outcome: "failed", reason: "busy: it is busy" },
    { tier: "otherAgent", outcome: "taken", reason: "it says here" },
  ]);
});

test("T2: once text was said, a failure is the question's", async () => {
  const turn = makeTurn();
  const half = tier("loaded", ({ say }) => {
    say("half an ans");
    return fails("unreachable")();
  });
  await expect(runTiers([half, tier("cloud", answers("x"))], turn, NEVER)).rejects.toMatchObject({
    code: "unreachable",
  });
  expect(turn.said).toEqual(["half an ans"]);
});

test("T3: what no other tier could do better ends the question", async () => {
  const after = tier("cloud", answers("x"));
  for (const code of ["bad_request", "forbidden", "internal", "conflict"] as const)
    await expect(
      runTiers([tier("loaded", fails(code)), after], makeTurn(), NEVER),
    ).rejects.toMatchObject({ code });
  for (const code of ["busy", "no_model", "timeout", "breaker_open", "budget_spent"] as const)
    expect(
      (await runTiers([tier("loaded", fails(code)), after], makeTurn(), NEVER)).decision.text,
    ).toBe("x");
});

test("an order that could not be carried out is not handed to a model", async () => {
  const rule = { ...tier("rule", fails("device_offline")), isFinal: true as const };
  await expect(
    runTiers([rule, tier("cloud", answers("x"))], makeTurn(), NEVER),
  ).rejects.toMatchObject({ code: "device_offline" });
});

test("where nobody answers, the last failure is told; where nobody tried, why not", async () => {
  const broken = [tier("loaded", fails("timeout")), tier("cloud", () => passed("not configured"))];
  await expect(runTiers(broken, makeTurn(), NEVER)).rejects.toMatchObject({ code: "timeout" });
  await expect(
    runTiers([tier("cloud", () => passed("not configured"))], makeTurn(), NEVER),
  ).rejects.toMatchObject({ code: "no_model", message: expect.stringContaining("not configured") });
});
