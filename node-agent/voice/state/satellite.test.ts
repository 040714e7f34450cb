import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PendingWord } from "../words/confirm-words.ts";
import {
  ASLEEP,
  type Effect,
  FOLLOW_UP_MS,
  type SatelliteEvent,
  type SatelliteState,
  step,
} from "./satellite.ts";

const PENDING: PendingWord = {
  id: "cfm_1",
  phrase: "confirm print bracket on sim",
  summary: "Print bracket on sim",
  hazardClass: "medium",
  word: "amber",
  wrong: 0,
  untilMs: undefined,
};
const WAKE: SatelliteEvent = { type: "wake", loudnessDb: -20 };

/** Plays events, each at its time; the state after them and every effect. */
function play(...events: readonly (SatelliteEvent | [nowMs: number, event: SatelliteEvent])[]): {
  state: SatelliteState;
  effects: Effect[];
} {
  let state = ASLEEP;
  const effects: Effect[] = [];
  for (const one of events) {
    const [nowMs, event] = Array.isArray(one) ? one : [1_000, one];
    const next = step(state, event, nowMs);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}
const done = ({ effects }: { effects: Effect[] }): string[] => effects.map((one) => one.do);
const LISTENING: SatelliteEvent[] = [WAKE, { type: "claimed", turn: 1, isOurs: true }];
const HEARD = (text: string): SatelliteEvent[] => [
  ...LISTENING,
  { type: "speechBegan" },
  { type: "speechEnded" },
  { type: "heard", turn: 1, text },
];
const ANSWERED = (pending?: PendingWord): SatelliteEvent[] => [
  ...HEARD("print bracket on sim"),
  { type: "speaking", turn: 1 },
  { type: "answered", turn: 1, pending },
];
const FOLLOW = (pending?: PendingWord): SatelliteEvent[] => [
  ...ANSWERED(pending),
  { type: "spoken", turn: 1 },
];
const say = (text: string): SatelliteEvent[] => [
  { type: "speechBegan" },
  { type: "speechEnded" },
  { type: "heard", turn: 1, text },
];
const at = (nowMs: number, events: readonly SatelliteEvent[]): [number, SatelliteEvent][] =>
  events.map((event) => [nowMs, event]);

describe("a turn", () => {
  it("wakes, asks who is loudest, listens, asks the hub, speaks, and listens on", () => {
    const end = play(...FOLLOW());
    expect(done(end)).toEqual(["claim", "earcon", "listen", "finish", "earcon", "ask", "listen"]);
    expect(end.state.kind).toBe("listening");
  });

  it("another satellite was louder: it sleeps on", () => {
    const end = play(WAKE, { type: "claimed", turn: 1, isOurs: false });
    expect(end.state.kind).toBe("idle");
    expect(done(end)).toEqual(["claim"]);
  });

  it("nobody speaks after it: six seconds later it sleeps", () => {
    const quiet = play(...LISTENING, [1_000 + FOLLOW_UP_MS, { type: "time" }]);
    expect(quiet.state.kind).toBe("listening");
    expect(play(...LISTENING, [1_001 + FOLLOW_UP_MS, { type: "time" }]).state.kind).toBe("idle");
  });

  it("what was not understood asks the hub nothing", () => {
    const end = play(...HEARD(""));
    expect(done(end)).not.toContain("ask");
    expect(end.state.kind).toBe("idle");
  });

  it("the wake phrase, or speech past an echo canceller, interrupts an answer", () => {
    expect(done(play(...ANSWERED(), WAKE)).slice(-2)).toEqual(["silence", "claim"]);
    expect(done(play(...ANSWERED(), { type: "bargedIn" })).slice(-2)).toEqual([
      "silence",
      "listen",
    ]);
  });
});

const STATES: readonly (readonly SatelliteEvent[])[] = [
  [],
  [WAKE],
  LISTENING,
  HEARD("status"),
  ANSWERED(),
  ANSWERED(PENDING),
  FOLLOW(PENDING),
];

describe("SM1: stop words", () => {
  it("a halt is the first effect in every state", () => {
    for (const events of STATES) {
      const before = play(...events);
      const { effects } = step(before.state, { type: "order", order: "halt" }, 2_000);
      expect(effects.slice(0, 2).map((one) => one.do)).toEqual(["halt", "silence"]);
    }
  });

  it("stop silences an answer and abandons a question; asleep it does nothing", () => {
    const stop: SatelliteEvent = { type: "order", order: "quiet" };
    expect(done(play(...ANSWERED(), stop)).slice(-2)).toEqual(["silence", "drop"]);
    expect(play(...HEARD("status"), stop).state.kind).toBe("idle");
    expect(done(play(stop))).toEqual([]);
  });

  it("cancel over a read-back withdraws what waits", () => {
    const end = play(...ANSWERED(PENDING), { type: "order", order: "cancel" });
    expect(done(end).slice(-3)).toEqual(["silence", "drop", "withdraw"]);
  });

  it("an emergency stop heard by the command ear alone is one, too", () => {
    expect(done(play(...HEARD("emergency stop")))).toContain("halt");
  });
});

it("SM2: what comes from an earlier turn has no effect", () => {
  const now = play(...ANSWERED(), { type: "order", order: "quiet" }, WAKE);
  for (const late of [
    { type: "answered", turn: 1, pending: PENDING },
    { type: "heard", turn: 1, text: "confirm amber" },
    { type: "spoken", turn: 1 },
    { type: "failed", turn: 1, text: "late" },
    { type: "claimed", turn: 1, isOurs: true },
  ] as const) {
    expect(step(now.state, late, 2_000)).toEqual({ state: now.state, effects: [] });
  }
});

describe("SM4: a confirmation", () => {
  it("is given by its word after the read-back, within its time", () => {
    const given = play(...FOLLOW(PENDING), ...at(3_000, say("confirm amber")));
    expect(given.effects.at(-1)).toMatchObject({ do: "confirm", pending: { id: "cfm_1" } });
    const late = play(...FOLLOW(PENDING), ...at(11_001, say("confirm amber")));
    expect(done(late)).not.toContain("confirm");
  });

  it("SM3: cannot be given while we speak", () => {
    const end = play(...ANSWERED(PENDING), ...at(3_000, say("confirm amber")));
    expect(done(end)).not.toContain("confirm");
  });

  it("is withdrawn by a no, and by nothing else that is said left or given", () => {
    expect(done(play(...FOLLOW(PENDING), ...at(3_000, say("do not confirm amber")))).at(-1)).toBe(
      "withdraw",
    );
    const yes = play(...FOLLOW(PENDING), ...at(3_000, say("yes")));
    expect(done(yes)).not.toContain("confirm");
  });

  it("whatever happens, it is never confirmed without its two words", () => {
    const words = fc.constantFrom(
      "yes",
      "confirm",
      "amber",
      "do not confirm amber",
      "ok",
      "",
      "no",
    );
    const event: fc.Arbitrary<SatelliteEvent> = fc.oneof(
      fc.constantFrom<SatelliteEvent>(
        WAKE,
        { type: "speechBegan" },
        { type: "speechEnded" },
        { type: "speechDropped" },
        { type: "bargedIn" },
        { type: "time" },
        { type: "order", order: "quiet" },
        { type: "order", order: "cancel" },
      ),
      fc.record({ type: fc.constant("heard" as const), turn: fc.nat(4), text: words }),
      fc.record({ type: fc.constant("spoken" as const), turn: fc.nat(4) }),
      fc.record({
        type: fc.constant("claimed" as const),
        turn: fc.nat(4),
        isOurs: fc.boolean(),
      }),
      fc.record({
        type: fc.constant("answered" as const),
        turn: fc.nat(4),
        pending: fc.constantFrom(PENDING, undefined),
      }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        expect(done(play(...FOLLOW(PENDING), ...events))).not.toContain("confirm");
      }),
      { numRuns: 2_000 },
    );
  });
});
