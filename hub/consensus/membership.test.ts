// Membership changes as a table: before, how, steps, after. A configuration is written
// "voters / outgoing / learners / learnersNext", with "*" if it is left by itself; steps are +voter,
// ~learner, -removed. A refusal is written as its reason.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  changeMembership,
  changeSimply,
  checkMembership,
  type ChangeOutcome,
  decodeChange,
  encodeChange,
  enterJoint,
  isJoint,
  leaveJoint,
  membersOf,
} from "./membership.ts";
import { majorityIndex } from "./quorum.ts";
import type { HubId, Membership, MembershipStep } from "./types.ts";

const words = (part: string | undefined): HubId[] =>
  (part ?? "")
    .trim()
    .split(" ")
    .filter((word) => word !== "");

function parse(line: string): Membership {
  const [voters, outgoing, learners, next] = line.replace("*", "").split("/");
  return {
    voters: words(voters),
    outgoing: words(outgoing),
    learners: words(learners),
    learnersNext: words(next),
    autoLeave: line.includes("*"),
  };
}

function show(outcome: ChangeOutcome): string {
  if (outcome.kind === "refused") return outcome.reason;
  const { voters, outgoing, learners, learnersNext, autoLeave } = outcome.membership;
  const parts = [voters, outgoing, learners, learnersNext].map((part) => part.join(" "));
  while (parts.at(-1) === "") parts.pop();
  return parts.join("/") + (autoLeave ? "*" : "");
}

const TYPES = { "+": "addVoter", "~": "addLearner", "-": "remove" } as const;

const stepsOf = (line: string): MembershipStep[] =>
  words(line).map((word) => ({ type: TYPES[word.slice(0, 1) as "+"], hub: word.slice(1) }));

type How = "simple" | "joint" | "byHand" | "leave" | "auto";

const apply: Readonly<Record<How, (before: Membership, steps: MembershipStep[]) => ChangeOutcome>> =
  {
    simple: changeSimply,
    joint: (before, steps) => enterJoint(before, steps, true),
    byHand: (before, steps) => enterJoint(before, steps, false),
    leave: leaveJoint,
    auto: (before, steps) => changeMembership(before, { steps }),
  };

type Row = readonly [before: string, how: How, steps: string, after: string];

const rows: readonly Row[] = [
  // One voter at a time (M1).
  ["a", "simple", "+b", "a b"],
  ["a b", "simple", "+c", "a b c"],
  ["a b c", "simple", "+d", "a b c d"],
  ["a b c", "simple", "-c", "a b"],
  ["a b", "simple", "-a", "b"],
  ["a", "simple", "~b", "a//b"],
  ["a", "simple", "~b ~c", "a//b c"],
  ["a//b", "simple", "+b", "a b"],
  ["a b", "simple", "~b", "a//b"],
  ["a//b", "simple", "-b", "a"],
  ["a//b c", "simple", "-b -c", "a"],
  ["a//b", "simple", "+c -b", "a c"],
  // What a simple change may not do.
  ["a", "simple", "-a", "noVoterLeft"],
  ["a//b", "simple", "-a", "noVoterLeft"],
  ["a", "simple", "~a", "noVoterLeft"],
  ["a b", "simple", "-a -b", "noVoterLeft"],
  ["a", "simple", "+b +c", "moreThanOneVoter"],
  ["a b c", "simple", "-b -c", "moreThanOneVoter"],
  ["a b c", "simple", "+d -c", "moreThanOneVoter"],
  ["a b c", "simple", "~b ~c", "moreThanOneVoter"],
  ["a//b c", "simple", "+b +c", "moreThanOneVoter"],
  ["a b/a", "simple", "+c", "alreadyJoint"],
  ["a/a", "simple", "~b", "alreadyJoint"],
  // Steps that are done already change nothing (M4).
  ["a", "simple", "+a", "a"],
  ["a//b", "simple", "~b", "a//b"],
  ["a", "simple", "-b", "a"],
  ["a", "simple", "+b -b", "a"],
  ["a", "simple", "+b +b", "a b"],
  ["a", "simple", "~b ~b +b", "a b"],
  ["a b", "simple", "-b +b", "a b"],
  ["a b", "simple", "-b ~b -b", "a"],
  ["a", "simple", "", "a"],
  // Into a joint configuration.
  ["a", "joint", "+b +c", "a b c/a*"],
  ["a", "byHand", "+b +c", "a b c/a"],
  ["a", "joint", "+b", "a b/a*"],
  ["a", "byHand", "", "a/a"],
  ["a b c", "joint", "-a +d", "b c d/a b c*"],
  ["a b c", "joint", "-a -b +d +e", "c d e/a b c*"],
  ["a b c", "joint", "-a -b", "c/a b c*"],
  ["a//b c", "joint", "+b +c", "a b c/a*"],
  ["a//b", "joint", "-b +c", "a c/a*"],
  ["a", "joint", "~b +c", "a c/a/b*"],
  // A voter on its way out becomes a learner only when the joint configuration is left (M3).
  ["a b", "joint", "~b", "a/a b//b*"],
  ["a b c", "byHand", "~b ~c", "a/a b c//b c"],
  ["a b", "joint", "~b +b", "a b/a b*"],
  ["a b", "joint", "~b ~b", "a/a b//b*"],
  ["a b", "joint", "~b -b", "a/a b*"],
  ["a b c", "joint", "~a +d ~e", "b c d/a b c/e/a*"],
  // What entering may not do.
  ["a", "joint", "-a", "noVoterLeft"],
  ["a b", "byHand", "~a ~b", "noVoterLeft"],
  ["a b/a", "joint", "+c", "alreadyJoint"],
  ["", "joint", "+a", "noVoterToStartFrom"],
  // Out of it.
  ["a b c/a*", "leave", "", "a b c"],
  ["c d e/a b c*", "leave", "", "c d e"],
  ["a/a b c//b c", "leave", "", "a//b c"],
  ["b c d/a b c/e/a*", "leave", "", "b c d//a e"],
  ["a", "leave", "", "notJoint"],
  // The way that a change chooses by itself.
  ["a", "auto", "+b", "a b"],
  ["a", "auto", "+b +c", "a b c/a*"],
  ["a//b", "auto", "+b", "a b"],
  ["a b c/a*", "auto", "", "a b c"],
  ["a", "auto", "", "notJoint"],
  ["a b c/a", "auto", "+d", "alreadyJoint"],
];

describe("membership changes", () => {
  it("restates at least 58 cases", () => expect(rows.length).toBeGreaterThanOrEqual(58));

  it.each(rows.map((row) => [row.map((cell) => cell || "nothing").join(" | "), ...row] as const))(
    "%s",
    (_, before, how, steps, after) => {
      const outcome = apply[how](parse(before), stepsOf(steps));
      expect(show(outcome)).toBe(after);
      if (outcome.kind === "changed") checkMembership(outcome.membership);
    },
  );

  it("starts a group from nobody with one voter, and not with two", () => {
    expect(show(changeSimply(parse(""), stepsOf("+a")))).toBe("a");
    expect(show(changeSimply(parse(""), stepsOf("+a +b")))).toBe("moreThanOneVoter");
  });

  it("asks explicitly for a joint configuration that one step would not need", () => {
    const steps = stepsOf("+b");
    expect(show(changeMembership(parse("a"), { steps, transition: "joint" }))).toBe("a b/a*");
    expect(show(changeMembership(parse("a"), { steps, transition: "jointByHand" }))).toBe("a b/a");
  });

  it("carries a change through its entry unchanged", () => {
    const change = { steps: stepsOf("+b ~c -d"), transition: "jointByHand" } as const;
    expect(decodeChange(encodeChange(change))).toEqual(change);
  });

  it("names everyone once", () => {
    expect(membersOf(parse("b c d/a b c/e/a*"))).toEqual(["b", "c", "d", "a", "e"]);
  });
});

const hubs = ["a", "b", "c", "d", "e"];
const anyStep = fc.record({
  type: fc.constantFrom("addVoter" as const, "addLearner" as const, "remove" as const),
  hub: fc.constantFrom(...hubs),
});
const anyChange = fc.record({
  how: fc.constantFrom<How>("simple", "joint", "byHand", "leave"),
  steps: fc.array(anyStep, { maxLength: 4 }),
});

describe("any chain of changes", () => {
  it("keeps M1 to M3: neighbours share a hub in every pair of their quorums", () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 12 }), (chain) => {
        let now = parse("a b c");
        for (const { how, steps } of chain) {
          const outcome = apply[how](now, steps);
          if (outcome.kind === "refused") continue;
          checkMembership(outcome.membership);
          expect(overlaps(now, outcome.membership)).toBe(true);
          expect(isJoint(outcome.membership)).toBe(how === "joint" || how === "byHand");
          now = outcome.membership;
        }
      }),
    );
  });
});

/** No two disjoint sets of hubs decide, one in each configuration. */
function overlaps(one: Membership, other: Membership): boolean {
  for (let mask = 0; mask < 2 ** hubs.length; mask += 1) {
    const inside = (hub: HubId): boolean => ((mask >> hubs.indexOf(hub)) & 1) === 1;
    if (decides(one, inside) && decides(other, (hub) => !inside(hub))) return false;
  }
  return true;
}

const decides = ({ voters, outgoing }: Membership, isIn: (hub: HubId) => boolean): boolean =>
  [voters, outgoing].every((group) => majorityIndex(group, (hub) => (isIn(hub) ? 1 : 0)) >= 1);
