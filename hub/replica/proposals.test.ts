import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Entry } from "../consensus/types.ts";
import { makeProposals, type Proposals } from "./proposals.ts";

const DATA = new Uint8Array(0);
const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: "commands",
  data: DATA,
});

function propose(proposals: Proposals, name: string, index: number, term: number, told: string[]) {
  proposals.add({
    command: { type: "flagDeleted", key: name, atMs: 0, actor: "ada", requestId: name },
    encoded: "{}",
    sizeBytes: 2,
    settle: (result) => told.push(`${name}: ${result instanceof GantryError ? result.code : "ok"}`),
  });
  proposals.sent(proposals.nextBatch(), index, term);
}

const namesOf = (batch: ReturnType<Proposals["committed"]>): string[] =>
  (batch ?? []).map(({ command }) => command.requestId);

describe("proposals", () => {
  it("are given back with their entry, and lost with another one of a later term", () => {
    const told: string[] = [];
    const proposals = makeProposals();
    propose(proposals, "a", 5, 2, told);
    propose(proposals, "b", 6, 2, told);
    propose(proposals, "c", 7, 2, told);
    expect(namesOf(proposals.committed(entry(5, 2)))).toEqual(["a"]);
    expect(proposals.committed(entry(6, 4))).toBeUndefined();
    expect(told).toEqual(["b: no_leader", "c: no_leader"]);
    expect(proposals.lastIndex).toBe(0);
  });

  it("of two reigns for one index are each told what became of them", () => {
    for (const [term, kept, lost] of [
      [5, "new", "old"],
      [3, "old", "new"],
      [9, undefined, "old,new"],
    ] as const) {
      const told: string[] = [];
      const proposals = makeProposals();
      propose(proposals, "old", 11, 3, told);
      propose(proposals, "new", 11, 5, told);
      expect(namesOf(proposals.committed(entry(11, term)))).toEqual(
        kept === undefined ? [] : [kept],
      );
      expect(told).toEqual(lost.split(",").map((name) => `${name}: no_leader`));
      expect(proposals.lastIndex).toBe(0);
    }
  });

  it("of a later term stay open behind an entry of an earlier one", () => {
    const told: string[] = [];
    const proposals = makeProposals();
    propose(proposals, "new", 12, 5, told);
    proposals.committed(entry(11, 4));
    expect(told).toEqual([]);
    expect(namesOf(proposals.committed(entry(12, 5)))).toEqual(["new"]);
  });

  it("are all told when the hub stops: what is in the log may have been done", () => {
    const told: string[] = [];
    const proposals = makeProposals();
    propose(proposals, "old", 11, 3, told);
    propose(proposals, "new", 11, 5, told);
    proposals.abandon(new GantryError("stopping", "over"));
    expect(told).toEqual(["old: outcome_unknown", "new: outcome_unknown"]);
  });

  it("go into entries that a frame holds, in their order (PP5)", () => {
    const proposals = makeProposals();
    const { batchBytes, commandBytes } = LIMIT;
    const sizes = [10, commandBytes.max, batchBytes.max - 10, 10, 1, commandBytes.max];
    for (const [place, sizeBytes] of sizes.entries()) {
      const command = { type: "flagDeleted" as const, key: "k", atMs: 0, actor: "ada" };
      const requestId = String(place);
      proposals.add({ command: { ...command, requestId }, encoded: "{}", sizeBytes, settle() {} });
    }
    const entries: number[][] = [];
    for (let index = 1; proposals.waiting > 0; index += 1) {
      const batch = proposals.nextBatch();
      proposals.sent(batch, index, 1);
      entries.push(batch.map(({ sizeBytes }) => sizeBytes));
    }
    const [small, large, more, ten, one, last] = sizes;
    expect(entries).toEqual([[small], [large], [more, ten], [one], [last]]);
  });
});
