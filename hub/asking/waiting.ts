// Who waits for one model, and who is next. Pure.
//
// WR1. Classes in this order: voice, interactive, workflow, batch. Who has waited for longer than its
//      class's patience counts as interactive, so that nobody waits for ever behind people who talk.
// WR2. Within a class people take turns by deficit round robin: each has as many tokens a round as
//      the others, however many questions it asks.
// WR3. It is bounded: in all, and for each person; one more is refused with its place and its time.
// WR4. Who says a deadline is refused at once if its turn would come after it.
// WR5. A time is told only from what was measured of this model; before that, only the place.

import { LIMIT } from "@gantry/shared/base/policy.ts";

export const URGENCIES = ["voice", "interactive", "workflow", "batch"] as const;
export type Urgency = (typeof URGENCIES)[number];

export interface Waiter {
  readonly id: number;
  readonly person: string;
  readonly urgency: Urgency;
  /** What it will cost, in tokens of the answer; see `costOf`. Over 0. */
  readonly cost: number;
  /** Monotonic. */
  readonly sinceMs: number;
  /** Monotonic; when an answer must have begun. */
  readonly deadlineMs?: number;
}

export interface Place {
  /** 1 is next. */
  readonly position: number;
  /** Until its turn; undefined while nothing was measured (WR5). */
  readonly etaMs?: number;
}

export interface Pace {
  /** How many run at once; at least 1. */
  readonly slots: number;
  /** Of one answer in one slot, while all slots work; undefined before the first answer. */
  readonly msPerToken?: number;
  /** What those that run still cost together, in tokens. */
  readonly runningCost: number;
}

export type Entry =
  | { readonly kind: "waits" }
  | { readonly kind: "full"; readonly place: Place }
  | { readonly kind: "late"; readonly place: Place };

interface Turn {
  readonly person: string;
  readonly waiters: Waiter[];
  deficit: number;
}

export interface Room {
  /** One list for each class, in its rotation. */
  readonly turns: Record<Urgency, Turn[]>;
}

/** Tokens a person gets in each round; the usual answer costs less. */
const QUANTUM = 512;
/** WR1, ms: a workflow's step is a minute late at most, a batch three, whatever is talked meanwhile. */
const PATIENCE_MS: Record<Urgency, number> = {
  voice: Number.POSITIVE_INFINITY,
  interactive: Number.POSITIVE_INFINITY,
  workflow: 60_000,
  batch: 180_000,
};
/** A token of a prompt costs about a sixteenth of one of an answer, and has about four characters. */
const CHARS_PER_TOKEN = 64;

export const makeRoom = (): Room => ({
  turns: { voice: [], interactive: [], workflow: [], batch: [] },
});

/** `share`: how much of what they ask for answers used to be, 0 to 1. At least 1. */
export const costOf = (promptChars: number, maxTokens: number, share: number): number =>
  Math.max(1, Math.ceil(promptChars / CHARS_PER_TOKEN + maxTokens * share));

export const waitingIn = ({ turns }: Room): number =>
  URGENCIES.reduce((sum, urgency) => sum + countIn(turns[urgency]), 0);

const countIn = (turns: readonly Turn[]): number =>
  turns.reduce((sum, { waiters }) => sum + waiters.length, 0);

/** Lets a waiter in, or says why not (WR3, WR4). */
export function enter(room: Room, waiter: Waiter, pace: Pace, nowMs: number): Entry {
  const turns = room.turns[waiter.urgency];
  const isFull =
    waitingIn(room) >= LIMIT.modelQueue.max ||
    ofPerson(room, waiter.person) >= LIMIT.answersWaiting.max;
  let turn = turns.find(({ person }) => person === waiter.person);
  if (turn === undefined) {
    turn = { person: waiter.person, waiters: [], deficit: 0 };
    turns.push(turn);
  }
  turn.waiters.push(waiter);
  if (!isFull && waiter.deadlineMs === undefined) return { kind: "waits" };
  const place = placesIn(room, pace, nowMs).get(waiter.id) ?? { position: 1 };
  const isLate =
    waiter.deadlineMs !== undefined &&
    place.etaMs !== undefined &&
    nowMs + place.etaMs > waiter.deadlineMs;
  if (!isFull && !isLate) return { kind: "waits" };
  leave(room, waiter.id);
  return { kind: isFull ? "full" : "late", place };
}

const ofPerson = ({ turns }: Room, person: string): number =>
  URGENCIES.reduce((sum, urgency) => {
    const turn = turns[urgency].find((each) => each.person === person);
    return sum + (turn?.waiters.length ?? 0);
  }, 0);

/** Takes out who gave up. False if it is not here. */
export function leave(room: Room, id: number): boolean {
  for (const urgency of URGENCIES) {
    for (const turn of room.turns[urgency]) {
      const index = turn.waiters.findIndex((waiter) => waiter.id === id);
      if (index < 0) continue;
      turn.waiters.splice(index, 1);
      if (turn.waiters.length === 0) drop(room.turns[urgency], turn);
      return true;
    }
  }
  return false;
}

/** Whose turn it is; it is taken out. Undefined in an empty room. */
export function next(room: Room, nowMs: number): Waiter | undefined {
  const overdue = mostOverdue(room, nowMs);
  for (const urgency of URGENCIES) {
    if (overdue !== undefined && urgency !== "voice") {
      leave(room, overdue.id); // WR1
      return overdue;
    }
    const waiter = nextIn(room.turns[urgency]);
    if (waiter !== undefined) return waiter;
  }
  return undefined;
}

function mostOverdue({ turns }: Room, nowMs: number): Waiter | undefined {
  const heads = URGENCIES.flatMap((urgency) =>
    turns[urgency].flatMap(({ waiters }) => waiters.slice(0, 1)),
  );
  const late = heads.filter(({ urgency, sinceMs }) => nowMs - sinceMs > PATIENCE_MS[urgency]);
  return late.toSorted((a, b) => a.sinceMs - b.sinceMs)[0];
}

/** WR2. */
function nextIn(turns: Turn[]): Waiter | undefined {
  for (;;) {
    const [turn] = turns;
    if (turn === undefined) return undefined;
    const [head] = turn.waiters;
    if (head !== undefined && head.cost <= turn.deficit) {
      turn.deficit -= head.cost;
      turn.waiters.shift();
      if (turn.waiters.length === 0) drop(turns, turn); // who leaves takes no rest along
      return head;
    }
    turn.deficit += QUANTUM;
    turns.push(...turns.splice(0, 1));
  }
}

const drop = (turns: Turn[], turn: Turn): void => void turns.splice(turns.indexOf(turn), 1);

/** The place of everybody who waits. O(n), n <= LIMIT.modelQueue. */
export function placesIn(room: Room, pace: Pace, nowMs: number): ReadonlyMap<number, Place> {
  const copy: Room = { turns: copyOf(room.turns) };
  const places = new Map<number, Place>();
  let before = pace.runningCost;
  for (let position = 1; ; position += 1) {
    const waiter = next(copy, nowMs);
    if (waiter === undefined) return places;
    const { msPerToken } = pace;
    const etaMs =
      msPerToken === undefined ? undefined : Math.round((before * msPerToken) / pace.slots);
    places.set(waiter.id, { position, ...(etaMs === undefined ? {} : { etaMs }) });
    before += waiter.cost;
  }
}

const copyOf = (turns: Room["turns"]): Room["turns"] => ({
  voice: turns.voice.map(copyTurn),
  interactive: turns.interactive.map(copyTurn),
  workflow: turns.workflow.map(copyTurn),
  batch: turns.batch.map(copyTurn),
});

const copyTurn = (turn: Turn): Turn => ({ ...turn, waiters: [...turn.waiters] });
