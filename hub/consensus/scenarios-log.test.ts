// Scripts about entries, the disk, snapshots and reads. Titles name the script of etcd-io/raft whose
// situation is restated, where there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet, type Net } from "./testing/net.ts";
import type { Message } from "./types.ts";

const trio = { hubs: ["a", "b", "c"] };

function ledTrio(config = {}): Net {
  const net = makeNet({ ...trio, config });
  net.elect("a");
  net.clearLog();
  return net;
}

const fieldsOf = (net: Net, id: string) => {
  const { match, next, state, inflight } = net.status("a").progress.get(id) ?? {};
  return { match, next, state, inflight };
};

describe("writes and the disk", () => {
  it("async_storage_writes: appends leave before the own write, answers behind the write", () => {
    const net = ledTrio();
    net.propose("a", "one");
    net.turn("a");
    expect(net.get("a").writes).toHaveLength(1);
    net.deliver(); // the followers have it before a has written it
    net.turn("b");
    expect(net.wire()).toEqual([]); // nothing is acknowledged yet
    net.store("b");
    expect(net.wire()).toMatchObject([{ type: "appended", from: "b", index: 2, isRefused: false }]);
    net.deliver();
    expect(net.status("a").commitIndex).toBe(1); // one of three has it
    net.store("a");
    expect(net.status("a").commitIndex).toBe(2);
  });

  it("[K62] commits with two followers while the leader's own disk stands still", () => {
    const net = ledTrio();
    net.get("a").isStalled = true;
    for (const word of ["one", "two", "three"]) net.propose("a", word);
    net.settle();
    expect(net.status("a")).toMatchObject({ commitIndex: 4, storedIndex: 1 });
    expect(net.words("b")).toEqual(["one", "two", "three"]);
    expect(net.words("a")).toEqual([]); // applied only what the own disk has (L2)
    net.get("a").isStalled = false;
    net.settle();
    expect(net.words("a")).toEqual(["one", "two", "three"]);
  });

  it("several writes are under way at once; each lets go what waits for it", () => {
    const net = ledTrio();
    net.get("b").isStalled = true;
    for (const word of ["one", "two"]) {
      net.propose("a", word);
      net.settle();
    }
    // Behind each: an acknowledgement that waits, of the append which told the commit.
    const indexes = net.get("b").writes.map(({ entries }) => entries.map(({ index }) => index));
    expect(indexes).toEqual([[2], [], [3], []]);
    const acknowledged = (): unknown[] =>
      net.wire().flatMap((message) => (message.type === "appended" ? [message.index] : []));
    net.store("b");
    net.store("b");
    expect(acknowledged()).toEqual([2, 2]);
    net.store("b");
    expect(acknowledged()).toEqual([2, 2, 3]);
  });

  it("async_storage_writes_append_aba_race: a late `stored` of an earlier term moves nothing (L4)", () => {
    const net = makeNet({
      hubs: ["a", "b", "c"],
      logs: { a: { terms: [1] }, b: { terms: [1] }, c: { terms: [1] } },
    });
    const { core } = net.get("a");
    const append = (term: number, prev: [number, number], terms: number[]): void => {
      const message: Message = {
        type: "append",
        from: term === 3 ? "c" : "b",
        to: "a",
        term,
        prevIndex: prev[0],
        prevTerm: prev[1],
        commit: 1,
        entries: terms.map((entryTerm, at) => ({
          index: prev[0] + 1 + at,
          term: entryTerm,
          kind: "commands",
          data: new Uint8Array(0),
        })),
      };
      core.step({ type: "message", message });
      net.turn("a");
    };
    append(2, [1, 1], [2, 2]); // write A: 2/2 3/2
    append(3, [1, 1], [3]); // write B: 2/3
    append(4, [1, 1], [2, 2]); // write C: 2/2 3/2 again, of a leader of term 4
    const late = { type: "stored", term: 2, index: 3, lastTerm: 2 } as const;
    core.step(late);
    expect(net.status("a").storedIndex).toBe(1);
    core.step({ type: "stored", term: 3, index: 2, lastTerm: 3 });
    expect(net.status("a").storedIndex).toBe(1);
    core.step({ type: "stored", term: 4, index: 3, lastTerm: 2 });
    expect(net.status("a").storedIndex).toBe(3);
  });

  it("a vote leaves only behind the write that holds it, and is kept through a crash (V1)", () => {
    const net = makeNet(trio);
    net.get("b").isStalled = true;
    net.get("c").isStalled = true;
    net.elect("a");
    expect(net.status("a").role).toBe("candidate");
    net.restart("b");
    net.store("c");
    net.settle();
    expect(net.status("a").role).toBe("leader"); // with c
    net.restart("c");
    expect(net.get("c").disk.hardState()).toMatchObject({ term: 1, vote: "a" });
    net.step("c", {
      type: "message",
      message: {
        type: "vote",
        from: "b",
        to: "c",
        term: 1,
        isPre: false,
        isForced: false,
        lastIndex: 9,
        lastTerm: 1,
      },
    });
    net.turn("c");
    expect(net.wire().at(-1)).toMatchObject({ type: "voted", from: "c", isGranted: false });
  });

  it("a vote in a term that the disk knows already is written too (V1)", () => {
    const net = makeNet(trio);
    const refusal = { type: "voted", from: "a", to: "c", isPre: true, isGranted: false } as const;
    net.step("c", { type: "message", message: { ...refusal, term: 5 } });
    net.settle();
    expect(net.get("c").disk.hardState()).toMatchObject({ term: 5, vote: null });
    net.step("c", {
      type: "message",
      message: {
        type: "vote",
        from: "b",
        to: "c",
        term: 5,
        isPre: false,
        isForced: false,
        lastIndex: 0,
        lastTerm: 0,
      },
    });
    net.settle();
    expect(net.log).toContain("c>b t5 voted yes");
    expect(net.get("c").disk.hardState()).toMatchObject({ term: 5, vote: "b" });
  });

  it("a candidate asks, and counts itself, only when its vote is on the disk (V1)", () => {
    const net = makeNet(trio);
    net.get("a").isStalled = true;
    net.elect("a");
    net.beat(3); // it repeats no question either
    expect(net.status("a").role).toBe("candidate");
    expect(net.log.filter((line) => line.includes(" vote "))).toEqual([]);
    const grant = { type: "voted", to: "a", term: 1, isPre: false, isGranted: true } as const;
    net.step("a", { type: "message", message: { ...grant, from: "b" } });
    expect(net.status("a").role).toBe("candidate"); // b and a would be two of three
    net.store("a");
    expect(net.status("a").role).toBe("leader");
  });

  it("full: proposals over the bound wait for a commit (E3)", () => {
    const net = ledTrio({ uncommittedBytesMax: 6 });
    net.isolate("a");
    expect(net.propose("a", "a proposal as long as it likes")).toBe("taken");
    expect(net.propose("a", "x")).toBe("full");
    net.heal();
    net.beat(3);
    expect(["one", "two", "x"].map((word) => net.propose("a", word))).toEqual([
      "taken",
      "taken",
      "full",
    ]);
  });
});

describe("replication", () => {
  it("lagging_commit: the last commit is told at once, also with nothing more to send", () => {
    const net = ledTrio();
    net.propose("a", "one");
    net.settle();
    expect(trio.hubs.map((id) => net.status(id).commitIndex)).toEqual([2, 2, 2]);
    // And where that message is lost, by the next heartbeat.
    net.dropWhere((message) => message.type === "append" && message.entries.length === 0);
    net.propose("a", "two");
    net.settle();
    expect(net.status("b").commitIndex).toBe(2);
    net.dropWhere(() => false);
    net.beat(1);
    expect(net.status("b").commitIndex).toBe(3);
  });

  it("what an append does not reach is not committed by it", () => {
    const net = makeNet({
      hubs: ["a", "b", "c"],
      logs: { a: { terms: [1, 1, 3] }, b: { terms: [1, 1, 2] }, c: { terms: [1, 1, 3] } },
    });
    const probe = {
      type: "append",
      from: "a",
      to: "b",
      term: 4,
      prevIndex: 2,
      prevTerm: 1,
    } as const;
    net.step("b", { type: "message", message: { ...probe, commit: 3, entries: [] } });
    expect(net.status("b")).toMatchObject({ commitIndex: 2, lastIndex: 3 });
    net.turn("b");
    net.settle();
    expect(net.log).toContain("b>a t4 appended 2");
  });

  it("probe_and_replicate: every log of figure 7 is brought to the leader's, one term a round trip", () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const others = {
      b: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      c: [1, 1, 1, 4],
      d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      e: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      f: [1, 1, 1, 4, 4, 4, 4],
      g: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    };
    const logs = Object.fromEntries(
      Object.entries({ a: leader, ...others }).map(([id, terms]) => [id, { terms, commit: 3 }]),
    );
    const net = makeNet({ hubs: Object.keys(logs), logs });
    // As in the paper the leader begins term 8; b, c, f and g vote for it.
    net.step("a", {
      type: "message",
      message: { type: "campaignNow", from: "b", to: "a", term: 7 },
    });
    net.settle();
    net.beat(5);
    expect(net.status("a").role).toBe("leader");
    for (const id of Object.keys(logs)) {
      expect(net.terms(id)).toEqual([...leader, 8]);
      expect(net.status(id).commitIndex).toBe(11);
    }
    const refusalsOf = (id: string): number =>
      net.log.filter((line) => line.startsWith(`${id}>a`) && line.includes("refused")).length;
    expect(refusalsOf("f")).toBe(1);
    expect(refusalsOf("g")).toBeLessThanOrEqual(2);
  });

  it("replicate_pause: a full window passes heartbeats and empty appends only (S1, P2)", () => {
    const net = ledTrio({ inflightMax: 2 });
    net.cutOneWay("c", "a");
    for (const word of ["one", "two", "three", "four"]) {
      net.propose("a", word);
      net.settle();
    }
    expect(fieldsOf(net, "c")).toMatchObject({
      state: "replicate",
      inflight: 2,
      match: 1,
      next: 4,
    });
    const sent = net.log.filter((line) => line.startsWith("a>c") && /append .*\[\d/.test(line));
    expect(sent).toHaveLength(2);
    net.heal();
    net.beat(3);
    expect(fieldsOf(net, "c")).toMatchObject({ inflight: 0, match: 5 });
    expect(net.words("c")).toEqual(["one", "two", "three", "four"]);
  });

  it("replicate_pause: bytes close the window too", () => {
    const net = ledTrio({ inflightMax: 100, inflightBytesMax: 6, messageBytesMax: 1 });
    net.cutOneWay("c", "a");
    for (const word of ["one", "two", "three", "four"]) net.propose("a", word);
    net.settle();
    expect(fieldsOf(net, "c")).toMatchObject({ inflight: 2, next: 4 });
  });

  it("lost appends are found by the next heartbeat and sent again", () => {
    const net = ledTrio();
    net.dropWhere((message) => message.type === "append" && message.to === "c");
    net.propose("a", "one");
    net.settle();
    expect(fieldsOf(net, "c")).toMatchObject({ match: 1, next: 3 });
    net.dropWhere(() => false);
    net.beat(2);
    expect(net.words("c")).toEqual(["one"]);
    expect(fieldsOf(net, "c")).toMatchObject({ state: "replicate", match: 2 });
  });

  it("heartbeat_resp_recovers_from_probing: a probe that got lost is repeated after an answer (P3)", () => {
    const net = ledTrio();
    net.step("a", { type: "unreachable", hub: "c" });
    expect(fieldsOf(net, "c").state).toBe("probe");
    net.dropWhere((message) => message.type === "append" && message.to === "c");
    net.propose("a", "one");
    net.propose("a", "two");
    net.settle();
    const probes = () =>
      net.log.filter((line) => line.startsWith("a>c") && line.includes("append")).length;
    net.dropWhere(() => false);
    net.propose("a", "three");
    net.settle();
    expect(probes()).toBe(0); // paused, whatever is proposed
    net.beat(1);
    expect(net.words("c")).toEqual(["one", "two", "three"]);
    expect(fieldsOf(net, "c").state).toBe("replicate");
  });

  it("a barred hub that lost what it acknowledged is filled again in the same term (P1)", () => {
    const net = ledTrio();
    for (const word of ["one", "two", "three"]) {
      net.propose("a", word);
      net.settle();
    }
    net.get("c").disk.damage(2);
    net.restart("c", { isBarred: true });
    net.clearLog();
    net.propose("a", "four");
    net.beat(4);
    expect(net.words("c")).toEqual(["one", "two", "three", "four"]);
    expect(fieldsOf(net, "c")).toMatchObject({ state: "replicate", match: 5 });
    expect(net.log.filter((line) => line.startsWith("c>a")).length).toBeLessThan(20);
  });

  it("messages stay in proportion under repetition (P2)", () => {
    const net = ledTrio({ inflightMax: 64, messageBytesMax: 1 });
    for (let at = 0; at < 200; at += 1) {
      net.propose("a", `${at}`);
      net.turn("a");
      for (const message of net.wire().slice()) net.inject(message); // everything twice
      net.settle();
    }
    expect(net.words("c")).toHaveLength(200);
    expect(net.log.length).toBeLessThan(200 * 20);
  });

  it("commits no entry of an earlier term by counting (figure 8, E2)", () => {
    const net = makeNet({
      hubs: ["a", "b", "c"],
      logs: { a: { terms: [1, 2] }, b: { terms: [1] }, c: { terms: [1] } },
    });
    net.dropWhere(
      (message) => message.type === "append" && message.entries.some(({ term }) => term === 3),
    );
    net.step("a", {
      type: "message",
      message: { type: "campaignNow", from: "b", to: "a", term: 2 },
    });
    net.settle();
    expect(net.status("a").role).toBe("leader");
    // b and c get the entry of term 2 alone: a majority has it, and it is not committed.
    for (const to of ["b", "c"]) {
      net.step("a", {
        type: "message",
        message: {
          type: "appended",
          from: to,
          to: "a",
          term: 3,
          index: 2,
          isRefused: false,
          hintIndex: 0,
          hintTerm: 0,
        },
      });
    }
    expect(net.status("a").commitIndex).toBe(0);
  });
});

function withSlowFollower(): Net {
  const net = ledTrio();
  net.isolate("c");
  for (const word of ["one", "two", "three"]) net.propose("a", word);
  net.settle();
  net.compact("a", 3);
  return net;
}

describe("snapshots", () => {
  it("slow_follower_after_compaction: a follower behind the log gets the snapshot, then the rest", () => {
    const net = withSlowFollower();
    net.heal();
    net.beat(4);
    expect(net.log).toContain("a>c t1 snapshot 3/1");
    expect(net.get("c").disk.log.offset).toEqual({ index: 3, term: 1 });
    expect(net.words("c")).toEqual(["three"]);
    expect(fieldsOf(net, "c")).toMatchObject({ state: "replicate", match: 4 });
  });

  it("is offered again while it is not installed, and taken once (F4)", () => {
    const net = withSlowFollower();
    net.get("c").isInstallHeld = true;
    net.heal();
    net.beat(5);
    expect(net.log.filter((line) => line === "a>c t1 snapshot 3/1").length).toBeGreaterThan(1);
    expect(fieldsOf(net, "c").state).toBe("snapshot");
    net.step("c", { type: "installed", index: 3, isDone: false });
    net.get("c").install = undefined;
    net.get("c").isInstallHeld = false;
    net.beat(3);
    expect(net.words("c")).toEqual(["three"]);
  });

  it("snapshot_succeed_via_app_resp: the acknowledgement of an installed snapshot resumes appends", () => {
    const net = withSlowFollower();
    net.heal();
    net.get("c").isInstallHeld = true;
    net.beat(3);
    net.clearLog();
    net.install("c");
    net.settle();
    expect(net.log[0]).toBe("c>a t1 appended 3");
    expect(fieldsOf(net, "c")).toMatchObject({ state: "replicate", match: 4 });
  });

  it("snapshot_succeed_via_app_resp_behind: an acknowledgement below it, but within the log, does too", () => {
    const net = withSlowFollower();
    net.heal();
    net.get("c").isInstallHeld = true;
    net.beat(3);
    net.propose("a", "four");
    net.settle();
    net.step("a", {
      type: "snapshotKept",
      index: 5,
      indexTerm: 1,
      membership: net.status("a").membership,
    });
    net.beat(2); // now the snapshot up to 5 is offered
    net.install("c"); // but c installs the first one
    net.settle();
    expect(fieldsOf(net, "c")).toMatchObject({ state: "replicate", match: 5 });
  });

  it("ignores a snapshot that is not ahead of the commit, and skips one that the log already has", () => {
    const net = ledTrio();
    net.propose("a", "one");
    net.settle();
    const { membership } = net.status("a");
    const offer = (index: number): void => {
      net.step("b", {
        type: "message",
        message: { type: "snapshot", from: "a", to: "b", term: 1, index, indexTerm: 1, membership },
      });
      net.turn("b");
    };
    offer(1);
    expect(net.get("b").install).toBeUndefined();
    expect(net.wire().at(-1)).toMatchObject({ type: "appended", index: 2 });
    net.dropWhere((message) => message.type === "append" && message.entries.length === 0);
    net.propose("a", "two");
    net.settle();
    expect(net.status("b")).toMatchObject({ commitIndex: 2, lastIndex: 3 });
    offer(3);
    expect(net.get("b").install).toBeUndefined();
    expect(net.status("b").commitIndex).toBe(3);
  });
});

describe("reads", () => {
  it("wait for an entry of the own term, then for a quorum (D2)", () => {
    const net = makeNet({
      ...trio,
      logs: { a: { terms: [1], commit: 1 }, b: { terms: [1] }, c: { terms: [1] } },
    });
    net.dropWhere((message) => message.type === "append");
    net.elect("a");
    net.read("a", 1);
    net.settle();
    expect(net.status("a")).toMatchObject({ role: "leader", isReadable: false });
    expect(net.get("a").reads).toEqual([]);
    net.dropWhere(() => false);
    net.beat(2);
    expect(net.get("a").reads).toEqual([{ id: 1, index: 2 }]);
  });

  it("[K107] an answer to an older heartbeat confirms no later read (etcd #20418, D1)", () => {
    const net = ledTrio();
    net.read("a", 1);
    net.turn("a");
    net.deliver(({ type }) => type === "heartbeat");
    net.turn("b");
    const late = net.wire().filter(({ type }) => type === "heartbeatAnswer");
    expect(late).toHaveLength(1);
    net.clearWire();
    net.isolate("a");
    net.read("a", 2);
    net.turn("a");
    net.clearWire();
    for (const message of late) net.step("a", { type: "message", message }); // however often
    for (const message of late) net.step("a", { type: "message", message });
    net.turn("a");
    expect(net.get("a").reads).toEqual([{ id: 1, index: 1 }]);
  });

  it("at a follower ask the leader, again if the question is lost, and end with its reign", () => {
    const net = ledTrio();
    net.dropWhere((message) => message.type === "readIndex");
    net.read("b", 1);
    net.settle();
    net.dropWhere(() => false);
    net.beat(1);
    expect(net.get("b").reads).toEqual([{ id: 1, index: 1 }]);
    net.isolate("b");
    net.read("b", 2);
    net.beat(30);
    expect(net.get("b").reads.at(-1)).toEqual({ id: 2, index: undefined });
    net.read("b", 3);
    net.settle();
    expect(net.get("b").reads.at(-1)).toEqual({ id: 3, index: undefined }); // no leader to ask
  });

  it("an answer meant for an earlier life of the hub serves nobody (D4)", () => {
    const net = ledTrio();
    net.read("b", 1);
    net.turn("b");
    net.deliver(({ type }) => type === "readIndex");
    net.restart("b", { random: () => 0.999 });
    net.beat(1);
    net.get("b").reads = [];
    net.isolate("b");
    net.read("b", 2);
    net.settle();
    net.step("b", {
      type: "message",
      message: {
        type: "readIndexAnswer",
        from: "a",
        to: "b",
        term: 1,
        id: Math.floor(0.1 * 2 ** 47) + 1,
        index: 1,
      },
    });
    net.turn("b");
    expect(net.get("b").reads).toEqual([]);
  });
});
