import fc from "fast-check";
import { expect, it } from "vitest";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import {
  costOf,
  enter,
  leave,
  makeRoom,
  next,
  placesIn,
  type Room,
  URGENCIES,
  type Urgency,
  type Waiter,
  waitingIn,
} from "./waiting.ts";

const PACE = { slots: 1, runningCost: 0 };
let lastId = 0;

const waiter = (person: string, more: Partial<Waiter> = {}): Waiter => ({
  id: (lastId += 1),
  person,
  urgency: "interactive",
  cost: 100,
  sinceMs: 0,
  ...more,
});

function roomOf(...waiters: Waiter[]): Room {
  const room = makeRoom();
  for (const each of waiters) expect(enter(room, each, PACE, 0).kind).toBe("waits");
  return room;
}

function peopleIn(room: Room, nowMs = 0): string[] {
  const people: string[] = [];
  for (;;) {
    const found = next(room, nowMs);
    if (found === undefined) return people;
    people.push(found.person);
  }
}

it("speech comes before talk, talk before workflows, workflows before batches (WR1)", () => {
  const room = roomOf(
    waiter("batch", { urgency: "batch" }),
    waiter("flow", { urgency: "workflow" }),
    waiter("talk"),
    waiter("speech", { urgency: "voice" }),
  );
  expect(peopleIn(room)).toEqual(["speech", "talk", "flow", "batch"]);
});

it("a batch that waited too long goes before talk, never before speech (WR1)", () => {
  const room = roomOf(
    waiter("batch", { urgency: "batch" }),
    waiter("talk", { sinceMs: 200_000 }),
    waiter("speech", { urgency: "voice", sinceMs: 200_000 }),
  );
  expect(peopleIn(room, 200_000)).toEqual(["speech", "batch", "talk"]);
});

it("who asks forty things does not keep out who asks one (WR2)", () => {
  const greedy = Array.from({ length: 40 }, () => waiter("ann", { cost: 512 }));
  const people = peopleIn(roomOf(...greedy, waiter("bob", { cost: 512 })));
  expect(people.indexOf("bob")).toBeLessThan(3);
  expect(people).toHaveLength(41);
});

it("turns are of tokens, not of questions: who asks for little is served more often (WR2)", () => {
  const long = Array.from({ length: 8 }, () => waiter("ann", { cost: 1_024 }));
  const short = Array.from({ length: 8 }, () => waiter("bob", { cost: 256 }));
  const firstTen = peopleIn(roomOf(...long, ...short)).slice(0, 10);
  expect(firstTen.filter((person) => person === "bob").length).toBeGreaterThanOrEqual(7);
});

it("is bounded for each person and in all, and says the place that would have been next (WR3)", () => {
  const room = roomOf(...Array.from({ length: LIMIT.answersWaiting.max }, () => waiter("ann")));
  expect(enter(room, waiter("ann"), PACE, 0)).toEqual({
    kind: "full",
    place: { position: LIMIT.answersWaiting.max + 1 },
  });
  for (let person = 0; waitingIn(room) < LIMIT.modelQueue.max; person += 1)
    enter(room, waiter(`p${person}`), PACE, 0);
  expect(enter(room, waiter("bob"), PACE, 0).kind).toBe("full");
  expect(waitingIn(room)).toBe(LIMIT.modelQueue.max);
});

it("a deadline that its turn would miss is refused at once, and only if a time is known (WR4, WR5)", () => {
  const room = roomOf(...Array.from({ length: 4 }, () => waiter("ann", { cost: 100 })));
  const pace = { slots: 2, msPerToken: 10, runningCost: 200 };
  const late = enter(room, waiter("ann", { deadlineMs: 2_999 }), pace, 0);
  expect(late).toEqual({ kind: "late", place: { position: 5, etaMs: 3_000 } });
  expect(waitingIn(room)).toBe(4);
  expect(enter(room, waiter("ann", { deadlineMs: 3_000 }), pace, 0).kind).toBe("waits");
  expect(enter(room, waiter("ann", { deadlineMs: 1 }), PACE, 0).kind).toBe("waits");
});

it("costs count the prompt a little and the answer by what answers used to be", () => {
  expect(costOf(6_400, 1_000, 0.5)).toBe(600);
  expect(costOf(0, 1, 0)).toBe(1);
});

const anyWaiter = fc.record({
  person: fc.constantFrom("ann", "bob", "eve"),
  urgency: fc.constantFrom<Urgency>(...URGENCIES),
  cost: fc.integer({ min: 1, max: 2_000 }),
  sinceMs: fc.integer({ min: 0, max: 300_000 }),
});

it("everybody who entered and stayed is served once, in the order that was told", () => {
  fc.assert(
    fc.property(
      fc.array(anyWaiter, { maxLength: 40 }),
      fc.array(fc.nat(60), { maxLength: 10 }),
      (wanted, leaving) => {
        const room = makeRoom();
        const inside = new Set<number>();
        wanted.forEach((each, id) => {
          if (enter(room, { ...each, id }, PACE, 300_000).kind === "waits") inside.add(id);
        });
        for (const id of leaving) expect(leave(room, id)).toBe(inside.delete(id));
        const told = [...placesIn(room, PACE, 300_000).entries()]
          .toSorted(([, a], [, b]) => a.position - b.position)
          .map(([id]) => id);
        const served: number[] = [];
        for (let found = next(room, 300_000); found; found = next(room, 300_000))
          served.push(found.id);
        expect(served).toEqual(told);
        expect(new Set(served)).toEqual(inside);
        expect(waitingIn(room)).toBe(0);
      },
    ),
  );
});

it("nobody waits for more than a round of the others, whoever comes meanwhile (WR2)", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 512 }), fc.integer({ min: 1, max: 512 }), (a, b) => {
      const room = roomOf(waiter("ann", { cost: a }), waiter("bob", { cost: b }));
      let spent = 0;
      for (;;) {
        const found = next(room, 0);
        if (found === undefined || found.person === "bob") break;
        spent += found.cost;
        enter(room, waiter("ann", { cost: a }), PACE, 0);
      }
      expect(spent).toBeLessThanOrEqual(2 * 512 + a);
    }),
  );
});
