import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Generate } from "@gantry/shared/contract/link.ts";
import { expect, it } from "vitest";
import type { Models } from "../hands/models.ts";
import { designOf, PART_FORM } from "./cad-orders.ts";

const { signal } = new AbortController();

function models(...answers: readonly string[]) {
  const asked: Omit<Generate, "model">[] = [];
  const fake = {
    offers: () => (answers.length === 0 ? [] : [{}]),
    async generate(_wanted: undefined, request: Omit<Generate, "model">) {
      asked.push(request);
      return { generated: { text: answers[asked.length - 1] ?? "" } };
    },
  } as unknown as Pick<Models, "offers" | "generate">;
  return { asked, fake };
}
const told = async (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) =>
    error instanceof GantryError
      ? { code: error.code, message: error.message, ...error.details }
      : error,
  );

it("asks no model where the words are understood", async () => {
  const { asked, fake } = models("{}");
  expect(await designOf({ prompt: "a spacer 8 mm high for M4" }, fake, signal)).toMatchObject({
    part: "spacer",
    isFree: false,
    parameters: { height: 8, hole: 4.5 },
  });
  expect(asked).toEqual([]);
});

it("lets a model choose a part and its parameters, bound to a form, and checks what it chose", async () => {
  const choice = {
    part: "hook",
    parameters: [
      { name: "reach", value: "30 mm" },
      { name: "width", value: "16" },
    ],
  };
  const { asked, fake } = models(JSON.stringify(choice));
  const design = await designOf({ prompt: "something to hang my 30 mm broom on" }, fake, signal);
  expect(design).toMatchObject({ part: "hook", parameters: { reach: 30, width: 16 } });
  expect(design.summary).toContain("Chosen by a model");
  expect(asked[0]).toMatchObject({ temperature: 0, jsonSchema: PART_FORM });
});

it.each([
  ["nothing", '{"part": "none", "parameters": []}'],
  ["a part that is not there", '{"part": "castle", "parameters": []}'],
  ["sizes out of range", '{"part": "box", "parameters": [{"name": "width", "value": "90000"}]}'],
  [
    "a parameter that is not there",
    '{"part": "box", "parameters": [{"name": "colour", "value": "red"}]}',
  ],
  ["a program", '{"part": "tag", "parameters": [{"name": "text", "value": "x\\"; import(1);"}]}'],
  ["no JSON", "certainly! a box"],
])("says what it can make when the model chooses %s", async (_what, answer) => {
  expect(await told(designOf({ prompt: "a castle" }, models(answer).fake, signal))).toMatchObject({
    code: "not_understood",
    message: expect.stringContaining("I can make: box, ") as unknown,
    parts: expect.arrayContaining([expect.objectContaining({ id: "gear" })]) as unknown,
  });
});

it("says what it can make where there is no model", async () => {
  expect(await told(designOf({ prompt: "a castle" }, models().fake, signal))).toMatchObject({
    code: "not_understood",
    message: expect.stringContaining("there is no model") as unknown,
  });
});

it("takes one of words, part and program", async () => {
  const { fake } = models();
  expect(await told(designOf({}, fake, signal))).toMatchObject({ code: "bad_request" });
  expect(await told(designOf({ part: "box", source: "cube(1);" }, fake, signal))).toMatchObject({
    code: "bad_request",
  });
  expect(await designOf({ source: "cube(1); // mine" }, fake, signal)).toMatchObject({
    isFree: true,
    source: "cube(1);  ",
  });
  expect(await told(designOf({ part: "castle" }, fake, signal))).toMatchObject({
    code: "not_found",
  });
  expect(await designOf({ prompt: "box", parameters: { width: 33 } }, fake, signal)).toMatchObject({
    parameters: { width: 33 },
  });
});
