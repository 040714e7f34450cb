import { expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Place } from "../asking/waiting.ts";
import { makeModelQueue, type Turn, type Wish } from "./model-queue.ts";

const never = new AbortController().signal;
const wish = (person: string, more: Partial<Wish> = {}): Wish => ({
  person,
  urgency: "interactive",
  promptChars: 10,
  maxTokens: 100,
  ...more,
});

function handClock() {
  let nowMs = 1_000;
  return {
    clock: { ...systemClock, monotonic: () => nowMs },
    pass: (ms: number) => void (nowMs += ms),
  };
}

it("lets as many through as there are slots, the next when one ends, and each turn ends once (MQ1, MQ2)", async () => {
  const queue = makeModelQueue(systemClock, () => 2);
  const first = await queue.take("m", wish("ann"), never);
  await queue.take("m", wish("ann"), never);
  let third: Turn | undefined;
  const waiting = queue.take("m", wish("ann"), never).then((turn) => (third = turn));
  let isFourthIn = false;
  void queue.take("m", wish("ann"), never).then(() => (isFourthIn = true));
  expect(queue.facts()).toMatchObject([{ model: "m", running: 2, waiting: 2, slots: 2 }]);
  first.end();
  first.end();
  await waiting;
  expect(queue.facts()).toMatchObject([{ running: 2, waiting: 1 }]);
  expect(isFourthIn).toBe(false);
  third?.end();
  await Promise.resolve();
  expect(queue.facts()).toMatchObject([{ running: 2, waiting: 0 }]);
});

it("tells the place at once and at each step forward, with a time once one was measured (MQ3)", async () => {
  const { clock, pass } = handClock();
  const queue = makeModelQueue(clock, () => 1);
  const places: Place[] = [];
  let running = await queue.take("m", wish("ann"), never);
  const follow = [1, 2].map((index) =>
    queue.take(
      "m",
      wish("ann", index === 2 ? { onPlace: (place) => void places.push(place) } : {}),
      never,
    ),
  );
  expect(places).toEqual([{ position: 2 }]);
  pass(500);
  running.end({ tokens: 50, tookMs: 500 });
  running = (await follow[0]) as Turn;
  expect(places.at(-1)).toEqual({ position: 1, etaMs: 510 }); // 51 tokens run before it, 10 ms each
  running.end();
  expect((await follow[1])?.waitedMs).toBe(500);
});

it("who gives up leaves the queue, and those behind hear it", async () => {
  const queue = makeModelQueue(systemClock, () => 1);
  await queue.take("m", wish("ann"), never);
  const leaving = new AbortController();
  const gone = queue.take("m", wish("ann"), leaving.signal);
  const places: number[] = [];
  void queue.take("m", wish("ann", { onPlace: (p) => void places.push(p.position) }), never);
  leaving.abort(new GantryError("cancelled", "gone"));
  await expect(gone).rejects.toMatchObject({ code: "cancelled" });
  expect(places).toEqual([2, 1]);
});

it("the one over the bound is refused with its place and when to come again", async () => {
  const queue = makeModelQueue(systemClock, () => 1);
  const turn = await queue.take("m", wish("ann"), never);
  turn.end({ tokens: 100, tookMs: 1_000 });
  await queue.take("m", wish("ann"), never);
  for (let count = 0; count < LIMIT.answersWaiting.max; count += 1)
    void queue.take("m", wish("ann"), never);
  const error = await queue.take("m", wish("ann"), never).catch((cause: unknown) => cause);
  expect(error).toMatchObject({
    code: "busy",
    details: { position: LIMIT.answersWaiting.max + 1, retryAfterS: 40 },
  });
});

it("[S21] a model that answers nobody does not hold up another one", async () => {
  const queue = makeModelQueue(systemClock, () => 1);
  await queue.take("stuck", wish("ann"), never);
  void queue.take("stuck", wish("ann"), never);
  await expect(queue.take("well", wish("ann"), never)).resolves.toBeDefined();
});
