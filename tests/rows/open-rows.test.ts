// docs/open-rows.md against the titles of the tests: what is proven is not open, and of the rows that
// the page is about none is forgotten.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { provenRows, readRows } from "../../tools/docs/coverage.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const ABOUT = `
  K44-K61 K75-K80 K95 K102 S1-S4 S11-S18 S27 S31 S36-S38 S48-S50 S63 M1-M83 A1-A98
`;

/** `K44-K46 S1` is K44, K45, K46, S1. */
const rowsOf = (text: string): readonly string[] =>
  text
    .trim()
    .split(/\s+/)
    .flatMap((range) => {
      const [first = "", last = first] = range.split("-");
      const [from, to] = [Number(first.slice(1)), Number(last.slice(1))];
      return Array.from({ length: to - from + 1 }, (_, at) => `${first.charAt(0)}${from + at}`);
    });

const order = (id: string): number => "KSMAD".indexOf(id.charAt(0)) * 1_000 + Number(id.slice(1));
const page = readFileSync(join(ROOT, "docs", "open-rows.md"), "utf8");
const open = [...page.matchAll(/^\| ([KSMAD]\d+) +\| (.*?) +\|$/gm)].map(
  ([, id = "", why = ""]) => ({
    id,
    why,
  }),
);
const ids = open.map(({ id }) => id);

it("what is open is named by no test: strike it from docs/open-rows.md", () => {
  const proven = provenRows(ROOT);
  expect(ids.filter((id) => proven.has(id))).toEqual([]);
});

it("every row that the page is about is proven or open", () => {
  const proven = provenRows(ROOT);
  expect(rowsOf(ABOUT).filter((id) => !proven.has(id) && !ids.includes(id))).toEqual([]);
  expect(ids.filter((id) => !rowsOf(ABOUT).includes(id))).toEqual([]);
});

it("the page names rows that there are, each once and in order, with a reason", () => {
  const rows = readRows(ROOT);
  expect(ids.filter((id) => !Object.hasOwn(rows, id))).toEqual([]);
  expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => order(a) - order(b)));
  expect(open.filter(({ why }) => !/^.{20,}\.$/.test(why))).toEqual([]);
});
