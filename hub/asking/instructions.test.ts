import { expect, it } from "vitest";
import { parseTranslation, verbosityInstruction } from "./instructions.ts";

it.each([
  ["translate to German: good morning", { text: "good morning", to: "German" }],
  ["Translate into pt-BR: a\nb", { text: "a\nb", to: "pt-BR" }],
  [
    "please translate from English to français: hi",
    { text: "hi", to: "français", from: "English" },
  ],
  ["translate to German:", undefined],
  ["translate this: x", undefined],
  ["how do I translate to German: ask?", undefined],
  ["", undefined],
])("%s", (text, wanted) => {
  expect(parseTranslation(text)).toEqual(wanted);
});

it("the middle of verbosity is left to the model; each other one is told in words of its own", () => {
  expect(verbosityInstruction(undefined)).toBeUndefined();
  expect(verbosityInstruction(3)).toBeUndefined();
  expect(new Set([1, 2, 4, 5].map((each) => verbosityInstruction(each))).size).toBe(4);
});
