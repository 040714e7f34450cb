import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BREAKER } from "../base/policy.ts";
import { seededRandom } from "../base/prng.ts";
import { type Clock, systemClock } from "../flow/clock.ts";
import { type Client, makeClient } from "./client.ts";
import { addressesIn, makeHubs } from "./hubs.ts";
import {
  type FakeHub,
  makeFakeHub,
  sendJson,
  sendProblem,
  sseText,
  startEvents,
} from "./testing/fake-hub.ts";

let hubs: FakeHub[];
beforeEach(async () => {
  hubs = [await makeFakeHub(), await makeFakeHub(), await makeFakeHub()];
});
afterEach(async () => {
  for (const hub of hubs) await hub[Symbol.asyncDispose]();
});
const hub = (place: number): FakeHub => {
  const found = hubs[place];
  if (found === undefined) throw new Error(`there is no hub ${place}`);
  return found;
};

/** What the client waited for between tries, ms. */
let waits: number[] = [];
const clock: Clock = {
  ...systemClock,
  sleep(ms, signal) {
    waits.push(Math.round(ms));
    return systemClock.sleep(ms / 100, signal);
  },
};
const client = (): Client => {
  waits = [];
  const [baseUrl = "", ...others] = hubs.map(({ url }) => url);
  return makeClient({ baseUrl, others, token: "gt_x", clock, random: seededRandom(1) });
};

describe("a client of several hubs", () => {
  it("[C36] turns to the next hub when one is gone, and stays there (HB1)", async () => {
    await hub(0)[Symbol.asyncDispose]();
    hub(1).json("GET /api/flags", { flags: [] });
    const one = client();
    await one.flags();
    await one.flags();
    expect(hub(1).seen).toHaveLength(2);
    expect(waits.every((ms) => ms <= 20)).toBe(true);
  });

  it("repeats a write on another hub under the same key (CL1)", async () => {
    hub(0).on("PUT /api/flags/a", (_, reply) => void reply.destroy());
    hub(1).json("PUT /api/flags/a", { key: "a", value: 1, revision: 2 });
    await client().flagSet({ key: "a", body: { value: 1 } });
    const [first, second] = [hub(0).seen[0], hub(1).seen[0]].map(
      (seen) => seen?.headers["idempotency-key"],
    );
    expect(first).toMatch(/^req_/);
    expect(second).toBe(first);
  });

  it("waits for Retry-After only when all hubs said no (CL4)", async () => {
    for (const each of hubs) {
      each.on("GET /api/flags", (_, reply, nth) =>
        nth === 0
          ? sendProblem(reply, "no_leader", "no hub leads", { retryAfterS: 1 })
          : sendJson(reply, { flags: [] }),
      );
    }
    await client().flags();
    expect(hubs.map(({ seen }) => seen.length)).toEqual([2, 1, 1]);
    expect(waits).toEqual([20, 20, 1_000]);
  });

  it("follows a leader that it did not know, and never down from TLS (HB3)", async () => {
    const leader = await makeFakeHub();
    try {
      hub(0).on("GET /api/flags", (_, reply) =>
        sendProblem(reply, "not_leader", "ask the leader", { address: leader.url }),
      );
      leader.json("GET /api/flags", { flags: [] });
      await client().flags();
      expect(leader.seen).toHaveLength(1);
    } finally {
      await leader[Symbol.asyncDispose]();
    }
    const safe = makeHubs(["https://a:1"], systemClock);
    expect(safe.follow("http://b:1")).toBe(false);
    expect(safe.follow("https://b:1")).toBe(true);
    expect(safe.current).toBe("https://b:1");
  });

  it("goes on with an answer and with events at another hub", async () => {
    const reply = { result: { output: "Hello", verbosity: 2 }, conversationId: "cnv_1" };
    hub(0).on("POST /api/query", (_, out) => {
      startEvents(out).write(sseText("token", { text: "Hel" }), () => out.destroy());
    });
    hub(1).on("POST /api/query", (_, out) => {
      startEvents(out).end(sseText("token", { text: "Hello" }) + sseText("reply", reply));
    });
    const pieces = await Array.fromAsync(client().stream({ prompt: "hi" }));
    expect(pieces.map((piece) => (piece.kind === "token" ? piece.text : "."))).toEqual([
      "Hel",
      "lo",
      ".",
    ]);
    hub(0).on("GET /api/events", (_, out) => {
      startEvents(out).write(sseText("a", {}, 7), () => out.destroy());
    });
    hub(1).on("GET /api/events", (_, out) => void startEvents(out).write(sseText("a", {}, 8)));
    const stopped = new AbortController();
    const ids: unknown[] = [];
    const one = client();
    for await (const { id } of one.events({ signal: stopped.signal })) {
      ids.push(id);
      if (ids.length === 1) await hub(0)[Symbol.asyncDispose]();
      if (ids.length === 2) stopped.abort();
    }
    expect(ids).toEqual([7, 8]);
    expect(hub(1).seen.at(-1)?.headers["last-event-id"]).toBe("7");
  });

  it("leaves a hub once for many calls that fail there together (HB2)", () => {
    const three = makeHubs(["http://a", "http://b/", "http://c"], systemClock);
    for (let turn = 0; turn < 5; turn += 1) three.failed("http://a");
    expect(three.current).toBe("http://b");
  });
});

function cut(known: ReturnType<typeof makeHubs>, address: string): void {
  for (let time = 0; time < BREAKER.failuresToOpen; time += 1) known.failed(address);
}

describe("[D10] a hub that failed again and again", () => {
  const [a, b, c] = ["http://a", "http://b", "http://c"];

  it("is passed over while another serves, and is tried again after its rest (HB4)", () => {
    let nowMs = 0;
    const known = makeHubs([a, b, c], { monotonic: () => nowMs });
    cut(known, b);
    known.failed(a);
    expect(known.current).toBe(c);
    nowMs += BREAKER.openMs;
    known.failed(c);
    known.failed(a);
    expect(known.current).toBe(b);
  });

  it("is tried as ever where all of them failed (HB4)", () => {
    const known = makeHubs([a, b, c], { monotonic: () => 0 });
    for (const each of [a, b, c]) cut(known, each);
    const tried = [a, b, c].map(() => {
      known.failed(known.current);
      return known.current;
    });
    expect(tried.toSorted()).toEqual([a, b, c]);
  });

  it("is not one that answers that it cannot now (HB1)", () => {
    const known = makeHubs([a, b], { monotonic: () => 0 });
    for (let time = 0; time < 3 * BREAKER.failuresToOpen; time += 1) {
      known.answered(known.current, false);
    }
    known.failed(known.current);
    known.failed(known.current);
    expect([a, b]).toContain(known.current);
    cut(known, a);
    expect(known.current).toBe(b);
    known.failed(b);
    expect(known.current).toBe(b);
  });
});

describe("a list of hubs", () => {
  it.each([
    ["a", ["http://a:80"]],
    ["a, b:81", ["http://a:80", "http://b:81"]],
    ["0.0.0.0", ["http://127.0.0.1:80"]],
    ["::1", ["http://[::1]:80"]],
    ["[::1]:9,::", ["http://[::1]:9", "http://[::1]:80"]],
    ["https://x:1/,10.0.0.1", ["https://x:1", "http://10.0.0.1:80"]],
  ])("%s", (text, addresses) => {
    expect(addressesIn(text, "http", 80)).toEqual(addresses);
  });
});
