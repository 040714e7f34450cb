// Scripts about bringing logs together. Titles name the script of etcd-io/raft whose
// situation is restated, where there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet } from "./testing/net.ts";
import { fieldsOf, ledTrio, trio } from "./testing/trio.ts";

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
