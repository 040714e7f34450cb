// The feed when nobody reads, when the first reader comes, and when the last one comes back.

import { MessageChannel } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { connectDesk } from "../../door/connect-desk.ts";
import { serveDesk } from "../../door/serve-desk.ts";
import type { Desk } from "../../ports.ts";
import { type FakeDesk, makeFakeDesk } from "../testing/fake-desk.ts";
import { eventually, makeRig } from "../testing/rig.ts";
import { type Feed, makeFeed } from "./feed.ts";
import { type EventPage, makeReader } from "./reader.ts";

const OTTO: Actor = { person: "otto", role: "operator", token: "tok_otto" };
const LINGER_MS = TIMEOUT.feedLingerMs;

interface Visitor {
  /** Positions seen so far, with `gap` where one was told. */
  readonly seen: (number | "gap")[];
  readonly pages: () => number;
  leave(): void;
}

interface House extends AsyncDisposable {
  readonly desk: FakeDesk;
  readonly feed: Feed;
  /** Appends a change to the log of the main thread; gives its position. */
  change(): number;
  /** Events that crossed to this worker. */
  readonly crossed: () => number;
  readonly tokenChanges: () => number;
  /** Lets this much time pass, and one beat. */
  pass(ms: number): Promise<void>;
  read(since?: number): Promise<Visitor>;
  settle(): Promise<void>;
  /** Ends the port, as a main thread that stops does. */
  hangUp(): void;
}

/** A feed at the worker's end of a real desk port. */
async function makeHouse(itemsMax?: number): Promise<House> {
  const desk = makeFakeDesk();
  const { port1, port2 } = new MessageChannel();
  const scope = makeScope(() => undefined);
  const remote = connectDesk(port2);
  let crossed = 0;
  let tokenChanges = 0;
  const counting: Desk = {
    ...remote,
    watch: (onItems, signal, options) =>
      remote.watch(
        (items) => {
          if (options?.types === undefined) crossed += items.length;
          onItems(items);
        },
        signal,
        options,
      ),
  };
  let nowMs = 0;
  let beat: (() => void) | undefined;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    sleep: (ms, signal) =>
      ms !== TIMEOUT.sseHeartbeatMs
        ? systemClock.sleep(ms, signal)
        : new Promise((resolve, reject) => {
            beat = resolve;
            signal.addEventListener("abort", () => reject(new Error("over")), { once: true });
          }),
  };
  const feed = makeFeed(counting, clock, scope, () => void (tokenChanges += 1), itemsMax);
  serveDesk(port1, desk, scope, silentLogger);
  const settle = async (): Promise<void> => {
    await eventually(() =>
      remote.authenticate("x").then(
        () => true,
        () => false,
      ),
    ); // all before it has come
  };
  await settle();

  return {
    desk,
    feed,
    change: () => desk.emit({ type: "flag.changed", subject: "a", data: 0 }),
    crossed: () => crossed,
    tokenChanges: () => tokenChanges,
    settle,
    hangUp: () => port1.close(),
    async pass(ms) {
      nowMs += ms;
      const { beats } = feed;
      beat?.();
      await eventually(() => feed.beats > beats);
      await settle();
    },
    async read(since) {
      const gone = new AbortController();
      const signal = AbortSignal.any([gone.signal, scope.signal]);
      await feed.join(signal);
      let pages = 0;
      const next = makeReader({
        feed,
        actor: OTTO,
        requestId: "req-12345678",
        types: undefined,
        since,
        async readPage(from, actor, limited) {
          pages += 1;
          const query = { since: from, limit: 1_000 };
          const request = { actor, requestId: "r", params: {}, query, body: undefined };
          return (await remote.call("events", request, { signal: limited })) as EventPage; // as the fake desk makes it
        },
        recheck: () => Promise.resolve(OTTO),
        signal,
      });
      const seen: (number | "gap")[] = [];
      const reading = (async () => {
        for (let text = await next(); text !== undefined; text = await next()) {
          for (const [, name, data] of text.matchAll(/event: (\S+)\ndata: (.*)\n/g)) {
            seen.push(name === "gap" ? "gap" : (JSON.parse(data ?? "") as LedgerEvent).id);
          }
        }
      })();
      scope.start("reader", () => reading);
      return { seen, pages: () => pages, leave: () => gone.abort() };
    },
    async [Symbol.asyncDispose]() {
      await scope.close();
      port2.close();
    },
  };
}

const upTo = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const change = (house: House, times: number): void => {
  for (let count = 0; count < times; count += 1) house.change();
};

describe("a feed that nobody reads", () => {
  it("is sent nothing but changes of tokens", async () => {
    await using house = await makeHouse();
    change(house, 100);
    house.desk.soft({ type: "telemetry", device: "a", phase: "idle" });
    await house.settle();
    expect([house.crossed(), house.tokenChanges(), house.desk.watches()]).toEqual([0, 0, 1]);
    house.desk.emit({ type: "token.changed", subject: "tok_ann", data: {} });
    await house.settle();
    expect([house.crossed(), house.tokenChanges()]).toEqual([0, 1]);
    house.desk.lapse();
    await house.settle();
    expect(house.tokenChanges()).toBe(2);
  });

  it("gives its first reader every event from its arrival on, and the position it starts from", async () => {
    await using house = await makeHouse();
    change(house, 7);
    const visitor = await house.read();
    expect(house.feed.position).toBe(7);
    change(house, 3);
    await eventually(() => visitor.seen.length === 3);
    expect(visitor.seen).toEqual([8, 9, 10]);
    expect(visitor.pages()).toBe(0);
  });

  it("neither loses nor doubles what happens while the watch begins", async () => {
    await using house = await makeHouse();
    change(house, 5);
    house.desk.beforePage(() => void house.change());
    const arriving = [house.read(2), house.read(0)];
    change(house, 2); // before the watch is there
    const visitors = await Promise.all(arriving);
    change(house, 3);
    const has = (id: number): boolean => visitors.every(({ seen }) => seen.at(-1) === id);
    await eventually(() => has(12)); // one of each page too
    expect(visitors.map(({ seen }) => seen)).toEqual([upTo(3, 12), upTo(1, 12)]);
    expect(house.desk.watches()).toBe(2);
  });

  it("keeps its ring for a reader that comes back soon", async () => {
    await using house = await makeHouse();
    const first = await house.read();
    change(house, 3);
    await eventually(() => first.seen.length === 3);
    first.leave();
    change(house, 4);
    await house.pass(LINGER_MS - 1);
    const again = await house.read(3);
    await eventually(() => again.seen.length === 4);
    expect([again.seen, again.pages()]).toEqual([[4, 5, 6, 7], 0]);
    await house.pass(10 * LINGER_MS); // it is read
    change(house, 1);
    await eventually(() => again.seen.at(-1) === 8);
  });

  it("[M36] [S16] lets go after a while, and then gives a reader that comes back what it missed from the log", async () => {
    await using house = await makeHouse();
    const first = await house.read();
    change(house, 3);
    await eventually(() => first.seen.length === 3);
    house.desk.soft({ type: "telemetry", device: "a", phase: "idle" });
    await house.settle();
    expect(house.feed.soft.size).toBe(1);
    first.leave();
    await house.pass(LINGER_MS);
    expect(house.desk.watches()).toBe(1);
    const before = house.crossed();
    change(house, 4);
    await house.settle();
    expect(house.crossed()).toBe(before);

    const again = await house.read(3);
    expect(house.feed.soft.size).toBe(0);
    change(house, 2);
    await eventually(() => again.seen.length === 6);
    expect(again.seen).toEqual(upTo(4, 9));
    expect(again.pages()).toBeGreaterThan(0);
  });

  it("reads on from the log after a lapse, also for a reader that had everything", async () => {
    await using house = await makeHouse();
    const visitor = await house.read();
    change(house, 2);
    await eventually(() => visitor.seen.length === 2);
    house.desk.lapse();
    await eventually(() => visitor.pages() === 1);
    change(house, 2);
    await eventually(() => visitor.seen.length === 4);
    expect(visitor.seen).toEqual([1, 2, 3, 4]);
  });

  it("tells a reader that its ring has left behind of the gap", async () => {
    await using house = await makeHouse(5);
    const visitor = await house.read();
    change(house, 1);
    await eventually(() => visitor.seen.length === 1);
    change(house, 20); // all of one turn: four batches at most are on their way, and then one
    await eventually(() => visitor.seen.at(-1) === 21);
    expect(visitor.seen.filter((one) => one === "gap").length).toBeGreaterThan(0);
    expect(visitor.seen.slice(-5)).toEqual(upTo(17, 21));
  });

  it("refuses a reader with stopping once the main thread is gone", async () => {
    await using house = await makeHouse();
    house.hangUp();
    await eventually(() => codeOfJoin(house).then((code) => code === "stopping"));
  });
});

const codeOfJoin = (house: House): Promise<unknown> =>
  house.feed.join(new AbortController().signal).then(
    () => "joined",
    (error: unknown) => (error as { code?: string }).code,
  );

describe("the door, while nobody reads events", () => {
  it("refuses a revoked token at once", async () => {
    await using rig = await makeRig();
    rig.desk.on("flags", () => ({ flags: [] }));
    const token = "ann-token";
    expect((await rig.ask("GET", "/api/flags", { token })).status).toBe(200);
    rig.desk.revoke(token);
    rig.desk.emit({ type: "token.changed", subject: "tok_ann", data: {} });
    expect((await rig.ask("GET", "/api/flags", { token })).status).toBe(401);
  });
});
