// The simulator's world: virtual milliseconds, one heap of events, chance from one seed. Two runs of
// one seed do the same things in the same order; `hash` is made of all that happened.

import { seededRandom, type Random } from "@gantry/shared/base/prng.ts";

export interface World {
  /** Virtual ms since the start. */
  readonly now: number;
  readonly random: Random;
  readonly events: number;
  readonly hash: number;
  after(ms: number, run: () => void): void;
  /** Makes what happened part of `hash`. */
  trace(kind: number, a: number, b: number): void;
  /** Words for the one who looks into a failure; made only when somebody does. */
  note(words: () => string): void;
  /** The last words, oldest first. */
  notes(): readonly string[];
  /** Runs events up to and including `untilMs`, or while `isWanted`. */
  run(untilMs: number, isWanted?: () => boolean): void;
}

/** A broken invariant. The message says which. */
export class Broken extends Error {
  override readonly name = "Broken";
}

export function check(condition: boolean, words: () => string): void {
  if (!condition) throw new Broken(words());
}

interface Event {
  readonly at: number;
  /** Of two events at one time the earlier one made is the first. */
  readonly order: number;
  readonly run: () => void;
}

const NOTES_MAX = 400;
/** Three times what the busiest of 60,000 seeds needs: only a loop without an end has more. */
const EVENTS_MAX = 1_000_000;

export function makeWorld(seed: number, isTelling: boolean): World {
  const random = seededRandom(seed);
  const heap: Event[] = [];
  const notes: string[] = [];
  let now = 0;
  let order = 0;
  let events = 0;
  let hash = seed | 0;

  const isBefore = (a: Event, b: Event): boolean =>
    a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(event: Event): void {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  function pop(): Event | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      let child = heap[down];
      if (child === undefined) break;
      const right = heap[down + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        down += 1;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
    return top;
  }

  function trace(kind: number, a: number, b: number): void {
    let mixed = Math.imul(hash ^ kind, 0x9e3779b1) ^ Math.imul(a | 0, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) ^ Math.imul(b | 0, 0x27d4eb2f);
    hash = mixed ^ (mixed >>> 13);
  }

  return {
    get now() {
      return now;
    },
    random,
    get events() {
      return events;
    },
    get hash() {
      return hash >>> 0;
    },
    after(ms, run) {
      order += 1;
      push({ at: now + Math.max(0, ms), order, run });
    },
    trace,
    note(words) {
      if (!isTelling) return;
      notes.push(`${now.toFixed(1).padStart(9)} ${words()}`);
      if (notes.length > NOTES_MAX * 2) notes.splice(0, NOTES_MAX);
    },
    notes: () => notes.slice(-NOTES_MAX),
    run(untilMs, isWanted) {
      for (;;) {
        const next = heap[0];
        if (next === undefined || next.at > untilMs) break;
        pop();
        now = next.at;
        events += 1;
        if (events > EVENTS_MAX)
          throw new Broken(`a loop without an end: more than ${EVENTS_MAX} events`);
        trace(1, Math.round(now * 1_000), next.order);
        next.run();
        if (isWanted?.() === false) return;
      }
      now = untilMs;
    },
  };
}
