import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { adversarialPairs, REGISTRY } from "../testing/adversaries.ts";
import { SAME_QUESTIONS } from "../labelled.ts";
import { UNSEEN } from "../testing/paraphrases.ts";
import { type Difference, differenceOf } from "./guard.ts";
import { readQuestion } from "./reading.ts";
import { namesFrom } from "./tokens.ts";

const NAMES = namesFrom(REGISTRY);
const between = (a: string, b: string): Difference | undefined =>
  differenceOf(readQuestion(a, NAMES), readQuestion(b, NAMES));

/** GUARD_PAIRS=100000 is the whole of it (some seconds). */
const PAIRS = Number(process.env["GUARD_PAIRS"] ?? 20_000);

describe("what may not share an answer", () => {
  it(`G1: no false hit in ${PAIRS} adversarial pairs, whatever an encoder would say of them`, () => {
    const hits = new Set<string>();
    const pairs = new Set<string>();
    const families = new Map<string, number>();
    for (const { family, a, b } of adversarialPairs(PAIRS, 20_251_121)) {
      pairs.add(`${a}|${b}`);
      families.set(family, (families.get(family) ?? 0) + 1);
      if (between(a, b) === undefined) hits.add(`${family}: ${a} | ${b}`);
    }
    expect([...hits].slice(0, 40)).toEqual([]);
    expect(families.size).toBe(16);
    expect(pairs.size).toBeGreaterThan(0.85 * PAIRS); // nearly all of them differ from each other
  }, 120_000);

  it.each([
    ["amount", "heat the bed to 200", "heat the bed to 250"],
    ["amount", "heat the bed to 200", "heat the bed to 200 C"],
    ["amount", "is 5 mm enough", "is 5 cm enough"],
    ["amount", "wait 1.5 hours", "wait 1 5 hours"],
    ["amount", "the first layer", "the second layer"],
    ["amount", "raise it by 10 C", "raise it by 50 F"],
    ["name", "is voron-1 a good printer", "is voron-2 a good printer"],
    ["quotation", 'what does "left" mean', 'what does "Left" mean'],
    ["negation", "why does the fan spin", "why does the fan not spin"],
    ["negation", "print with no raft", "print with raft"],
    ["word", "turn the lamp on", "turn the lamp off"],
    ["word", "what is x³ mm", "what is x3 mm"],
    ["word", "clean only the bed", "clean the bed"],
    ["word", "what is option a", "what is option b"],
    ["word", "heat it before the print", "heat it after the print"],
    ["order", "is PLA stronger than ABS", "is ABS stronger than PLA"],
    ["order", "home X and park Y", "park Y and home X"],
    ["order", "please cancel Y but do not cancel Z", "please cancel Z but do not cancel Y"],
    ["question", "when is the bed cleaned", "where is the bed cleaned"],
    ["manner", "did the print fail", "will the print fail"],
    ["manner", "may I open it", "must I open it"],
    ["manner", "who fired the laser", "who was fired the laser"],
    ["language", "was ist die Temperatur für PLA", "what is the temperature for PLA"],
  ] as const)("refuses for its %s: %s / %s", (kind, a, b) => {
    expect(between(a, b)).toBe(kind);
    expect(between(b, a)).toBe(kind);
  });
});

const recallOf = (pairs: readonly (readonly [string, string])[]): number =>
  pairs.filter(([a, b]) => between(a, b) === undefined).length / pairs.length;

describe("what may", () => {
  it("lets most paraphrases through: 65 % of those it was tried on, 63 % of those it had not seen", () => {
    expect(recallOf(SAME_QUESTIONS)).toBeCloseTo(0.65, 2);
    expect(recallOf(UNSEEN)).toBeCloseTo(0.63, 2);
  });

  it.each([
    ["Is 1 inch enough?", "is 25.4mm enough"],
    ["Wait 2 hours", "wait 120 minutes"],
    ["Heat to 200 C", "heat to 392 °F"],
    ["print 25 parts", "Print twenty-five parts"],
    ["Send 1,000 g", "send 1 kg"],
    ["What's the bed temperature?", "what is the temperature of the bed?"],
    ["How do I clean my nozzle?", "Can you tell me how to clean the nozzle, please?"],
    ["Turn the lamp on", "turn on the lamp"],
    ["move it from here to there", "move it to there from here"],
  ])("takes %s and %s for one", (a, b) => expect(between(a, b)).toBeUndefined());
});

describe("any text", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200, unit: "grapheme" }),
    fc
      .array(
        fc.constantFrom("not", "the", "5", "mm", "to", "A", "of", "'s", '"', "is", ",", "and", "I"),
        {
          maxLength: 30,
        },
      )
      .map((words) => words.join(" ")),
  );

  it("can be read, and asks the same as itself", () => {
    fc.assert(
      fc.property(text, (some) => {
        expect(between(some, some)).toBeUndefined();
        expect(between(`  ${some} `, some)).toBeUndefined();
      }),
      { numRuns: 400 },
    );
  });

  it("differs from another as the other does from it", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(between(a, b) === undefined).toBe(between(b, a) === undefined);
      }),
      { numRuns: 400 },
    );
  });

  it("is read, as long as a question may be, in a moment", () => {
    for (const piece of ['"', "1,", "((((", "a'", "not ", "twenty ", "of a ", "5 mm and "]) {
      const long = piece.repeat(2_000).slice(0, 2_000);
      expect(between(long, long)).toBeUndefined();
    }
  });
});
