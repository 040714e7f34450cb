// The public JSON Patch test suite (npm json-patch-test-suite, Apache-2.0; github.com/json-patch/
// json-patch-tests), read from the package: what it asks is asked of our own implementation.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { applyPatch, revertPatch } from "../../hub/workflow/json-patch.ts";
import { isSame, type Json } from "../../hub/workflow/json-value.ts";

interface SuiteCase {
  readonly comment?: string;
  readonly doc: Json;
  readonly patch?: Json;
  readonly expected?: Json;
  readonly error?: string;
  readonly disabled?: boolean;
}

const casesIn = (file: string): readonly SuiteCase[] => {
  const path = fileURLToPath(import.meta.resolve(`json-patch-test-suite/${file}`));
  return JSON.parse(readFileSync(path, "utf8")) as readonly SuiteCase[]; // the package's own form
};
const all = [...casesIn("tests.json"), ...casesIn("spec_tests.json")];
const live = all.filter(({ patch, disabled }) => patch !== undefined && disabled !== true);

const titled = (
  isWanted: (one: SuiteCase) => boolean,
): readonly { readonly each: SuiteCase; readonly title: string }[] =>
  live
    .filter(isWanted)
    .map((each, at) => ({ each, title: `${at + 1} ${each.comment ?? each.error ?? ""}` }));

/** What our patch makes of it: the document and its way back, or the refusal's code. */
function outcomeOf({
  doc,
  patch,
}: SuiteCase): { readonly result: Json; readonly back: Json } | string {
  try {
    const { result, inverse } = applyPatch(doc, patch);
    return { result, back: revertPatch(result, inverse).result };
  } catch (error) {
    if (error instanceof GantryError) return error.code;
    throw error;
  }
}

describe("the public JSON Patch suite", () => {
  it("is whole: as many live cases as version 1.1.0 has", () => {
    expect([all.length, live.length]).toEqual([95, 91]);
  });

  it.each(titled(({ error }) => error === undefined))("[A85] $title", ({ each }) => {
    const before = structuredClone(each.doc);
    const outcome = outcomeOf(each);
    if (typeof outcome === "string") throw new Error(`refused: ${outcome}`);
    expect(each.doc).toEqual(before);
    const wanted = each.expected ?? each.doc; // a case of tests alone names no result
    expect(isSame(outcome.result, wanted)).toBe(true);
    expect(isSame(outcome.back, before)).toBe(true);
  });

  it.each(titled(({ error }) => error !== undefined))("[A85] refused: $title", ({ each }) => {
    const before = structuredClone(each.doc);
    expect(["bad_patch", "patch_conflict"]).toContain(outcomeOf(each));
    expect(each.doc).toEqual(before);
  });
});
