// Gates: concurrency and rate limits, and mutual exclusion. A job that may not start is parked at the
// gate that keeps it back, and blocks nobody else.
//
// G1. Slots in use are live leases (`held`), counted anew whenever they are asked for: a worker that
//     vanished cannot leak one, and no counter can go below nothing.
// G2. A gate at which somebody is parked is full, waits for a time (`wakeAtMs`), or has offered all its
//     free slots: whoever gives a slot back or does not use an offer calls `refill`.

import type { Item, Gate, Allowance } from "./item.ts";
import { goesFirst } from "./item.ts";
import { type Heap, makeHeap } from "./heap.ts";

export interface Gates {
  /** Those that this job must pass, besides its queue's. */
  of(item: Item): readonly Gate[];
  ofQueue(queue: string): Gate;
  /** The first that keeps it back. */
  closedTo(item: Item, nowMs: number): Gate | undefined;
  /** How many more may start now; Infinity without a bound. */
  freeOf(gate: Gate, nowMs: number): number;
  /** When time alone opens it: now if it is open; Infinity if only an end does. */
  opensAtMs(gate: Gate, nowMs: number): number;
  park(gate: Gate, item: Item, nowMs: number): void;
  /** It leaves where it is parked, or gives back an offer. */
  forget(item: Item, nowMs: number): void;
  /** It starts: takes slots and tokens. */
  hold(item: Item, nowMs: number): void;
  release(item: Item, nowMs: number): void;
  /** The rules of a queue have changed: `allowance` is its own, `keyRules` says its keys' anew. */
  rulesChanged(queue: string, allowance: Allowance, nowMs: number): void;
  /** Opens gates whose time has come. */
  wake(nowMs: number): void;
  nextWakeMs(): number | undefined;
  /** Forgets gates that nobody uses and whose bucket is full. O(gates): now and then. */
  sweep(nowMs: number): void;
  readonly size: number;
}

const MUTEX: Allowance = { concurrency: 1 };
const NOTHING: readonly Gate[] = [];

/** `unpark`: puts an item back into its lane. */
export function makeGates(
  unpark: (item: Item) => void,
  keyRules: (queue: string, key: string) => Allowance,
): Gates {
  const gates = new Map<string, Gate>();
  const waking: Heap<Gate> = makeHeap((one, other) => one.wakeAtMs < other.wakeAtMs);

  function gate(name: string, allowance: Allowance): Gate {
    let found = gates.get(name);
    if (found === undefined) {
      found = {
        name,
        allowance,
        held: new Set(),
        offered: new Set(),
        parked: undefined,
        tokens: allowance.rate?.max ?? 0,
        tokensAtMs: -1,
        wakeAtMs: 0,
        slot: -1,
      };
      gates.set(name, found);
    }
    return found;
  }

  function of(item: Item): readonly Gate[] {
    if (item.mutex === undefined && item.key === undefined) return NOTHING;
    const all: Gate[] = [];
    if (item.mutex !== undefined) all.push(gate(`mutex ${item.mutex}`, MUTEX));
    if (item.key !== undefined) {
      all.push(gate(keyGateName(item.queue, item.key), keyRules(item.queue, item.key)));
    }
    return all;
  }

  /** They stay (leaveIfIdle): found without a name to be made each time. */
  const queueGates = new Map<string, Gate>();
  function ofQueue(queue: string): Gate {
    let found = queueGates.get(queue);
    if (found === undefined) {
      found = gate(`${QUEUE}${queue}`, {});
      queueGates.set(queue, found);
    }
    return found;
  }

  function take(at: Gate, item: Item, nowMs: number): void {
    at.offered.delete(item);
    at.held.add(item);
    if (at.allowance.rate !== undefined) {
      refillTokens(at, nowMs);
      at.tokens = Math.max(0, at.tokens - 1);
    }
    refill(at, nowMs);
  }

  function giveBack(at: Gate, item: Item, nowMs: number): void {
    at.held.delete(item);
    refill(at, nowMs);
  }

  function setWake(at: Gate, nowMs: number): void {
    if (at.slot !== -1) waking.remove(at);
    const opensMs = opensAtMs(at, nowMs);
    if (opensMs <= nowMs || opensMs === Infinity) return;
    at.wakeAtMs = opensMs;
    waking.push(at);
  }

  /** G2. */
  function refill(at: Gate, nowMs: number): void {
    const { parked } = at;
    if (parked !== undefined && parked.size > 0) {
      let free = freeOf(at, nowMs) - at.offered.size;
      for (; free > 0; free -= 1) {
        const item = parked.pop();
        if (item === undefined) break;
        item.gate = undefined;
        at.offered.add(item);
        unpark(item);
      }
      if (parked.size > 0) setWake(at, nowMs);
    }
    leaveIfIdle(at);
  }

  /** A gate that is made anew has a full bucket: only one that is full may be forgotten. */
  function leaveIfIdle(at: Gate): void {
    const { held, offered, parked, slot, tokens, name } = at;
    if (held.size > 0 || offered.size > 0 || (parked?.size ?? 0) > 0 || slot !== -1) return;
    const { rate } = at.allowance;
    if (rate !== undefined && tokens < rate.max) return;
    if (!name.startsWith(QUEUE)) gates.delete(name);
  }

  return {
    of,
    ofQueue,
    closedTo(item, nowMs) {
      for (const at of of(item)) if (freeOf(at, nowMs) <= 0) return at;
      return undefined;
    },
    freeOf,
    opensAtMs,
    park(at, item, nowMs) {
      at.parked ??= makeHeap(goesFirst);
      item.gate = at;
      item.place = "parked";
      at.parked.push(item);
      setWake(at, nowMs);
      for (const other of of(item)) if (other.offered.delete(item)) refill(other, nowMs);
    },
    forget(item, nowMs) {
      const at = item.gate;
      if (at !== undefined) {
        at.parked?.remove(item);
        item.gate = undefined;
        refill(at, nowMs);
      }
      for (const other of of(item)) if (other.offered.delete(item)) refill(other, nowMs);
    },
    hold(item, nowMs) {
      for (const at of of(item)) take(at, item, nowMs);
      take(ofQueue(item.queue), item, nowMs);
    },
    release(item, nowMs) {
      for (const at of of(item)) giveBack(at, item, nowMs);
      giveBack(ofQueue(item.queue), item, nowMs);
    },
    rulesChanged(queue, allowance, nowMs) {
      const own = ofQueue(queue);
      const keys = keyGateName(queue, "");
      for (const at of gates.values()) {
        if (at !== own && !at.name.startsWith(keys)) continue;
        const next = at === own ? allowance : keyRules(queue, at.name.slice(keys.length));
        if (at.allowance.rate === undefined) at.tokens = next.rate?.max ?? 0;
        at.allowance = next;
        refill(at, nowMs);
      }
    },
    sweep(nowMs) {
      for (const at of gates.values()) {
        if (at.allowance.rate !== undefined) refillTokens(at, nowMs);
        leaveIfIdle(at);
      }
    },
    wake(nowMs) {
      for (let at = waking.top(); at !== undefined && at.wakeAtMs <= nowMs; at = waking.top()) {
        waking.remove(at);
        refill(at, nowMs);
      }
    },
    nextWakeMs: () => waking.top()?.wakeAtMs,
    get size() {
      return gates.size;
    },
  };
}

const QUEUE = "queue ";
const EPSILON = 1e-9;
const keyGateName = (queue: string, key: string): string => `key ${queue}\n${key}`;

function refillTokens(at: Gate, nowMs: number): void {
  const { rate } = at.allowance;
  if (rate === undefined) return;
  if (at.tokensAtMs < 0) at.tokensAtMs = nowMs;
  const passedMs = Math.max(0, nowMs - at.tokensAtMs);
  at.tokens = Math.min(rate.max, at.tokens + (passedMs * rate.max) / rate.perMs);
  at.tokensAtMs = Math.max(nowMs, at.tokensAtMs);
}

function freeOf(at: Gate, nowMs: number): number {
  const { concurrency = Infinity, rate, pausedUntilMs } = at.allowance;
  if (pausedUntilMs !== undefined && pausedUntilMs > nowMs) return 0;
  const slots = concurrency - at.held.size; // G1
  if (rate === undefined) return Math.max(0, slots);
  refillTokens(at, nowMs);
  return Math.max(0, Math.min(slots, Math.floor(at.tokens + EPSILON)));
}

function opensAtMs(at: Gate, nowMs: number): number {
  const { concurrency = Infinity, rate, pausedUntilMs } = at.allowance;
  if (pausedUntilMs !== undefined && pausedUntilMs > nowMs) return pausedUntilMs;
  if (concurrency - at.held.size <= 0) return Infinity;
  if (rate === undefined) return nowMs;
  const missing = 1 - at.tokens;
  return missing <= EPSILON ? nowMs : nowMs + Math.ceil((missing * rate.perMs) / rate.max);
}
