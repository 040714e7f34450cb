import fc from "fast-check";
import { expect, it } from "vitest";
import {
  ABSENT,
  afterEvent,
  holdsMemory,
  isBusy,
  isOpen,
  type Life,
  type LifeEvent,
} from "./model-life.ts";

const run = (...events: LifeEvent[]): Life => {
  let life: Life = ABSENT;
  for (const event of events) life = afterEvent(life, event);
  return life;
};

const READY: LifeEvent[] = [{ type: "load" }, { type: "loaded" }];

it("goes from a fetched file to a process that is unloaded when nothing runs in it (ML2)", () => {
  const drain: LifeEvent = { type: "drain", isRestart: false };
  expect(run({ type: "fetch" })).toEqual({ kind: "downloading" });
  expect(run({ type: "fetch" }, { type: "fetched" })).toEqual({ kind: "verifying" });
  expect(run({ type: "fetch" }, { type: "fetched" }, { type: "verified" })).toEqual(ABSENT);
  expect(run(...READY, { type: "begin" }, drain)).toMatchObject({ kind: "draining", inFlight: 1 });
  expect(run(...READY, { type: "begin" }, drain, { type: "end" }).kind).toBe("unloading");
  expect(run(...READY, drain, { type: "exited" })).toEqual(ABSENT);
  expect(run(...READY, { type: "drain", isRestart: true }, { type: "exited" }).kind).toBe(
    "loading",
  );
});

it("what failed for good is tried again only when its file has changed (ML3)", () => {
  const failed: LifeEvent = { type: "failed", isFinal: true };
  expect(run({ type: "load" }, failed, { type: "load" }).kind).toBe("failed");
  expect(run({ type: "load" }, failed, { type: "fileChanged" }, { type: "load" }).kind).toBe(
    "loading",
  );
  expect(run({ type: "load" }, { type: "failed", isFinal: false }, { type: "load" }).kind).toBe(
    "loading",
  );
});

const anyEvent: fc.Arbitrary<LifeEvent> = fc.oneof(
  fc.constantFrom<LifeEvent>(
    { type: "fetch" },
    { type: "fetched" },
    { type: "verified" },
    { type: "load" },
    { type: "loaded" },
    { type: "begin" },
    { type: "end" },
    { type: "exited" },
    { type: "fileChanged" },
  ),
  fc.boolean().map((isFinal): LifeEvent => ({ type: "failed", isFinal })),
  fc.boolean().map((isRestart): LifeEvent => ({ type: "drain", isRestart })),
);

it("in any order of events: nothing begins outside ready, and no process ends under a request (ML1, ML2)", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
      let life: Life = ABSENT;
      let running = 0;
      for (const event of events) {
        if (event.type === "begin" && !isOpen(life)) continue;
        if (event.type === "end" && running === 0) continue;
        const before = life;
        life = afterEvent(life, event);
        if (event.type === "begin") running += 1;
        else if (event.type === "end") running -= 1;
        if (event.type === "failed" && life.kind === "failed") running = 0; // they heard of it
        expect(running > 0 && ["unloading", "absent", "failed"].includes(life.kind)).toBe(false);
        expect(isBusy(life)).toBe(running > 0);
        expect(running === 0 || holdsMemory(life)).toBe(true);
        const afterDraining = ["draining", "unloading", "failed"];
        expect(before.kind !== "draining" || afterDraining.includes(life.kind)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});
