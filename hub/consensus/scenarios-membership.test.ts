// Scripts about who belongs to the group. Titles name the script of etcd-io/raft whose situation is
// restated, where there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet, type Net } from "./testing/net.ts";
import type { HubId, MembershipChange, MembershipStep } from "./types.ts";

const TYPES = { "+": "addVoter", "~": "addLearner", "-": "remove" } as const;

/** "+b ~c -d": add a voter, add a learner, remove. */
const stepsOf = (line: string): MembershipStep[] =>
  line
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => ({ type: TYPES[word.slice(0, 1) as "+"], hub: word.slice(1) }));

const change = (net: Net, id: HubId, line: string, way: Partial<MembershipChange> = {}) =>
  net.step(id, { type: "change", change: { steps: stepsOf(line), ...way } });

/** `voters` lead by the first one; everyone else named is there, empty, and knows the same group. */
function led(hubs: string, voters: string): Net {
  const net = makeNet({ hubs: hubs.split(""), voters: voters.split("") });
  net.elect(voters.slice(0, 1));
  return net;
}

const shown = (net: Net, id: HubId): string => {
  const { voters, outgoing, learners, learnersNext } = net.status(id).membership;
  return [voters, outgoing, learners, learnersNext].map((part) => part.join("")).join("/");
};

describe("growing and shrinking", () => {
  it("[M76] confchange_v1_add_single: one hub becomes two, and both are needed then", () => {
    const net = led("ab", "a");
    expect(change(net, "a", "+b")).toBe("taken");
    net.beat(3);
    expect(shown(net, "a")).toBe("ab///");
    expect(shown(net, "b")).toBe("ab///");
    net.cut("a", "b");
    net.propose("a", "alone");
    net.settle();
    expect(net.words("a")).toEqual([]);
    net.heal();
    net.beat(3);
    expect(net.words("b")).toEqual(["alone"]);
  });

  it("confchange_v2_add_single_auto: one step goes without a joint configuration", () => {
    const net = led("abc", "ab");
    change(net, "a", "+c");
    net.turn("a");
    net.settle();
    expect(shown(net, "a")).toBe("abc///");
    expect(net.status("a").lastIndex).toBe(2); // opening, change
  });

  it("confchange_v2_add_single_explicit: joint until it is left by hand, both majorities needed", () => {
    const net = led("ab", "a");
    change(net, "a", "+b", { transition: "jointByHand" });
    net.beat(3);
    expect(shown(net, "a")).toBe("ab/a//");
    expect(change(net, "a", "+c")).toBe("refused");
    net.beat(5);
    expect(shown(net, "b")).toBe("ab/a//");
    expect(change(net, "a", "")).toBe("taken");
    net.beat(1);
    expect(shown(net, "a")).toBe("ab///");
    expect(change(net, "a", "")).toBe("refused");
  });

  it("[C36] confchange_v2_add_double_auto: one hub becomes three, the joint one is left by itself", () => {
    const net = led("abc", "a");
    expect(change(net, "a", "+b +c")).toBe("taken");
    net.beat(4);
    for (const id of ["a", "b", "c"]) expect(shown(net, id)).toBe("abc///");
    net.isolate("b");
    net.propose("a", "one");
    net.settle();
    expect(net.words("c")).toEqual(["one"]);
  });

  it("confchange_v2_add_double_implicit: a leader that is elected in between leaves it", () => {
    const net = led("abc", "a");
    net.cut("a", "b");
    net.cut("a", "c");
    change(net, "a", "+b +c");
    net.settle();
    expect(shown(net, "a")).toBe("abc/a//"); // a alone committed it, and cannot commit the leaving
    net.restart("a");
    net.heal();
    net.beat(40);
    for (const id of ["a", "b", "c"]) expect(shown(net, id)).toBe("abc///");
  });

  it("three become one again, and the one goes on alone", () => {
    const net = led("abc", "abc");
    change(net, "a", "-b -c");
    net.beat(3);
    expect(shown(net, "a")).toBe("a///");
    net.isolate("a");
    net.propose("a", "alone");
    net.beat(25);
    expect(net.words("a")).toEqual(["alone"]);
    expect(net.status("a").role).toBe("leader");
  });

  it("who is removed hears of it, and campaigns no more", () => {
    const net = led("abc", "abc");
    change(net, "a", "-c");
    net.beat(2);
    expect(shown(net, "c")).toBe("ab///");
    net.beat(60);
    expect(net.status("c").role).toBe("follower");
    expect(net.leaders()).toEqual(["a"]);
    expect(net.status("a").term).toBe(1);
  });

  it("who is removed without hearing of it disturbs nobody", () => {
    const net = led("abc", "abc");
    net.isolate("c");
    change(net, "a", "-c");
    net.beat(2);
    net.heal();
    net.dropWhere(() => false);
    net.beat(60);
    expect(net.leaders()).toEqual(["a"]);
    expect(net.status("a").term).toBe(1);
  });
});

describe("changes that concern the leader", () => {
  it("confchange_v1_remove_leader: it counts no more, and the change is committed by the others", () => {
    const net = led("abc", "abc");
    net.get("a").isStalled = true; // its own log does not count for the change it commits
    change(net, "a", "-a");
    net.settle();
    expect(shown(net, "b")).toBe("bc///");
    expect(shown(net, "c")).toBe("bc///");
  });

  it("confchange_v1_remove_leader_stepdown: it steps down once that is committed and told", () => {
    const net = led("abc", "abc");
    change(net, "a", "-a");
    net.propose("a", "behind it");
    net.settle();
    expect(net.status("a").role).toBe("follower");
    expect(net.words("b")).toEqual(["behind it"]);
    net.beat(40);
    expect(net.leaders()).toHaveLength(1);
    expect(net.leaders()).not.toContain("a");
    expect(net.status("a").role).toBe("follower");
  });

  it("confchange_v2_replace_leader: another takes over first, then the old one is replaced", () => {
    const net = led("abcd", "abc");
    net.step("a", { type: "transfer", to: "b" });
    net.settle();
    expect(change(net, "b", "-a +d")).toBe("taken");
    net.beat(3);
    for (const id of ["b", "c", "d"]) expect(shown(net, id)).toBe("bcd///");
    expect(net.leaders()).toEqual(["b"]);
    expect(net.propose("b", "one")).toBe("taken");
    net.settle();
    expect(net.words("d")).toEqual(["one"]);
  });

  it("confchange_v2_replace_leader_stepdown: a leader may replace itself, and leads to the end of it", () => {
    const net = led("abcd", "abc");
    change(net, "a", "-a +d");
    net.beat(3);
    for (const id of ["b", "c"]) expect(shown(net, id)).toBe("bcd///");
    expect(net.status("a").role).toBe("follower");
    net.beat(40);
    expect(shown(net, "d")).toBe("bcd///");
    expect(net.leaders()).toHaveLength(1);
    expect(["b", "c", "d"]).toContain(net.leaders()[0]);
  });

  it("a leader that was voted out leads until those who stay know it (E5)", () => {
    const net = led("ab", "ab");
    change(net, "a", "-a", { transition: "joint" });
    // Nothing that tells b of the commit of the last change passes.
    net.dropWhere(({ to, ...rest }) => to === "b" && "commit" in rest && rest.commit >= 3);
    net.beat(3);
    expect(shown(net, "a")).toBe("b///");
    expect(shown(net, "b")).toBe("b/ab//");
    expect(net.status("a").role).toBe("leader");
    expect(net.propose("a", "too late")).toBe("refused");
    net.dropWhere(() => false);
    net.beat(40);
    expect(shown(net, "b")).toBe("b///");
    expect(net.leaders()).toEqual(["b"]);
  });

  it("a leader that was voted out and went too early tells who stays of the commit (V8)", () => {
    const net = led("ab", "ab");
    change(net, "a", "-a", { transition: "joint" });
    net.dropWhere(({ to, ...rest }) => to === "b" && "commit" in rest && rest.commit >= 3);
    net.beat(3);
    net.isolate("b");
    net.beat(40); // a hears nobody of the new group and gives up
    expect(net.status("a").role).toBe("follower");
    expect(net.status("a").lastIndex).toBeGreaterThan(net.status("b").lastIndex);
    net.heal();
    net.dropWhere(() => false);
    net.beat(60);
    expect(net.leaders()).toEqual(["b"]);
    expect(shown(net, "b")).toBe("b///");
  });

  it("a hub that was voted out gives its vote to who stays after a restart, too (V2)", () => {
    const net = led("ab", "ab");
    change(net, "a", "-a");
    net.turn("a");
    net.store("a");
    net.deliver(() => true);
    net.propose("a", "only here");
    net.dropWhere(({ from }) => from === "a");
    net.settle();
    expect(shown(net, "a")).toBe("b///");
    expect(shown(net, "b")).toBe("ab///");
    expect(net.status("a").lastIndex).toBeGreaterThan(net.status("b").lastIndex);
    net.restart("a");
    net.dropWhere(() => false);
    net.beat(60);
    expect(net.leaders()).toEqual(["b"]);
    expect(shown(net, "b")).toBe("b///");
  });

  it("a leader that becomes a learner steps down, and keeps following", () => {
    const net = led("abc", "abc");
    change(net, "a", "~a");
    net.beat(40);
    const [leader] = net.leaders();
    expect(["b", "c"]).toContain(leader);
    net.propose(leader ?? "", "one");
    net.settle();
    expect(net.words("a")).toEqual(["one"]);
  });
});

describe("learners and limits", () => {
  it("a learner takes entries and counts for nothing (M3)", () => {
    const net = led("abc", "a");
    change(net, "a", "~b ~c");
    net.beat(3);
    expect(shown(net, "a")).toBe("a//bc/");
    net.propose("a", "one");
    net.settle();
    expect(net.words("c")).toEqual(["one"]);
    net.isolate("a");
    net.propose("a", "two");
    net.beat(25);
    expect(net.words("a")).toEqual(["one", "two"]);
    expect(net.leaders()).toEqual(["a"]);
  });

  it("a voter becomes a learner only when the joint configuration is left", () => {
    const net = led("abc", "abc");
    change(net, "a", "~b", { transition: "jointByHand" });
    net.beat(2);
    expect(shown(net, "a")).toBe("ac/abc//b");
    change(net, "a", "");
    net.beat(2);
    expect(shown(net, "b")).toBe("ac//b/");
  });

  it("one change at a time, none before the own term is open, none by a follower (E4)", () => {
    const net = led("abc", "abc");
    expect(change(net, "b", "-c")).toBe("refused");
    expect(change(net, "a", "-c")).toBe("taken");
    expect(change(net, "a", "-b")).toBe("refused");
    net.settle();
    expect(change(net, "a", "-a -b")).toBe("refused"); // nobody would be left
    net.step("a", { type: "transfer", to: "b" });
    expect(change(net, "a", "+c")).toBe("refused");
    const young = makeNet({ hubs: ["a", "b", "c"] });
    young.dropWhere((message) => message.type === "append");
    young.elect("a");
    expect(young.status("a").role).toBe("leader");
    expect(change(young, "a", "-c")).toBe("refused");
  });

  it("a change that was cut off is in force nowhere", () => {
    const net = led("abc", "abc");
    net.isolate("a");
    change(net, "a", "-c");
    net.settle();
    expect(net.status("a").lastIndex).toBe(2);
    net.beat(40);
    net.heal();
    net.beat(20);
    for (const id of ["a", "b", "c"]) expect(shown(net, id)).toBe("abc///");
    const [leader] = net.leaders();
    expect(change(net, leader ?? "", "-a")).not.toBe("full");
  });

  it("is found again in the log after a restart, committed or not", () => {
    const net = led("abc", "abc");
    change(net, "a", "-c");
    net.beat(3);
    for (const id of ["a", "b"]) net.restart(id);
    net.beat(40);
    expect(net.leaders()).toHaveLength(1);
    expect(shown(net, "a")).toBe("ab///");
    expect(shown(net, "b")).toBe("ab///");
  });
});
