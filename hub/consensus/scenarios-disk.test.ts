// Scripts about writes and the disk. Titles name the script of etcd-io/raft whose
// situation is restated, where there is one; events and expectations are our own.

import { describe, expect, it } from "vitest";
import { makeNet } from "./testing/net.ts";
import { ledTrio, trio } from "./testing/trio.ts";
import type { Message } from "./types.ts";

/** The sender knows of no commit. */
const NOTHING = { commit: 0, commitTerm: 0 };

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
        ...NOTHING,
      },
    });
    net.turn("c");
    expect(net.wire().at(-1)).toMatchObject({ type: "voted", from: "c", isGranted: false });
  });

  it("a vote in a term that the disk knows already is written too (V1)", () => {
    const net = makeNet(trio);
    const refusal = {
      type: "voted",
      from: "a",
      to: "c",
      isPre: true,
      isGranted: false,
      ...NOTHING,
    } as const;
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
        ...NOTHING,
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
    const grant = {
      type: "voted",
      to: "a",
      term: 1,
      isPre: false,
      isGranted: true,
      ...NOTHING,
    } as const;
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
