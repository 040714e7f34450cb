import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "@gantry/shared/base/digest.ts";
import {
  addToBatch,
  type Batch,
  emptyBatch,
  LIBRARY_BATCH,
  materialiseOn,
  takeDue,
} from "./library-patches.ts";
import { add, CHAIN, graphOf, link, value } from "./testing/patched-run.ts";

const tail = {
  id: "mail",
  operations: [add("mail", value("done")), link("c", "mail")],
  reason: "tell us",
};

describe("a library patch", () => {
  it("is made on each base that takes it, and the others say why not", () => {
    const other = graphOf({ nodes: { x: value(1) }, edges: [] });
    const bases = [CHAIN, other].map((graph) => ({ base: digestOf(graph), graph }));
    const [made, refused] = materialiseOn(tail, bases, []);
    expect(made?.kind === "made" && Object.keys(made.graph.nodes)).toContain("mail");
    expect(made?.kind === "made" && made.hash).not.toBe(bases[0]?.base);
    expect(refused).toMatchObject({
      kind: "refused",
      faults: [{ code: "no_node", pointer: "/operations/1" }],
    });
    expect(digestOf(CHAIN)).toBe(bases[0]?.base);
  });

  it("calls no address inward", () => {
    const inward = {
      ...tail,
      operations: [add("x", { type: "http", url: "http://169.254.169.254/latest" })],
    };
    const [verdict] = materialiseOn(inward, [{ base: "x", graph: CHAIN }], []);
    expect(verdict).toMatchObject({ kind: "refused", faults: [{ code: "url_not_public" }] });
  });

  it("that is none is refused for all", () => {
    const verdicts = materialiseOn(
      { ...tail, operations: [] },
      [
        { base: "x", graph: CHAIN },
        { base: "y", graph: CHAIN },
      ],
      [],
    );
    expect(verdicts.map(({ kind }) => kind)).toEqual(["refused", "refused"]);
  });
});

describe("batches (LP1)", () => {
  it("are made at 100, or after 5 s", () => {
    const one = addToBatch<number>(emptyBatch, [1], 1_000);
    expect(one).toEqual({ batch: { items: [1], dueMs: 6_000 }, ready: [] });
    expect(takeDue(one.batch, 5_999).ready).toEqual([]);
    expect(takeDue(one.batch, 6_000)).toEqual({ batch: emptyBatch, ready: [[1]] });
    const many = addToBatch(
      one.batch,
      Array.from({ length: 150 }, (_, at) => at),
      2_000,
    );
    expect(many.ready.map(({ length }) => length)).toEqual([100]);
    expect(many.batch).toMatchObject({ dueMs: 7_000 });
    expect(many.batch.items).toHaveLength(51);
  });

  it("lose nothing, keep the order, and let nobody wait longer than the window", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4_000), fc.nat(130)), { maxLength: 40 }), (arrivals) => {
        let batch: Batch<{ readonly number: number; readonly atMs: number }> = emptyBatch;
        let nowMs = 0;
        let next = 0;
        const out: number[] = [];
        const take = (
          lists: readonly (readonly { readonly number: number; readonly atMs: number }[])[],
          atMs: number,
        ): void => {
          for (const list of lists) {
            expect(list.length).toBeLessThanOrEqual(LIBRARY_BATCH.basesMax);
            for (const item of list) {
              expect(atMs - item.atMs).toBeLessThanOrEqual(LIBRARY_BATCH.waitMs);
              out.push(item.number);
            }
          }
        };
        for (const [waitMs, count] of arrivals) {
          const untilMs = nowMs + waitMs;
          if (batch.dueMs !== null && batch.dueMs <= untilMs) {
            const due = takeDue(batch, batch.dueMs);
            take(due.ready, batch.dueMs);
            batch = due.batch;
          }
          nowMs = untilMs;
          const items = Array.from({ length: count }, (_, at) => ({
            number: next + at,
            atMs: untilMs,
          }));
          next += count;
          const added = addToBatch(batch, items, nowMs);
          take(added.ready, nowMs);
          batch = added.batch;
        }
        if (batch.dueMs !== null) take(takeDue(batch, batch.dueMs).ready, batch.dueMs);
        expect(out).toEqual(Array.from({ length: next }, (_, at) => at));
      }),
      { numRuns: 300, seed: 20_260_403 },
    );
  });
});
