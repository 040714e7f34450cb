import { expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { graph, http, kept, value } from "../ledger/testing/flows.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../ledger/testing/rig.ts";
import type { DeskParts } from "./context.ts";
import { library, workflowPatch, workflowPatches } from "./library.ts";
import { workflow } from "./workflows.ts";

const parts = (rig: LedgerRig, atMs = START_MS): DeskParts =>
  ({ hub: { rows: rig.rows, stampMs: () => atMs } }) as unknown as DeskParts; // what they read
const request = (params: Record<string, string> = {}, query: object = {}) => ({
  actor: null,
  requestId: "req_1",
  params: { name: "flow", ...params },
  query: { ...query },
  body: undefined,
});
const patch = (rig: LedgerRig, operations: readonly object[]): unknown =>
  rig.act({ type: "libraryPatched", name: "flow", operations, reason: "why", hosts: [] });
const titled = (title: string): object => ({ op: "setNode", id: "a", at: "/title", value: title });

function begun(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(kept(graph({ a: http(), b: value(1) })));
  return rig;
}

it("shows what one of many changed, while it waits and when it is made", () => {
  const rig = begun();
  patch(rig, [titled("one")]);
  patch(rig, [{ op: "removeNode", id: "b" }]);
  patch(rig, [titled("three")]);
  const changes = () =>
    ["1", "2", "3"].map(
      (number) => workflowPatch(parts(rig), request({ number })).difference?.nodes,
    );
  const wanted = [
    [{ id: "a", change: "changed", fields: [{ field: "title", after: "one" }] }],
    [{ id: "b", change: "removed" }],
    [{ id: "a", change: "changed", fields: [{ field: "title", before: "one", after: "three" }] }],
  ];
  expect(changes()).toMatchObject(wanted);
  rig.act({ type: "libraryMade", name: "flow", through: 3 });
  expect(changes()).toMatchObject(wanted);
  expect(() => workflowPatch(parts(rig), request({ number: "4" }))).toThrow("no patch 4");
  expect(() => workflowPatch(parts(rig), request({ number: "x" }))).toThrow("no patch x");
});

it("says how many wait and since when, of all and of each", () => {
  const rig = begun();
  expect(library(parts(rig))).toMatchObject({ waiting: 0, lagMs: 0, workflows: [] });
  patch(rig, [titled("one")]);
  patch(rig, [titled("two")]);
  expect(library(parts(rig, START_MS + 1_500))).toMatchObject({
    waiting: 2,
    lagMs: 1_500,
    workflows: [{ workflow: "flow", waiting: 2, lagMs: 1_500 }],
  });
  expect(workflow(parts(rig), request())).toMatchObject({ waiting: 2 });
});

it("gives them in pages, and ends where they are forgotten", () => {
  const rig = begun();
  const count = LIMIT.libraryHistory.max + 30;
  for (let n = 1; n <= count; n += 1) {
    patch(rig, [titled(`title ${n}`)]);
    if (n % 100 === 0 || n === count) rig.act({ type: "libraryMade", name: "flow", through: n });
  }
  rig.checkpoint();
  const numbers: number[] = [];
  let after: string | undefined;
  do {
    const query = { limit: 400, ...(after === undefined ? {} : { after }) };
    const page = workflowPatches(parts(rig), request({}, query)) as {
      patches: { number: number }[];
      next?: string;
    };
    numbers.push(...page.patches.map(({ number }) => number));
    after = page.next;
  } while (after !== undefined);
  expect(numbers).toEqual(Array.from({ length: LIMIT.libraryHistory.max }, (_, at) => count - at));
});
