// Scripts about who leads. Titles name the script of etcd-io/raft whose situation is restated, where
// there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet } from "./testing/net.ts";
import { trio } from "./testing/trio.ts";

describe("elections", () => {
  it("[D21] campaign: pre-vote, vote behind the disk, opening entry, commit told", () => {
    const net = makeNet(trio);
    net.elect("a");
    expect(net.log).toEqual([
      "a>b t1 pre-vote 0/0",
      "a>c t1 pre-vote 0/0",
      "b>a t1 pre-voted yes",
      "c>a t1 pre-voted yes",
      "a>b t1 vote 0/0",
      "a>c t1 vote 0/0",
      "b>a t1 voted yes",
      "c>a t1 voted yes",
      "a>b t1 append 0/0 [1/1] c0",
      "a>c t1 append 0/0 [1/1] c0",
      "b>a t1 appended 1",
      "c>a t1 appended 1",
      "a>b t1 append 1/1 [] c1",
      "a>c t1 append 1/1 [] c1",
      "b>a t1 appended 1",
      "c>a t1 appended 1",
    ]);
  });

  it("single_node: leads alone once its vote is stored, and says nothing to anybody", () => {
    const net = makeNet({ hubs: ["a"] });
    net.get("a").isStalled = true;
    net.elect("a");
    expect(net.status("a").role).toBe("candidate");
    net.store("a");
    expect(net.status("a").role).toBe("leader");
    expect(net.wire()).toEqual([]);
  });

  it("campaign_learner_must_vote: a voter that does not know it is one still votes", () => {
    const net = makeNet({ hubs: ["a", "b", "c"], voters: ["a", "b"], learners: ["c"] });
    net.elect("a");
    // The promotion is committed by a and b; c has it not in its log when a dies.
    net.cut("a", "c");
    net.step("a", { type: "change", change: { steps: [{ type: "addVoter", hub: "c" }] } });
    net.settle();
    expect(net.status("b").membership.voters).toEqual(["a", "b", "c"]);
    expect(net.status("c").membership.learners).toEqual(["c"]);
    net.heal();
    net.isolate("a");
    net.tick("c", 10); // its lease is over; being a learner it does not campaign
    net.settle();
    expect(net.status("c").role).toBe("follower");
    net.elect("b");
    expect(net.status("b").role).toBe("leader");
    expect(net.status("c").membership.voters).toEqual(["a", "b", "c"]);
  });

  it("checkquorum: a leader that hears nobody steps down within an election time-out", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("a");
    net.tick("a", 10);
    net.settle();
    expect(net.status("a").role).toBe("leader"); // they were heard of within this period
    net.tick("a", 9);
    expect(net.status("a").role).toBe("leader");
    net.tick("a");
    expect(net.status("a")).toMatchObject({ role: "follower", leader: null, term: 1 });
  });

  it("checkquorum: ticks of a loop that stood still count against the leader", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("a");
    net.step("a", { type: "tick", lateTicks: 9 });
    net.step("a", { type: "tick", lateTicks: 9 });
    expect(net.status("a").role).toBe("follower");
  });

  it("V5: they bring no campaign nearer", () => {
    const net = makeNet(trio);
    net.elect("a");
    for (let at = 0; at < 9; at += 1) net.step("b", { type: "tick", lateTicks: 100 });
    expect(net.status("b")).toMatchObject({ role: "follower", leader: "a" });
  });

  it("prevote: a hub that was cut off raises no term and disturbs nobody when it is back", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("c");
    net.propose("a", "one");
    net.settle();
    net.beat(40);
    expect(net.status("c")).toMatchObject({ role: "preCandidate", term: 1 });
    net.heal();
    net.beat(3);
    expect(net.leaders()).toEqual(["a"]);
    expect(net.status("a").term).toBe(1);
    expect(net.words("c")).toEqual(["one"]);
  });

  it("prevote: a log that is behind gets no pre-vote, also without a lease (V2)", () => {
    const net = makeNet({
      hubs: ["a", "b", "c"],
      logs: { a: { terms: [1, 1] }, b: { terms: [1, 1] }, c: { terms: [1] } },
    });
    net.elect("c");
    expect(net.status("c")).toMatchObject({ role: "follower", term: 1 });
    expect(net.log).toContain("a>c t1 pre-voted no");
    net.elect("a");
    expect(net.leaders()).toEqual(["a"]);
    expect(net.terms("c")).toEqual([1, 1, 2]);
  });

  it("prevote_checkquorum: a lease holds off votes until its time is over", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("a");
    net.tick("b", 11);
    net.settle();
    expect(net.status("b").role).toBe("preCandidate"); // c has heard of a within ten ticks
    net.tick("c", 10);
    net.tick("b"); // repeats its question
    net.settle();
    expect(net.status("b")).toMatchObject({ role: "leader", term: 2 });
  });

  it("prevote_checkquorum: a hub stuck in a higher term is found again (A3)", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("c");
    // c comes to a higher term although nobody voted: a forced campaign that got lost.
    net.crown("c");
    expect(net.status("c")).toMatchObject({ role: "candidate", term: 2 });
    net.heal();
    net.clearLog();
    net.beat(1);
    expect(net.log).toContain("c>a t2 refused 0 hint 0/0");
    net.beat(40);
    expect(net.leaders()).toHaveLength(1);
    const { term } = net.status(net.leaders()[0] ?? "");
    expect(trio.hubs.map((id) => net.status(id).term)).toEqual([term, term, term]);
  });

  it("forget_leader: who lost the connection to the leader grants a pre-vote at once", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("a");
    for (const id of ["b", "c"]) net.step(id, { type: "unreachable", hub: "a" });
    net.tick("b", 2);
    net.settle();
    expect(net.status("b")).toMatchObject({ role: "leader", term: 2 });
  });

  it("[D3] forget_leader_prevote_checkquorum: one broken link elects nobody", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.cut("a", "c");
    net.step("c", { type: "unreachable", hub: "a" });
    net.beat(60);
    expect(net.leaders()).toEqual(["a"]);
    expect(net.status("a").term).toBe(1);
    expect(net.status("b").leader).toBe("a");
    net.heal();
    net.beat(2);
    expect(net.status("c")).toMatchObject({ role: "follower", leader: "a", term: 1 });
  });

  it.for([0, 0.3, 0.6, 0.99])(
    "two hubs that lose the leader at once, with the same luck (%d): the first one is elected (V6)",
    (luck) => {
      for (const hasHint of [true, false]) {
        const net = makeNet({ ...trio, config: { random: () => luck } });
        net.elect("a");
        net.beat(1);
        net.isolate("a");
        if (hasHint) for (const id of ["b", "c"]) net.step(id, { type: "unreachable", hub: "a" });
        for (let at = 0; at < 14; at += 1) {
          net.tick("b");
          net.tick("c");
          net.settle();
        }
        expect(net.status("b")).toMatchObject({ role: "leader", term: 2 });
        expect(net.status("c")).toMatchObject({ role: "follower", leader: "b" });
      }
    },
  );

  it("two candidates with one vote each: one of them is elected within an election time-out (V7)", () => {
    const net = makeNet({
      ...trio,
      configOf: (id) => ({ random: () => (id === "b" ? 0.8 : 0.1) }),
    });
    net.elect("a");
    net.isolate("a");
    net.step("c", { type: "unreachable", hub: "a" });
    net.tick("c", 2);
    net.step("b", { type: "unreachable", hub: "a" });
    net.tick("b", 1);
    net.tick("b", 1);
    net.tick("c", 1);
    net.settle();
    expect(["b", "c"].map((id) => net.status(id).role)).toEqual(["candidate", "candidate"]);
    for (let at = 0; at < 10; at += 1) {
      net.tick("b");
      net.tick("c");
      net.settle();
    }
    expect(net.status("c")).toMatchObject({ role: "leader", term: 3 });
  });

  it("forget_leader_read_only_lease_based: a leader that others gave up serves no read", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("a");
    net.read("a", 1);
    net.settle();
    for (const id of ["b", "c"]) net.step(id, { type: "unreachable", hub: "a" });
    net.tick("b", 4);
    net.settle();
    net.propose("b", "newer");
    net.settle();
    expect(net.get("a").reads).toEqual([]);
    net.beat(20); // CheckQuorum at a
    expect(net.get("a").reads).toEqual([{ id: 1, index: undefined }]);
  });

  it("partial connectivity: 1-2 and 2-3 connected, 1-3 cut: progress with whoever led", () => {
    for (const first of trio.hubs) {
      const net = makeNet(trio);
      net.elect(first);
      net.cut("a", "c");
      net.beat(60);
      const [leader] = net.leaders();
      expect(leader).toBeDefined();
      expect(net.propose(leader ?? "", "one")).toBe("taken");
      net.beat(2);
      expect(net.words("b")).toEqual(["one"]);
      expect(net.status("b").term).toBeLessThanOrEqual(2);
    }
  });
});

describe("hand-over", () => {
  it("passes leases and PreVote, refuses proposals meanwhile, loses nothing", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("c");
    net.propose("a", "one");
    net.settle();
    net.heal();
    expect(net.step("a", { type: "transfer", to: "c" })).toBe("taken");
    expect(net.propose("a", "two")).toBe("refused");
    net.beat(2); // c lacks an entry: it is sent first
    expect(net.leaders()).toEqual(["c"]);
    expect(net.status("c").term).toBe(2);
    expect(net.words("c")).toEqual(["one"]);
    expect(net.log.some((line) => line.includes("pre-vote ") && line.startsWith("c>"))).toBe(false);
  });

  it("is given up after one election time-out", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.isolate("c");
    net.step("a", { type: "transfer", to: "c" });
    net.beat(9);
    expect(net.propose("a", "one")).toBe("refused");
    net.beat(1);
    expect(net.propose("a", "one")).toBe("taken");
  });

  it("is refused by followers, and to learners, strangers and oneself", () => {
    const net = makeNet({ hubs: ["a", "b", "c"], voters: ["a", "b"], learners: ["c"] });
    net.elect("a");
    for (const to of ["a", "c", "x"])
      expect(net.step("a", { type: "transfer", to })).toBe("refused");
    expect(net.step("b", { type: "transfer", to: "b" })).toBe("refused");
  });
});

describe("hubs with less than a full vote", () => {
  it("a witness votes, and leads only until a hub with state has caught up", () => {
    const net = makeNet({
      ...trio,
      config: { witnesses: new Set(["c"]) },
      configOf: (id) => (id === "c" ? { isWitness: true } : {}),
    });
    net.elect("a");
    net.isolate("b");
    net.propose("a", "one");
    net.settle();
    expect(net.words("c")).toEqual(["one"]); // a and the witness are a quorum
    net.heal();
    net.isolate("a");
    net.beat(60); // b lacks the entry: only the witness can be elected, and b takes over from it
    expect(net.leaders()).toContain("b");
    expect(net.words("b")).toEqual(["one"]);
    expect(net.step("b", { type: "transfer", to: "c" })).toBe("refused");
  });

  it("a barred hub takes entries, and neither votes nor campaigns", () => {
    const net = makeNet({ ...trio, configOf: (id) => (id === "c" ? { isBarred: true } : {}) });
    net.elect("a");
    net.propose("a", "one");
    net.settle();
    expect(net.words("c")).toEqual(["one"]);
    net.isolate("a");
    net.beat(60);
    expect(net.leaders()).toEqual([]); // b alone is no quorum
    expect(net.status("c").role).toBe("follower");
    expect(net.log).toContain("c>b t1 pre-voted no");
  });
});
