// Scripts about snapshots and reads. Titles name the script of etcd-io/raft whose
// situation is restated, where there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet, type Net } from "./testing/net.ts";
import { fieldsOf, ledTrio, trio } from "./testing/trio.ts";

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
