import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assert } from "@gantry/shared/base/assert.ts";
import { parseSelector } from "@gantry/shared/contract/selector.ts";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { steps } from "../../tests/support/any-commands.ts";
import {
  addNode,
  command,
  type LedgerRig,
  makeLedgerRig,
  register,
} from "../ledger/testing/rig.ts";
import {
  makeWatchCore,
  shownItems,
  type WatchBounds,
  type WatchCore,
  type Watcher,
  watchFilter,
  type WatchFilter,
} from "./watches.ts";

interface Line {
  readonly rig: LedgerRig;
  readonly core: WatchCore;
  /** Gives the core what the rig has done since the last time, entry by entry. */
  readonly feed: () => void;
  readonly set: (value: number) => void;
}

function makeLine(bounds?: WatchBounds, rig = makeLedgerRig()): Line {
  const core = makeWatchCore(() => rig.rows, rig.ledger.position, bounds);
  let fed = rig.events.length;
  const feed = (): void => {
    const byId = Map.groupBy(rig.events.slice(fed), ({ id }) => id);
    fed = rig.events.length;
    for (const events of byId.values()) core.take(events);
  };
  const set = (value: number): void => {
    rig.act({ type: "flagSet", key: `f${value % 3}`, value });
    feed();
  };
  return { rig, core, feed, set };
}

const types = (messages: readonly WatchMessage[]): string[] => messages.map(({ type }) => type);
const ALL = watchFilter({});

/** What a client puts together from messages. */
class View {
  readonly items = new Map<string, unknown>();
  revision = 0;

  take(messages: readonly WatchMessage[]): void {
    for (const message of messages) this.#one(message);
  }

  #one(message: WatchMessage): void {
    assert(message.revision >= this.revision, "WK2: revisions grow");
    if (message.type === "compacted") return;
    this.revision = message.revision;
    if (message.type === "progress") return;
    if (message.type === "snapshot") {
      if (message.isFirst) this.items.clear();
      for (const { key, value } of message.items) this.items.set(key, value);
      return;
    }
    for (const change of message.changes) {
      if ("gone" in change) this.items.delete(change.key);
      else this.items.set(change.key, change.value);
    }
  }
}

const asItIs = (rig: LedgerRig, filter: WatchFilter): Map<string, unknown> =>
  new Map(shownItems(rig.rows, filter).map(({ key, value }) => [key, value]));

describe("a watch", () => {
  it("since 0 gives a snapshot, then deltas in order", () => {
    const { core, set } = makeLine();
    set(1);
    const watcher = core.open(ALL, 0);
    const [snapshot] = watcher.next();
    expect(snapshot).toMatchObject({ type: "snapshot", revision: 1, isFirst: true, isLast: true });
    expect(watcher.next()).toEqual([]);
    set(2);
    set(3);
    expect(watcher.next()).toMatchObject([
      { type: "delta", revision: 2, changes: [{ key: "flag/f2", value: { value: 2 } }] },
      { type: "delta", revision: 3, changes: [{ key: "flag/f0", value: { value: 3 } }] },
    ]);
    expect(watcher.next()).toEqual([]);
  });

  it("since 0 of an empty registry gives an empty snapshot: that it is empty is an answer", () => {
    const watcher = makeLine().core.open(ALL, 0);
    expect(watcher.next()).toEqual([
      { type: "snapshot", revision: 0, items: [], isFirst: true, isLast: true },
    ]);
  });

  it("since now gives only what comes, and a progress mark where nothing does", () => {
    const { core, set } = makeLine();
    set(1);
    const watcher = core.open(ALL, "now");
    expect(watcher.next()).toEqual([]);
    expect(watcher.progress()).toEqual({ type: "progress", revision: 1 });
    set(2);
    expect(types(watcher.next())).toEqual(["delta"]);
  });

  it("since a revision goes on after it, at another hub as well", () => {
    const { core, set } = makeLine();
    for (let n = 1; n <= 5; n += 1) set(n);
    expect(
      core
        .open(ALL, 3)
        .next()
        .map(({ revision }) => revision),
    ).toEqual([4, 5]);
    expect(core.open(ALL, 5).next()).toEqual([]);
    // A hub that is behind says nothing until it has passed what the client has.
    const ahead = core.open(ALL, 7);
    set(6);
    set(7);
    expect(ahead.next()).toEqual([]);
    set(8);
    expect(ahead.next().map(({ revision }) => revision)).toEqual([8]);
  });

  it("since a revision that is no longer kept is compacted: snapshot at R, deltas from R + 1", () => {
    const { core, set } = makeLine({ ringMax: 3, lagMax: 3 });
    for (let n = 1; n <= 10; n += 1) set(n);
    const watcher = core.open(ALL, 6);
    expect(watcher.next()).toMatchObject([
      { type: "compacted", since: 6, revision: 10 },
      { type: "snapshot", revision: 10 },
    ]);
    set(11);
    expect(watcher.next()).toMatchObject([{ type: "delta", revision: 11 }]);
    expect(types(core.open(ALL, 8).next())).toEqual(["delta", "delta", "delta"]);
  });

  it("since before this hub started is compacted", () => {
    const rig = makeLedgerRig();
    rig.act({ type: "flagSet", key: "a", value: 1 });
    rig.act({ type: "flagSet", key: "a", value: 2 });
    const { core } = makeLine(undefined, rig);
    expect(types(core.open(ALL, 1).next())).toEqual(["compacted", "snapshot"]);
    expect(core.open(ALL, 2).next()).toEqual([]);
  });

  it("that does not read is compacted at its own bound, and delays nobody", () => {
    const { core, set } = makeLine({ ringMax: 100, lagMax: 2 });
    const slow = core.open(ALL, "now");
    const quick = core.open(ALL, "now");
    for (let n = 1; n <= 3; n += 1) {
      set(n);
      expect(types(quick.next())).toEqual(["delta"]);
    }
    expect(types(slow.next())).toEqual(["compacted", "snapshot"]);
    set(4);
    expect(types(slow.next())).toEqual(["delta"]);
  });

  it("gets a snapshot after the rows were replaced as a whole", () => {
    const { core, set } = makeLine();
    set(1);
    const watcher = core.open(ALL, "now");
    core.reset(50);
    expect(watcher.next()).toMatchObject([
      { type: "compacted", since: 1 },
      { type: "snapshot", revision: 50 },
    ]);
  });

  it("of a prefix or of kinds hears of nothing else, and its progress goes on", () => {
    const { rig, core, feed, set } = makeLine();
    const one = core.open(watchFilter({ prefix: "flag/f1" }), "now");
    const nodes = core.open(watchFilter({ kinds: ["node"] }), "now");
    set(1);
    set(2);
    expect(one.next()).toMatchObject([{ revision: 1 }]);
    expect(nodes.next()).toEqual([]);
    expect(nodes.progress().revision).toBe(2);
    addNode(rig);
    feed();
    expect(
      nodes.next().flatMap((message) => ("changes" in message ? message.changes : [])),
    ).toMatchObject([
      { key: "node/node_1" }, // enrolled
      { key: "node/node_1", value: { state: "alive" } },
    ]);
    expect(one.next()).toEqual([]);
  });

  it("of a selector hears that a node no longer matches, and nothing secret of one that does", () => {
    const { rig, core, feed } = makeLine();
    addNode(rig);
    feed();
    const watcher = core.open(watchFilter({ selector: parseSelector("state=alive") }), 0);
    const text = JSON.stringify(watcher.next());
    expect(text).toContain("node/node_1");
    expect(text).not.toMatch(/secret|publicKey/);
    rig.act({ type: "nodeStateChanged", node: "node_1", bootId: "boot_1", state: "suspect" });
    feed();
    expect(watcher.next()).toMatchObject([{ changes: [{ key: "node/node_1", gone: true }] }]);
    register(rig);
    feed();
    expect(watcher.next()).toMatchObject([{ changes: [{ key: "node/node_1" }] }]);
  });

  it("[K107] put together is the registry as it is: any commands, filters, bounds, and order of reading", () => {
    const filters: readonly WatchFilter[] = [
      ALL,
      watchFilter({ kinds: ["lock", "flag"] }),
      watchFilter({ prefix: "node/node_1" }),
      watchFilter({ selector: parseSelector("state in (alive,suspect), !printer.two") }),
      watchFilter({ kinds: ["node", "device", "hub"], selector: parseSelector("printer") }),
    ];
    const bounds = fc.record({
      ringMax: fc.integer({ min: 1, max: 30 }),
      lagMax: fc.integer({ min: 1, max: 30 }),
    });
    const reads = fc.array(fc.nat(9), { minLength: 120, maxLength: 120 });
    fc.assert(
      fc.property(steps(120), bounds, reads, (sequence, bound, draws) => {
        const rig = makeLedgerRig();
        addNode(rig);
        const line = makeLine(bound, rig);
        const opened: { filter: WatchFilter; watcher: Watcher; view: View }[] = [];
        sequence.forEach(({ envelope, body, isAfterRestart }, place) => {
          if (isAfterRestart) rig.restart();
          rig.apply(command(body(rig.rows), envelope));
          line.feed();
          const draw = draws[place] ?? 0;
          const filter = filters[draw % filters.length] ?? ALL;
          if (draw < 3)
            opened.push({ filter, watcher: line.core.open(filter, 0), view: new View() });
          const reader = opened[draw % Math.max(1, opened.length)];
          if (draw > 4 && reader !== undefined) reader.view.take(reader.watcher.next());
          // A client that connects again with what it has, here or at another hub.
          if (draw === 9 && reader !== undefined && reader.view.revision > 0) {
            reader.watcher = line.core.open(reader.filter, reader.view.revision);
          }
        });
        for (const { filter, watcher, view } of opened) {
          for (let left = watcher.next(); left.length > 0; left = watcher.next()) view.take(left);
          expect(view.items).toEqual(asItIs(rig, filter));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("tells all changes of one log entry as one delta", () => {
    const { rig, core } = makeLine();
    const watcher = core.open(ALL, "now");
    const [a, b] = [1, 2].map((value) => command({ type: "flagSet", key: "same", value }));
    rig.apply(...[a, b].flatMap((one) => one ?? []));
    core.take(rig.events);
    expect(watcher.next()).toMatchObject([
      { type: "delta", revision: 2, changes: [{ key: "flag/same", value: { value: 2 } }] },
    ]);
  });
});
