import { describe, expect, it } from "vitest";
import { digestOf } from "@gantry/shared/base/digest.ts";
import { dueAtMs, judgeLibraryPatch, LIBRARY_BATCH } from "./library-patches.ts";
import { add, CHAIN, link, value } from "./testing/patched-run.ts";

const TAIL = [add("mail", value("done")), link("c", "mail")];
const judged = (operations: unknown, reason: unknown = "tell us", hosts: readonly string[] = []) =>
  judgeLibraryPatch(CHAIN, { operations, reason }, hosts);

describe("a patch of a workflow (LP2)", () => {
  it("gives a graph of its own, and the base stays", () => {
    const before = digestOf(CHAIN);
    const made = judged(TAIL);
    expect(made).toMatchObject({ kind: "made" });
    expect(made.kind === "made" && Object.keys(made.graph.nodes)).toContain("mail");
    expect(made.kind === "made" && made.sha256).not.toBe(before);
    expect(digestOf(CHAIN)).toBe(before);
  });

  it.each([
    ["an operation that is none", [{ op: "sing" }], "bad_draft", "/operations/0/op"],
    ["no operation", [], "empty_patch", "/operations"],
    [
      "one that changes nothing",
      [{ op: "test", path: "/nodes/a/type", value: "function" }],
      "empty_patch",
      "/operations",
    ],
    ["an edge to nowhere", [link("c", "nobody")], "no_node", "/operations/0"],
    ["a circle", [link("c", "a")], "cycle", "/nodes/a"],
    [
      "a place in edges by number",
      [{ op: "remove", path: "/edges/0" }],
      "place_by_number",
      "/operations/0/path",
    ],
    [
      "a call inward",
      [add("x", { type: "http", url: "http://169.254.169.254/latest" })],
      "url_not_public",
      "/nodes/x/url",
    ],
  ])("%s is refused with its code, its place and what to do", (_, operations, code, pointer) => {
    const verdict = judged(operations);
    expect(verdict).toMatchObject({ kind: "refused", faults: [{ code, pointer }] });
    expect(verdict.kind === "refused" && verdict.faults[0]?.hint.length).toBeGreaterThan(10);
  });

  it("needs a reason", () => {
    expect(judged(TAIL, " ")).toMatchObject({ kind: "refused", faults: [{ code: "no_reason" }] });
  });

  it("may call inward where an admin has listed it", () => {
    const call = [add("x", { type: "http", url: "http://10.0.0.7:8080/tell" })];
    expect(judged(call, "why", ["10.0.0.7:8080"])).toMatchObject({ kind: "made" });
  });
});

it("a batch is made at 100, or 5 s after its first (LP1)", () => {
  expect(dueAtMs(1, 1_000)).toBe(6_000);
  expect(dueAtMs(99, 1_000)).toBe(6_000);
  expect(dueAtMs(100, 1_000)).toBe(1_000);
  expect(LIBRARY_BATCH).toEqual({ patchesMax: 100, waitMs: 5_000 });
});
