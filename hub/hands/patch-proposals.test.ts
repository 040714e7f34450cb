import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Generate } from "@gantry/shared/contract/link.ts";
import { graph, http, value } from "../ledger/testing/flows.ts";
import { makeGraph } from "../workflow/patches/judge.ts";
import { type PatchFault, patchFault } from "../workflow/patches/patch-fault.ts";
import type { GraphOperation } from "../workflow/patches/patch-types.ts";
import { type Proposal, proposePatch, readAnswer, TRIES_MAX } from "./patch-proposals.ts";

const FLOW = graph({ a: http(), b: value(1) }, ["a>b"]);
const GOOD = { kind: "patch", operations: [{ op: "addNode", id: "c", node: value(2) }] };

interface Asked {
  readonly proposal: Promise<Proposal>;
  readonly requests: readonly Pick<Generate, "messages" | "jsonSchema">[];
}

/** A model that says these things, one after the other. */
function ask(sentence: string, ...says: readonly unknown[]): Asked {
  const requests: Pick<Generate, "messages" | "jsonSchema">[] = [];
  const models = {
    offers: () => says.map(() => ({}) as never), // only how many there are is read
    async generate(_wanted: unknown, { messages, jsonSchema }: Omit<Generate, "model">) {
      const said = says[requests.length];
      requests.push({ messages: [...messages], jsonSchema });
      if (said instanceof Error) throw said;
      const text = typeof said === "string" ? said : JSON.stringify(said);
      return { generated: { text } } as never; // all that is read of it
    },
  };
  const wish = {
    sentence,
    graph: FLOW,
    stateOf: () => undefined,
    capabilities: [],
    judge(operations: unknown): readonly PatchFault[] {
      if (!Array.isArray(operations) || operations.length === 0)
        return [patchFault("empty_patch", "/operations", "The patch changes nothing")];
      const made = makeGraph(FLOW, operations as readonly GraphOperation[]);
      return made.kind === "faults" ? made.faults : [];
    },
  };
  return { proposal: proposePatch(models, wish, new AbortController().signal), requests };
}

describe("a wish in words", () => {
  it("that is understood without a model asks none", async () => {
    const { proposal, requests } = ask("add a pause of 1 s after b", GOOD);
    expect(await proposal).toMatchObject({ kind: "patch", by: "grammar", tries: 0 });
    expect(requests).toEqual([]);
  });

  it("[A98] becomes a patch by a model, bound to a form, with graph, states and wish before its eyes", async () => {
    const { proposal, requests } = ask("make it better", GOOD);
    expect(await proposal).toMatchObject({ by: "model", tries: 1, operations: GOOD.operations });
    expect(requests[0]?.jsonSchema).toMatchObject({ oneOf: [{}, {}] });
    const told = requests[0]?.messages.at(-1)?.content ?? "";
    expect(told).toContain('"make it better"');
    expect(told).toContain('"a":"pending"');
  });

  it("[A98] is asked back by the model where it may mean several things (PP2)", async () => {
    const question = { kind: "question", question: "Which of both?", choices: ["a", "b"] };
    expect(await ask("make it better", question).proposal).toEqual(question);
  });

  it("is asked again at most twice, with the faults named (PP1)", async () => {
    const nowhere = { kind: "patch", operations: [{ op: "removeNode", id: "zzz" }] };
    const { proposal, requests } = ask("make it better", "no JSON", nowhere, GOOD);
    expect(await proposal).toMatchObject({ by: "model", tries: 3 });
    expect(requests[1]?.messages.at(-1)?.content).toContain("The answer is not JSON");
    expect(requests[2]?.messages.at(-1)?.content).toContain('no_node at "/operations/0"');
  });

  it("is refused with one code after the last answer", async () => {
    const { proposal, requests } = ask("make it better", "1", "{}", "[]", GOOD);
    await expect(proposal).rejects.toMatchObject({
      code: "sentence_unclear",
      details: { tries: TRIES_MAX, faults: [{ code: "bad_draft" }] },
    });
    expect(requests).toHaveLength(TRIES_MAX);
  });

  it("is refused with the forms that there are, where nobody could understand it", async () => {
    await expect(ask("make it better").proposal).rejects.toMatchObject({
      code: "sentence_unclear",
      details: { forms: expect.arrayContaining(["skip NODE"]) },
    });
  });

  it("that is clear and does not fit is refused with its fault, and no model is asked to bend it", async () => {
    const { proposal, requests } = ask("connect b to a", GOOD);
    await expect(proposal).rejects.toMatchObject({ details: { faults: [{ code: "cycle" }] } });
    expect(requests).toEqual([]);
  });

  it("hears of a model that fails", async () => {
    const failed = new GantryError("model_failed", "it fell over");
    await expect(ask("make it better", failed).proposal).rejects.toMatchObject({
      code: "model_failed",
    });
  });
});

it("whatever a model says is read as a patch, a question or a fault, and never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc
          .record({
            kind: fc.constantFrom("patch", "question", 1),
            operations: fc.jsonValue(),
            question: fc.jsonValue(),
            choices: fc.jsonValue(),
          })
          .map((each) => JSON.stringify(each)),
      ),
      (text) => {
        const read = readAnswer(text);
        const texts = read.kind === "question" ? read.choices : [];
        const operations = read.kind === "patch" ? read.operations : [];
        expect(texts.every((each) => typeof each === "string")).toBe(true);
        expect(Array.isArray(operations)).toBe(true);
      },
    ),
    { numRuns: 2_000, seed: 20_261_123 },
  );
});
