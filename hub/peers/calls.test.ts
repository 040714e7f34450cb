import { expect, onTestFinished, test, vi } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { BREAKER } from "@gantry/shared/base/policy.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import type { PeerLink } from "../ports.ts";
import { makePeerCalls, type PeerCalls, type ServeCall } from "./calls.ts";

type Post = PeerLink["post"];

/** A clock whose sleeps end only when `pass` is called. */
function handClock(): Clock & { readonly pass: (ms: number) => void } {
  let nowMs = 0;
  const sleeping = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    timeout: (ms, parent) => systemClock.timeout(ms, parent),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(new Error("aborted"));
        const sleeper = { untilMs: nowMs + ms, wake: resolve };
        sleeping.add(sleeper);
        signal.addEventListener("abort", () => {
          sleeping.delete(sleeper);
          reject(new Error("aborted"));
        });
      }),
    pass(ms) {
      nowMs += ms;
      for (const sleeper of sleeping) {
        if (sleeper.untilMs > nowMs) continue;
        sleeping.delete(sleeper);
        sleeper.wake();
      }
    },
  };
}

/** Hubs `a` and `b` over posts that arrive in the next turn. `outcome`: what a post of `from` does. */
function twoEnds() {
  const clock = handClock();
  const outcomes: Record<string, ReturnType<Post>> = { a: "sent", b: "sent" };
  const sent: [from: string, body: unknown][] = [];
  const ends: Record<string, PeerCalls> = {};
  const open = (own: string, other: string, bootId: string): PeerCalls => {
    const post: Post = (to, body) => {
      const outcome = to === other ? (outcomes[own] ?? "absent") : "absent";
      if (JSON.stringify(body).length > 100_000) throw new GantryError("too_large", "no frame");
      if (outcome !== "sent") return outcome;
      sent.push([own, body]);
      const wire: unknown = JSON.parse(JSON.stringify(body));
      queueMicrotask(() => ends[other]?.posted(own, wire));
      return "sent";
    };
    const calls = makePeerCalls({ link: { post }, clock, log: silentLogger, bootId });
    ends[own] = calls;
    onTestFinished(() => calls.close());
    return calls;
  };
  return { a: open("a", "b", "boot-a"), b: open("b", "a", "boot-b"), clock, outcomes, sent, open };
}

const NEVER = new AbortController().signal;
const options = { signal: NEVER, timeoutMs: 1_000 };
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const echo: ServeCall = async (from, kind, body) => ({ from, kind, body });

/** A server whose calls wait until they are answered by hand. */
function byHand() {
  const calls: {
    readonly body: unknown;
    readonly signal: AbortSignal;
    readonly onText: (text: string) => void;
    readonly resolve: (value: unknown) => void;
  }[] = [];
  const serve: ServeCall = (_from, _kind, body, { signal, onText }) =>
    new Promise((resolve, reject) => {
      calls.push({ body, signal, onText, resolve });
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  return { calls, serve };
}

test("a call is answered by the other hub, and both may ask at once", async () => {
  const { a, b } = twoEnds();
  a.serve(echo);
  b.serve(echo);
  const answers = await Promise.all([
    a.call("b", "facts", { n: 1 }, options),
    b.call("a", "facts", undefined, options),
    a.call("b", "other", null, options),
  ]);
  expect(answers).toEqual([
    { from: "a", kind: "facts", body: { n: 1 } },
    { from: "b", kind: "facts" },
    { from: "a", kind: "other", body: null },
  ]);
});

test("an error crosses with code and details, a bug as internal, and no server as starting", async () => {
  const { a, b } = twoEnds();
  await expect(a.call("b", "x", 1, options)).rejects.toMatchObject({ code: "starting" });
  b.serve((_from, kind) =>
    Promise.reject(
      kind === "bug"
        ? new Error("a secret")
        : new GantryError("conflict", "no", { details: { at: 7 } }),
    ),
  );
  await expect(a.call("b", "x", 1, options)).rejects.toMatchObject({
    code: "conflict",
    message: "no",
    details: { at: 7 },
  });
  await expect(a.call("b", "bug", 1, options)).rejects.toMatchObject({
    code: "internal",
    message: expect.not.stringContaining("secret") as string,
  });
});

test("CL4: text comes in order before the answer; a lost piece fails the call and ends the work", async () => {
  const { a, b } = twoEnds();
  const { calls, serve } = byHand();
  b.serve(serve);
  const pieces: string[] = [];
  const answer = a.call("b", "ask", 1, { ...options, onText: (text) => pieces.push(text) });
  await settled();
  for (const text of ["one ", "two ", "three"]) calls[0]?.onText(text);
  calls[0]?.resolve("end");
  expect(await answer).toBe("end");
  expect(pieces).toEqual(["one ", "two ", "three"]);

  const torn = a.call("b", "ask", 2, options);
  await settled();
  calls[1]?.onText("heard");
  await settled();
  const id = "boot-a.2";
  a.posted("b", { k: "text", id, seq: 0, text: "twice" });
  a.posted("b", { k: "text", id, seq: 2, text: "too far" });
  await expect(torn).rejects.toMatchObject({ code: "interrupted" });
  await settled();
  expect(calls[1]?.signal.aborted).toBe(true);
});

test("CL5: a cancel and a time-out end the call here and the work there", async () => {
  const { a, b, clock } = twoEnds();
  const { calls, serve } = byHand();
  b.serve(serve);
  const mine = new AbortController();
  const cancelled = a.call("b", "ask", 1, { ...options, signal: mine.signal });
  const slow = a.call("b", "ask", 2, { ...options, timeoutMs: 500 });
  await settled();
  mine.abort();
  await expect(cancelled).rejects.toMatchObject({ code: "cancelled" });
  clock.pass(499);
  await settled();
  expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  clock.pass(1);
  await expect(slow).rejects.toMatchObject({ code: "timeout", details: { isSent: true } });
  await settled();
  expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  await expect(a.call("b", "ask", 3, { ...options, signal: mine.signal })).rejects.toMatchObject({
    code: "cancelled",
  });
  expect(calls).toHaveLength(2);
});

test("CL2: a lost link ends its calls at once as unknown; one that never left is surely not done", async () => {
  const { a, b, outcomes } = twoEnds();
  const { serve } = byHand();
  b.serve(serve);
  const open = a.call("b", "ask", 1, options);
  await settled();
  a.lost("c");
  a.lost("b");
  await expect(open).rejects.toMatchObject({ code: "unreachable", details: { isSent: true } });
  outcomes["a"] = "absent";
  await expect(a.call("b", "ask", 2, options)).rejects.toMatchObject({
    code: "unreachable",
    details: { isSent: false },
  });
  outcomes["a"] = "full";
  await expect(a.call("b", "ask", 3, options)).rejects.toMatchObject({ code: "busy" });
});

test("CL5: an answer waits for a link that blinks; a hub that stays away ends its work", async () => {
  const { a, b, clock, outcomes } = twoEnds();
  const { calls, serve } = byHand();
  b.serve(serve);
  const pieces: string[] = [];
  const first = a.call("b", "ask", 1, {
    ...options,
    timeoutMs: 60_000,
    onText: (t) => pieces.push(t),
  });
  void a.call("b", "ask", 2, { ...options, timeoutMs: 60_000 }).catch(() => {});
  await settled();
  outcomes["b"] = "absent";
  b.lost("a");
  calls[0]?.onText("one");
  calls[0]?.onText("two");
  calls[0]?.resolve("late, but here");
  await settled();
  clock.pass(1_000);
  await settled();
  outcomes["b"] = "sent";
  clock.pass(20);
  expect(await first).toBe("late, but here");
  expect(pieces).toEqual(["one", "two"]);
  clock.pass(1_000);
  await settled();
  expect(calls[1]?.signal.aborted).toBe(false);
  outcomes["b"] = "absent";
  b.lost("a");
  await settled();
  clock.pass(2_000);
  await vi.waitFor(() => expect(calls[1]?.signal.aborted).toBe(true));
});

test("CL1 CL3: repeated, late and foreign messages change nothing", async () => {
  const { a, b, sent } = twoEnds();
  let served = 0;
  b.serve(async () => {
    served += 1;
    return served;
  });
  expect(await a.call("b", "count", 1, options)).toBe(1);
  const [, request] = sent.find(([from]) => from === "a") ?? [];
  b.posted("a", JSON.parse(JSON.stringify(request)));
  await settled();
  expect(served).toBe(1);
  const open = a.call("b", "count", 1, options);
  a.posted("c", { k: "done", id: "boot-a.2", seq: 0, body: "of another hub" });
  a.posted("b", { k: "done", id: "boot-a.1", seq: 0, body: "late" });
  a.posted("b", { k: "done", id: "boot-0.2", seq: 0, body: "of an earlier start" });
  expect(await open).toBe(2);
});

test("CL6: more calls than the bound are busy at once, and room comes back", async () => {
  const { a, b } = twoEnds();
  const { calls, serve } = byHand();
  b.serve(serve);
  const open = Array.from({ length: 4_096 }, (_, body) => a.call("b", "ask", body, options));
  await expect(a.call("b", "ask", "one more", options)).rejects.toMatchObject({ code: "busy" });
  await settled();
  for (const { body, resolve } of calls) resolve(body);
  expect(await Promise.all(open)).toEqual(Array.from({ length: 4_096 }, (_, body) => body));
  const later = a.call("b", "ask", "later", options);
  await settled();
  calls.at(-1)?.resolve("room");
  expect(await later).toBe("room");
});

test("an answer that fits no frame is told as too_large", async () => {
  const { a, b } = twoEnds();
  b.serve(async () => "x".repeat(200_000));
  await expect(a.call("b", "ask", 1, options)).rejects.toMatchObject({ code: "too_large" });
});

test("tell is one way: it is served, its error stays there, and nothing comes back", async () => {
  const { a, b, sent } = twoEnds();
  const told: unknown[] = [];
  b.serve(async (from, kind, body) => {
    told.push([from, kind, body]);
    throw new GantryError("conflict", "nobody hears this");
  });
  expect(a.tell("b", "soft", [1])).toBe("sent");
  expect(a.tell("c", "soft", [1])).toBe("absent");
  await settled();
  expect(told).toEqual([["a", "soft", [1]]]);
  expect(sent.map(([from]) => from)).toEqual(["a"]);
});

test("garbage is dropped and nothing throws", async () => {
  const { a, b } = twoEnds();
  b.serve(echo);
  const garbage: unknown[] = [
    undefined,
    null,
    7,
    "x",
    [],
    {},
    { k: "call" },
    { k: "nobody", id: "1" },
    { k: 1, id: "1" },
    { k: "call", id: "1", kind: 2, ms: 1 },
    { k: "call", id: "1", kind: "x", ms: "soon" },
    { k: "text", id: "1", seq: -1, text: "" },
    { k: "done", id: "1" },
    { k: "tell" },
    { k: "failed", id: "1", error: 5 },
    { k: "cancel", id: "nobody" },
  ];
  for (const body of garbage) b.posted("a", body);
  const open = a.call("b", "x", 1, options);
  a.posted("b", { k: "failed", id: "boot-a.1", error: { code: "from the future", message: "?" } });
  await expect(open).rejects.toMatchObject({ code: "internal" });
});

test("close ends open calls with stopping and aborts what is served", async () => {
  const { a, b } = twoEnds();
  const { calls, serve } = byHand();
  b.serve(serve);
  const open = a.call("b", "ask", 1, options);
  const other = a.call("b", "ask", 2, options);
  void other.catch(() => {});
  await settled();
  await a.close();
  await expect(open).rejects.toMatchObject({ code: "stopping" });
  await expect(a.call("b", "ask", 2, options)).rejects.toMatchObject({ code: "stopping" });
  await b.close();
  expect(calls.every(({ signal }) => signal.aborted)).toBe(true);
});

test("[D10] a hub without a link is left alone after some calls, and is called again when the link is up (CL7)", async () => {
  const { a, b, outcomes, sent } = twoEnds();
  b.serve(echo);
  outcomes["a"] = "absent";
  for (let failures = 0; failures < BREAKER.failuresToOpen; failures += 1) {
    await expect(a.call("b", "k", 0, options)).rejects.toMatchObject({ code: "unreachable" });
  }
  outcomes["a"] = "sent";
  const refused = a.call("b", "k", 0, options);
  await expect(refused).rejects.toMatchObject({ code: "breaker_open", details: { isSent: false } });
  expect(sent).toEqual([]);
  a.connected("b");
  await expect(a.call("b", "k", 1, options)).resolves.toMatchObject({ body: 1 });
});

test("[D10] a hub that keeps its link and answers nobody is left alone, and probed after its rest (CL7)", async () => {
  const { a, b, clock } = twoEnds();
  for (let failures = 0; failures < BREAKER.failuresToOpen; failures += 1) {
    const served = byHand();
    b.serve(served.serve);
    const call = a.call("b", "k", 0, options);
    await settled();
    clock.pass(options.timeoutMs);
    await expect(call).rejects.toMatchObject({ code: "timeout" });
  }
  await expect(a.call("b", "k", 0, options)).rejects.toMatchObject({ code: "breaker_open" });
  b.serve(async () => {
    throw new GantryError("not_found", "an answer that says no is an answer");
  });
  clock.pass(BREAKER.openMs);
  for (let probe = 0; probe < BREAKER.successesToClose; probe += 1) {
    await expect(a.call("b", "k", 0, options)).rejects.toMatchObject({ code: "not_found" });
  }
  b.serve(echo);
  const many = Array.from({ length: 9 }, () => a.call("b", "k", 2, options));
  expect(await Promise.all(many)).toHaveLength(9);
});
