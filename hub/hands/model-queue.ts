// The queue in front of the models: one room for each, drained as slots become free.
//
// MQ1. At most as many of a model's questions are under way as its machines have slots; the rest wait
//      here, where they can be put in order, told their place and refused (asking/waiting.ts).
// MQ2. A turn that was given is given back exactly once, however the question ends.
// MQ3. Who waits hears its place when it begins to wait and whenever somebody's turn comes.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import {
  costOf,
  enter,
  leave,
  makeRoom,
  next,
  type Pace,
  type Place,
  placesIn,
  type Room,
  type Urgency,
  type Waiter,
  waitingIn,
} from "../asking/waiting.ts";

export interface Wish {
  readonly person: string;
  readonly urgency: Urgency;
  readonly promptChars: number;
  readonly maxTokens: number;
  /** From now until the answer must have begun; left out: it may wait for as long as it takes. */
  readonly patienceMs?: number;
  readonly onPlace?: (place: Place) => void;
}

export interface Turn {
  readonly waitedMs: number;
  /** MQ2. `measured`: what the model said of a whole answer. */
  end(measured?: { readonly tokens: number; readonly tookMs: number }): void;
}

export interface QueueFacts {
  readonly model: string;
  readonly running: number;
  readonly waiting: number;
  readonly slots: number;
  /** Of one slot, while others work too. */
  readonly tokensPerS?: number;
}

export interface ModelQueue {
  /** Throws busy with details {position, etaMs, retryAfterS}, and the signal's reason. */
  take(model: string, wish: Wish, signal: AbortSignal): Promise<Turn>;
  /** Slots have come or gone. */
  wake(): void;
  facts(): readonly QueueFacts[];
}

interface Line {
  readonly room: Room;
  readonly waiting: Map<number, { readonly go: () => void; readonly wish: Wish }>;
  /** What runs, by its cost. */
  readonly running: Map<number, number>;
  msPerToken: number | undefined;
  /** Tokens given of those asked for, 0 to 1. */
  share: number;
}

/** Weight of the newest answer in what is expected of the next. */
const NEWEST = 0.2;
/** Before anything was measured: that answers end where they want to, not at their bound. */
const SHARE_AT_FIRST = 0.5;
const RETRY_S_MAX = 300;

/** `slotsOf`: how many answers the machines that hold this model can give at once. */
export function makeModelQueue(
  clock: Clock,
  slotsOf: (model: string) => number,
  modelsMax = 256,
): ModelQueue {
  const lines = new Map<string, Line>();
  let lastId = 0;

  function lineOf(model: string): Line {
    const known = lines.get(model);
    if (known !== undefined) return known;
    if (lines.size >= modelsMax) forgetIdle();
    const line: Line = {
      room: makeRoom(),
      waiting: new Map(),
      running: new Map(),
      msPerToken: undefined,
      share: SHARE_AT_FIRST,
    };
    lines.set(model, line);
    return line;
  }

  function forgetIdle(): void {
    for (const [model, { waiting, running }] of lines)
      if (waiting.size + running.size === 0) lines.delete(model);
  }

  const paceOf = (model: string, line: Line): Pace => ({
    slots: Math.max(1, slotsOf(model)),
    runningCost: [...line.running.values()].reduce((sum, cost) => sum + cost, 0),
    ...(line.msPerToken === undefined ? {} : { msPerToken: line.msPerToken }),
  });

  function pump(model: string, line: Line): void {
    const { slots } = paceOf(model, line); // one at least, so that somebody finds out what is wrong
    let hasMoved = false;
    while (line.running.size < slots) {
      const waiter = next(line.room, clock.monotonic());
      if (waiter === undefined) break;
      line.running.set(waiter.id, waiter.cost); // MQ1
      line.waiting.get(waiter.id)?.go();
      hasMoved = true;
    }
    if (hasMoved) tellPlaces(model, line);
  }

  function tellPlaces(model: string, line: Line): void {
    if (![...line.waiting.values()].some(({ wish }) => wish.onPlace !== undefined)) return;
    const places = placesIn(line.room, paceOf(model, line), clock.monotonic());
    for (const [id, place] of places) line.waiting.get(id)?.wish.onPlace?.(place); // MQ3
  }

  function ended(
    model: string,
    line: Line,
    id: number,
    wish: Wish,
    measured?: { readonly tokens: number; readonly tookMs: number },
  ): void {
    if (!line.running.delete(id)) return; // MQ2
    if (measured !== undefined && measured.tokens > 0) {
      const msPerToken = measured.tookMs / measured.tokens;
      line.msPerToken = blend(line.msPerToken, msPerToken);
      line.share = blend(line.share, Math.min(1, measured.tokens / wish.maxTokens));
    }
    pump(model, line);
  }

  async function take(model: string, wish: Wish, signal: AbortSignal): Promise<Turn> {
    if (signal.aborted) throw reasonOf(signal);
    const line = lineOf(model);
    const sinceMs = clock.monotonic();
    const id = (lastId += 1);
    const waiter: Waiter = {
      id,
      person: wish.person,
      urgency: wish.urgency,
      cost: costOf(wish.promptChars, wish.maxTokens, line.share),
      sinceMs,
      ...(wish.patienceMs === undefined ? {} : { deadlineMs: sinceMs + wish.patienceMs }),
    };
    const pace = paceOf(model, line);
    const turn = (): Turn => ({
      waitedMs: clock.monotonic() - sinceMs,
      end: (measured) => ended(model, line, id, wish, measured),
    });
    if (line.running.size < pace.slots && waitingIn(line.room) === 0) {
      line.running.set(id, waiter.cost); // the usual case: no queue, no promise
      return turn();
    }
    const entry = enter(line.room, waiter, pace, sinceMs);
    if (entry.kind !== "waits") throw refusal(model, entry.kind, entry.place);
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        if (!leave(line.room, id)) return;
        line.waiting.delete(id);
        reject(reasonOf(signal));
        tellPlaces(model, line);
      };
      const go = (): void => {
        line.waiting.delete(id);
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      line.waiting.set(id, { go, wish });
      signal.addEventListener("abort", onAbort, { once: true });
      const place = placesIn(line.room, pace, sinceMs).get(id);
      if (place !== undefined) wish.onPlace?.(place); // MQ3
      pump(model, line);
    });
    return turn();
  }

  return {
    take,
    wake() {
      for (const [model, line] of lines) pump(model, line);
    },
    facts: () =>
      [...lines].map(([model, { running, waiting, msPerToken }]) => ({
        model,
        running: running.size,
        waiting: waiting.size,
        slots: slotsOf(model),
        ...(msPerToken === undefined ? {} : { tokensPerS: Math.round(1_000 / msPerToken) }),
      })),
  };
}

const blend = (before: number | undefined, now: number): number =>
  before === undefined ? now : before + NEWEST * (now - before);

function refusal(model: string, why: "full" | "late", { position, etaMs }: Place): GantryError {
  const when = etaMs === undefined ? "" : `, its turn would come in ${Math.ceil(etaMs / 1_000)} s`;
  const text =
    why === "full"
      ? `The queue for ${model} is full: this would be number ${position}${when}`
      : `${model} cannot begin in time: this would be number ${position}${when}`;
  const retryAfterS =
    etaMs === undefined ? 5 : Math.min(RETRY_S_MAX, Math.max(1, Math.ceil(etaMs / 1_000)));
  const eta = etaMs === undefined ? {} : { etaMs };
  return new GantryError("busy", text, { details: { position, ...eta, retryAfterS } });
}
