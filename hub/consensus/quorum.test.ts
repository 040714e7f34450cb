// 127 cases of what a quorum says, by hand, each checked a second time by an oracle that tries every
// subset of the voters instead of counting.
//
// The tables: one row a case. Commit: acknowledged index of each voter in order, "-" for none.
// Vote: y granted, n refused, - not answered. Joint: the second group may name voters of the first
// by its letters; a letter has one value.

import { describe, expect, it } from "vitest";
import { majorityIndex, majorityVote, quorumIndex, quorumVote } from "./quorum.ts";
import type { HubId } from "./types.ts";

// ── the oracle ──────────────────────────────────────────────────────────────────────────────────

function subsetsOf(hubs: readonly HubId[]): HubId[][] {
  let subsets: HubId[][] = [[]];
  for (const hub of hubs) subsets = subsets.flatMap((subset) => [subset, [...subset, hub]]);
  return subsets;
}

/** Sets of hubs that hold more than half of `voters`. */
const majoritiesOf = (voters: readonly HubId[]): HubId[][] =>
  subsetsOf(voters).filter((subset) => subset.length * 2 > voters.length);

/** The largest index such that some majority has all reached it. */
function bestIndex(voters: readonly HubId[], acked: ReadonlyMap<HubId, number>): number {
  if (voters.length === 0) return Infinity;
  const reached = majoritiesOf(voters).map((subset) =>
    Math.min(...subset.map((hub) => acked.get(hub) ?? 0)),
  );
  return Math.max(...reached);
}

/** Won if some majority granted; lost if no majority can any more. */
function bestVote(voters: readonly HubId[], votes: ReadonlyMap<HubId, boolean>): string {
  if (voters.length === 0) return "won";
  const majorities = majoritiesOf(voters);
  if (majorities.some((subset) => subset.every((hub) => votes.get(hub) === true))) return "won";
  const isOpen = majorities.some((subset) => subset.every((hub) => votes.get(hub) !== false));
  return isOpen ? "pending" : "lost";
}

const worse = (one: string, other: string): string => {
  if (one === "lost" || other === "lost") return "lost";
  return one === "won" && other === "won" ? "won" : "pending";
};

// ── reading the tables ──────────────────────────────────────────────────────────────────────────

/** "a12 b5 c-": a voter and its value each; a voter that was named before needs no value again. */
function parse<T>(cell: string, values: Map<HubId, T>, read: (value: string) => T): HubId[] {
  const voters: HubId[] = [];
  for (const word of cell.split(" ").filter((word) => word !== "")) {
    const hub = word.slice(0, 1);
    const value = word.slice(1);
    voters.push(hub);
    if (value !== "" && value !== "-") values.set(hub, read(value));
  }
  return voters;
}

const NEVER = Infinity;

const majorityCommit: readonly (readonly [string, number])[] = [
  ["", NEVER],
  ["a-", 0],
  ["a12", 12],
  ["a- b-", 0],
  ["a12 b-", 0],
  ["a12 b5", 5],
  ["a5 b12", 5],
  ["a- b- c-", 0],
  ["a12 b- c-", 0],
  ["a12 b5 c-", 5],
  ["a12 b5 c6", 6],
  ["a12 b5 c5", 5],
  ["a101 b104 c103 d103", 103],
  ["a101 b102 c103 d103", 102],
  ["a101 b104 c103 d103 e-", 103],
  ["a101 b102 c103 d103 e-", 102],
];

const majorityVotes: readonly (readonly [string, string])[] = [
  ["", "won"],
  ["a-", "pending"],
  ["an", "lost"],
  ["ay", "won"],
  ["a- b-", "pending"],
  ["an b-", "lost"],
  ["ay b-", "pending"],
  ["an by", "lost"],
  ["ay by", "won"],
  ["a- b- c-", "pending"],
  ["an b- c-", "pending"],
  ["an bn c-", "lost"],
  ["ay bn c-", "pending"],
  ["ay by c-", "won"],
  ["ay bn cn", "lost"],
  ["ay by cn", "won"],
  ["ay by c- d-", "pending"],
  ["ay by cn dn", "lost"],
  ["ay by cy d-", "won"],
  ["an by cn dy e-", "pending"],
  ["an by cn dy ey", "won"],
  ["an by cn dy en", "lost"],
];

const jointCommit: readonly (readonly [string, string, number])[] = [
  // Nobody outgoing: as a majority alone.
  ["", "", NEVER],
  ["a-", "", 0],
  ["a8", "", 8],
  ["a8 b-", "", 0],
  ["a8 b6", "", 6],
  ["a8 b6 c4", "", 6],
  ["a8 b- c4", "", 4],
  // The same voters twice change nothing.
  ["a8", "a", 8],
  ["a-", "a", 0],
  ["a8 b6", "a b", 6],
  ["a8 b6 c4", "a b c", 6],
  ["a8 b6 c-", "a b c", 6],
  ["a8 b- c-", "a b c", 0],
  // One against another.
  ["a100", "b101", 100],
  ["a101", "b100", 100],
  ["a100", "b-", 0],
  ["a-", "b100", 0],
  ["a-", "b-", 0],
  // From one voter to two, three, and back.
  ["a10 b-", "a", 0],
  ["a10 b9", "a", 9],
  ["a9 b10", "a", 9],
  ["a10 b- c-", "a", 0],
  ["a10 b9 c-", "a", 9],
  ["a10 b9 c8", "a", 9],
  ["a8 b9 c10", "a", 8],
  ["a-", "a b9 c10", 0],
  ["a10", "a b9 c-", 9],
  ["a10", "a b- c-", 0],
  ["b9", "a10 b c8", 9],
  ["b7", "a10 b c8", 7],
  // Two groups with nobody in common.
  ["a10 b10 c10", "d- e- f-", 0],
  ["a10 b10 c10", "d5 e- f-", 0],
  ["a10 b10 c10", "d5 e4 f-", 4],
  ["a10 b10 c10", "d5 e4 f3", 4],
  ["a3 b4 c5", "d10 e10 f10", 4],
  ["a1 b2", "c3 d4", 1],
  ["a3 b4", "c1 d2", 1],
  ["a3 b4", "c- d2", 0],
  // Three to three with one, then two, exchanged.
  ["a10 b9 d-", "a b c8", 9],
  ["a10 b- d-", "a b c8", 0],
  ["a10 b- d7", "a b c8", 7],
  ["a10 b- d9", "a b c8", 8],
  ["a10 d9 e8", "a b- c-", 0],
  ["a10 d9 e8", "a b2 c-", 2],
  ["a1 d9 e8", "a b7 c6", 6],
  // Three to five and back.
  ["a10 b9 c8 d- e-", "a b c", 8],
  ["a10 b9 c- d- e-", "a b c", 0],
  ["a10 b9 c1 d7 e-", "a b c", 7],
  ["a1 b2 c9 d9 e9", "a b c", 2],
  ["a10 b1 c1", "a b c d9 e8", 1],
];

const jointVotes: readonly (readonly [string, string, string])[] = [
  ["", "", "won"],
  ["a-", "", "pending"],
  ["ay", "", "won"],
  ["an", "", "lost"],
  ["ay b-", "", "pending"],
  ["ay by", "", "won"],
  // The same voters twice.
  ["a-", "a", "pending"],
  ["ay", "a", "won"],
  ["an", "a", "lost"],
  ["ay by c-", "a b c", "won"],
  ["ay bn c-", "a b c", "pending"],
  ["an bn c-", "a b c", "lost"],
  // One against another.
  ["a-", "b-", "pending"],
  ["ay", "b-", "pending"],
  ["a-", "by", "pending"],
  ["an", "b-", "lost"],
  ["a-", "bn", "lost"],
  ["ay", "by", "won"],
  ["ay", "bn", "lost"],
  ["an", "by", "lost"],
  // Two against two, none in common: 2 y each is needed.
  ["ay by", "c- d-", "pending"],
  ["ay by", "cy d-", "pending"],
  ["ay by", "cy dy", "won"],
  ["ay by", "cn d-", "lost"],
  ["ay b-", "cy dy", "pending"],
  ["an b-", "cy dy", "lost"],
  // One voter in common.
  ["ay by", "b c-", "pending"],
  ["ay by", "b cy", "won"],
  ["ay by", "b cn", "lost"],
  ["an by", "b cy", "lost"],
  // Three to three with one exchanged.
  ["ay by d-", "a b c-", "won"],
  ["ay b- dy", "a b c-", "pending"],
  ["ay b- dy", "a b cy", "won"],
  ["ay bn dy", "a b cn", "lost"],
  ["an bn dy", "a b cy", "lost"],
  // From one to three and back.
  ["ay b- c-", "a", "pending"],
  ["an by cy", "a", "lost"],
  ["ay by c-", "a", "won"],
  ["ay", "a bn c-", "pending"],
];

const name = (...cells: (string | number)[]): string =>
  cells.map((cell) => (cell === "" ? "nobody" : String(cell))).join(" | ");

describe("what a quorum says", () => {
  it("restates at least 127 cases", () => {
    const counts = [majorityCommit, majorityVotes, jointCommit, jointVotes].map(
      (rows) => rows.length,
    );
    expect(counts).toEqual([16, 22, 50, 39]);
  });

  describe("committed by a majority", () => {
    it.each(majorityCommit.map((row) => [name(...row), ...row] as const))(
      "%s",
      (_, cell, index) => {
        const acked = new Map<HubId, number>();
        const voters = parse(cell, acked, Number);
        expect(majorityIndex(voters, (hub) => acked.get(hub))).toBe(index);
        expect(bestIndex(voters, acked)).toBe(index);
      },
    );
  });

  describe("voted by a majority", () => {
    it.each(majorityVotes.map((row) => [name(...row), ...row] as const))(
      "%s",
      (_, cell, outcome) => {
        const votes = new Map<HubId, boolean>();
        const voters = parse(cell, votes, (value) => value === "y");
        expect(majorityVote(voters, (hub) => votes.get(hub))).toBe(outcome);
        expect(bestVote(voters, votes)).toBe(outcome);
      },
    );
  });

  describe("committed by a joint configuration (Q1)", () => {
    it.each(jointCommit.map((row) => [name(...row), ...row] as const))(
      "%s",
      (_, one, two, index) => {
        const acked = new Map<HubId, number>();
        const voters = parse(one, acked, Number);
        const outgoing = parse(two, acked, Number);
        expect(quorumIndex({ voters, outgoing }, (hub) => acked.get(hub))).toBe(index);
        expect(Math.min(bestIndex(voters, acked), bestIndex(outgoing, acked))).toBe(index);
        expect(quorumIndex({ voters: outgoing, outgoing: voters }, (hub) => acked.get(hub))).toBe(
          index,
        );
      },
    );
  });

  describe("voted by a joint configuration (Q1)", () => {
    it.each(jointVotes.map((row) => [name(...row), ...row] as const))(
      "%s",
      (_, one, two, outcome) => {
        const votes = new Map<HubId, boolean>();
        const voters = parse(one, votes, (value) => value === "y");
        const outgoing = parse(two, votes, (value) => value === "y");
        expect(quorumVote({ voters, outgoing }, (hub) => votes.get(hub))).toBe(outcome);
        expect(worse(bestVote(voters, votes), bestVote(outgoing, votes))).toBe(outcome);
        expect(quorumVote({ voters: outgoing, outgoing: voters }, (hub) => votes.get(hub))).toBe(
          outcome,
        );
      },
    );
  });

  it("agrees with the oracle on every small joint configuration", () => {
    const hubs = ["a", "b", "c", "d"];
    let cases = 0;
    for (const voters of subsetsOf(hubs)) {
      for (const outgoing of subsetsOf(hubs)) {
        for (let code = 0; code < 3 ** hubs.length; code += 1) {
          const acked = new Map(hubs.map((hub, at) => [hub, Math.floor(code / 3 ** at) % 3]));
          const votes = new Map<HubId, boolean>();
          for (const [hub, value] of acked) if (value > 0) votes.set(hub, value === 2);
          const group = { voters, outgoing };
          const index = Math.min(bestIndex(voters, acked), bestIndex(outgoing, acked));
          const outcome = worse(bestVote(voters, votes), bestVote(outgoing, votes));
          if (quorumIndex(group, (hub) => acked.get(hub)) !== index) throw new Error(`${code}`);
          if (quorumVote(group, (hub) => votes.get(hub)) !== outcome) throw new Error(`${code}`);
          cases += 1;
        }
      }
    }
    expect(cases).toBe(16 * 16 * 81);
  });
});
