import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope, type Scope } from "@gantry/shared/flow/scope.ts";
import { makeFakeDesk } from "../testing/fake-desk.ts";
import { eventually } from "../testing/rig.ts";
import { type Feed, makeFeed } from "./feed.ts";
import { makeReader, type Reader, type ReaderOptions } from "./reader.ts";
import { makeRing } from "./ring.ts";

const ANN: Actor = { person: "ann", role: "viewer", token: "tok_ann" };

/** A clock whose beats come when they are called for. */
function makeBeats(): { readonly clock: Clock; readonly beat: () => void } {
  let waiting: (() => void) | undefined;
  return {
    clock: {
      ...systemClock,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (ms === TIMEOUT.sseHeartbeatMs) waiting = resolve;
          signal.addEventListener("abort", () => reject(new GantryError("cancelled", "over")));
        }),
    },
    beat: () => waiting?.(),
  };
}

async function readerOf(
  feed: Feed,
  { signal }: Scope,
  options: Partial<ReaderOptions> = {},
): Promise<Reader> {
  await feed.join(signal);
  return makeReader({
    feed,
    actor: ANN,
    requestId: "req-12345678",
    types: undefined,
    since: undefined,
    readPage: () => Promise.reject(new GantryError("internal", "no page is needed here")),
    recheck: () => Promise.resolve(ANN),
    signal,
    ...options,
  });
}

describe("a reader of the feed", () => {
  it("[M16] pings at each beat without news, and names the position it has passed over", async () => {
    const desk = makeFakeDesk();
    const { clock, beat } = makeBeats();
    await using scope = makeScope(() => undefined);
    const feed = makeFeed(desk, clock, scope, () => undefined);
    const next = await readerOf(feed, scope);
    expect(await next()).toBe("retry: 1000\n\n");
    const first = next();
    beat();
    expect(await first).toBe(": ping\n\n");
    desk.emit({ type: "question.asked", subject: "cnv_1", person: "bob", data: {} });
    const second = next();
    await eventually(() => feed.position === 1);
    beat();
    expect(await second).toBe("id: 1\n: ping\n\n");
  });

  it("[M14] ends after an hour in which it carried nothing, with the id from which its reader goes on; what was told since is then there", async () => {
    const desk = makeFakeDesk();
    const { clock, beat } = makeBeats();
    await using scope = makeScope(() => undefined);
    const feed = makeFeed(desk, clock, scope, () => undefined);
    const next = await readerOf(feed, scope);
    await next();
    desk.emit({ type: "flag.changed", subject: "door", data: {} });
    expect(await next()).toContain("flag.changed");
    const beats = LIFE.streamIdleMs / TIMEOUT.sseHeartbeatMs;
    for (let at = 1; at < beats; at += 1) {
      const piece = next();
      beat();
      expect(await piece).toBe(": ping\n\n");
    }
    const last = next();
    beat();
    expect(await last).toBe("id: 1\n: idle\n\n");
    expect(await next()).toBeUndefined();
    desk.emit({ type: "flag.changed", subject: "lamp", data: {} });
    await eventually(() => feed.position === 2);
    const again = await readerOf(feed, scope, { since: 1 });
    await again();
    expect(await again()).toContain("lamp");
  });

  it("ends when its token no longer holds at a beat", async () => {
    const { clock, beat } = makeBeats();
    await using scope = makeScope(() => undefined);
    const feed = makeFeed(makeFakeDesk(), clock, scope, () => undefined);
    const next = await readerOf(feed, scope, { recheck: () => Promise.resolve(undefined) });
    await next();
    const last = next();
    beat();
    expect(await last).toContain('"code":"unauthenticated"');
    expect(await next()).toBeUndefined();
  });

  it("says why and ends when the log cannot be read, also when it says gone without a place", async () => {
    await using scope = makeScope(() => undefined);
    const feed = makeFeed(makeFakeDesk(), makeBeats().clock, scope, () => undefined);
    for (const details of [{}, { oldest: 3 }]) {
      const readPage = () => Promise.reject(new GantryError("gone", "archived", { details }));
      const next = await readerOf(feed, scope, { since: 5, readPage });
      await next();
      expect(await next()).toContain('"code":"gone"');
      expect(await next()).toBeUndefined();
    }
  });

  it("sends one piece of at most about 64 KiB at a time", async () => {
    const desk = makeFakeDesk();
    await using scope = makeScope(() => undefined);
    const feed = makeFeed(desk, makeBeats().clock, scope, () => undefined);
    const next = await readerOf(feed, scope);
    for (let count = 0; count < 100; count += 1) {
      desk.emit({ type: "flag.changed", subject: "a", data: "x".repeat(10_000) });
    }
    await next();
    const piece = (await next()) ?? "";
    expect(piece.length).toBeGreaterThan(65_000);
    expect(piece.length).toBeLessThan(80_000);
  });
});

describe("the ring", () => {
  it("finds the item after a position, with holes between positions", () => {
    const ring = makeRing(4);
    for (const id of [2, 5, 6, 9, 12]) ring.push({ id, lines: [] }); // 2 is dropped
    const found = [1, 3, 4, 5, 7, 9, 11, 12, 99].map((id) => ring.seqAfter(id));
    expect(found).toEqual([undefined, undefined, 1, 2, 3, 4, 4, 5, 5]);
    expect([ring.first, ring.next]).toEqual([1, 5]);
    expect(makeRing(4).seqAfter(0)).toBeUndefined();
  });
});
