// Is the history of ONE register linearizable? The search of Wing and Gong with the memory of Lowe
// ("Testing for linearizability", 2017), run forwards: after each call or answer it holds every
// configuration (value, operations already placed) that explains what was seen so far. An answer keeps
// those in which its operation has been placed; when none is left, the history is not linearizable.
//
// W1. Placing an operation that can never change the value, and fits it now, loses nothing: reads are
//     placed at once, and only writes are searched.
// W2. An operation without an answer may stay unplaced for ever, so of two configurations alike but
//     for these, the one that has used fewer of them explains all that the other does.
// W3. Values that no later answer can tell apart are one value (OTHER), unanswered writes that would do
//     the same are used in the order of their calls, and those that can do nothing more are forgotten.
// W4. The search is bounded; past the bound the answer is `undecided`, never a guess.

import type { Operation } from "./history.ts";

export type RegisterOperation = Exclude<Operation, { op: "acquire" }>;

export type RegisterVerdict =
  | { readonly kind: "linearizable"; readonly configurations: number }
  /** No explanation is left when `operations[at]` was answered; `values`: what the register could hold before. */
  | {
      readonly kind: "broken";
      readonly at: number;
      readonly values: readonly (string | undefined)[];
    }
  | { readonly kind: "undecided"; readonly why: string };

export interface RegisterOptions {
  /** Configurations looked at in all. */
  readonly configurationsMax?: number;
  /** Any value may be there at the start: for a window cut out of a longer history. */
  readonly isStartUnknown?: boolean;
  /** Operations (by index) that may have been placed before the window began. */
  readonly straddlers?: ReadonlySet<number>;
}

const ABSENT = 0;
const OTHER = 1;
const NOTHING_FITS = -1;

/** An operation with values as small numbers. */
interface Step {
  readonly kind: "put" | "get" | "cas" | "casRefused";
  readonly old: number;
  readonly value: number;
  readonly isAnswered: boolean;
  readonly mayBePlacedBefore: boolean;
}

interface Configuration {
  readonly value: number;
  /** Bits of pending operations that will be answered. */
  readonly placed: bigint;
  /** Bits of operations that will never be answered. */
  readonly spent: bigint;
}

export function checkRegister(
  operations: readonly RegisterOperation[],
  options: RegisterOptions = {},
): RegisterVerdict {
  const { configurationsMax = 3_000_000, isStartUnknown = false, straddlers } = options;
  const names: (string | undefined)[] = [undefined, "a value that nobody asks for"];
  const numbers = new Map<string | undefined, number>([[undefined, ABSENT]]);
  const numberOf = (value: string | undefined): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, names.length);
    names.push(value);
    return names.length - 1;
  };
  const steps = operations.map((operation, index) =>
    stepOf(operation, numberOf, straddlers?.has(index) === true),
  );
  const events = eventsOf(operations, steps);
  const lastUse = lastUses(events, steps);
  const atNow = (value: number, now: number): number =>
    value === ABSENT || (lastUse[value] ?? -1) > now ? value : OTHER; // W3
  const lastRefused = events.findLastIndex((event) => steps[event.at]?.kind === "casRefused");

  /** Bit of each pending operation. Freed bits are used again. */
  const bitOf = new Map<number, bigint>();
  const freeBits: bigint[] = [];
  let bits = 0n;
  let configurations: Configuration[] = isStartUnknown
    ? names.map((_, value) => ({ value, placed: 0n, spent: 0n }))
    : [{ value: ABSENT, placed: 0n, spent: 0n }];
  let looked = 0;

  const absorb = (configuration: Configuration): Configuration => {
    let { placed } = configuration;
    for (const [at, bit] of bitOf) {
      const step = steps[at];
      if (step === undefined || !step.isAnswered || (placed & bit) !== 0n) continue;
      if (changesNothing(step, configuration.value)) placed |= bit; // W1
    }
    return placed === configuration.placed ? configuration : { ...configuration, placed };
  };

  for (const [now, event] of events.entries()) {
    const step = steps[event.at];
    if (step === undefined) continue;
    if (event.isCall) {
      bitOf.set(event.at, freeBits.pop() ?? 1n << bits++);
      if (step.isAnswered && step.kind !== "put")
        configurations = merge(configurations.map(absorb));
      continue;
    }
    const bit = bitOf.get(event.at) ?? 0n;
    const before = configurations;
    const after: Configuration[] = [];
    const seen = new Set<string>();
    const queue = configurations.filter(({ placed, value, spent }) => {
      seen.add(`${value}/${placed}/${spent}`);
      if ((placed & bit) === 0n) return true;
      after.push({ value, placed, spent });
      return false;
    });
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      looked += 1;
      if (looked > configurationsMax) {
        return {
          kind: "undecided",
          why: `more than ${configurationsMax} configurations; ${bitOf.size} operations were open at once`,
        };
      }
      if (step.mayBePlacedBefore) after.push({ ...next, placed: next.placed | bit });
      const tried = new Set<number | string>();
      for (const [at, other] of bitOf) {
        if (((next.placed | next.spent) & other) !== 0n) continue;
        const candidate = steps[at];
        if (candidate === undefined) continue;
        const raw = valueAfter(candidate, next.value);
        if (raw === NOTHING_FITS) continue;
        const value = atNow(raw, now - 1);
        if (!candidate.isAnswered) {
          if (value === next.value) continue; // it would be spent for nothing
          const deed = candidate.kind === "cas" ? `${candidate.old}>${value}` : value;
          if (tried.has(deed)) continue; // W3
          tried.add(deed);
        }
        const reached = absorb(
          candidate.isAnswered
            ? { value, placed: next.placed | other, spent: next.spent }
            : { value, placed: next.placed, spent: next.spent | other },
        );
        const name = `${value}/${reached.placed}/${reached.spent}`;
        if (seen.has(name)) continue;
        seen.add(name);
        if ((reached.placed & bit) === 0n) queue.push(reached);
        else after.push(reached);
      }
    }
    if (after.length === 0) {
      const values = new Set(before.map(({ value }) => names[value]));
      return { kind: "broken", at: event.at, values: [...values] };
    }
    bitOf.delete(event.at);
    freeBits.push(bit);
    let gone = 0n;
    for (const [at, other] of bitOf) {
      const open = steps[at];
      if (open === undefined || open.isAnswered || open.mayBePlacedBefore) continue;
      if (lastRefused > now || (lastUse[open.value] ?? -1) > now) continue;
      bitOf.delete(at); // W3
      freeBits.push(other);
      gone |= other;
    }
    configurations = merge(
      after.map(({ value, placed, spent }) => ({
        value: atNow(value, now),
        placed: placed & ~bit,
        spent: spent & ~gone,
      })),
    );
  }
  return { kind: "linearizable", configurations: looked };
}

function stepOf(
  operation: RegisterOperation,
  numberOf: (value: string | undefined) => number,
  mayBePlacedBefore: boolean,
): Step {
  const isAnswered = operation.status === "ok";
  const rest = { isAnswered, mayBePlacedBefore };
  switch (operation.op) {
    case "put":
      return { kind: "put", old: ABSENT, value: numberOf(operation.value), ...rest };
    case "del":
      return { kind: "put", old: ABSENT, value: ABSENT, ...rest };
    case "get":
      return { kind: "get", old: ABSENT, value: numberOf(operation.value), ...rest };
    case "cas": {
      const kind = isAnswered && operation.swapped === false ? "casRefused" : "cas";
      return { kind, old: numberOf(operation.old), value: numberOf(operation.value), ...rest };
    }
  }
}

interface Event {
  readonly at: number;
  readonly isCall: boolean;
  readonly time: number;
}

/** Calls before answers at one time: they may overlap, and the benefit of the doubt is the history's. */
function eventsOf(operations: readonly RegisterOperation[], steps: readonly Step[]): Event[] {
  const events: Event[] = [];
  for (const [at, operation] of operations.entries()) {
    if (operation.status === "fail") continue;
    const isAnswered = steps[at]?.isAnswered === true;
    if (!isAnswered && operation.op === "get") continue; // it says nothing
    events.push({ at, isCall: true, time: operation.start });
    if (isAnswered) events.push({ at, isCall: false, time: operation.end });
  }
  return events.toSorted(
    (a, b) => a.time - b.time || Number(b.isCall) - Number(a.isCall) || a.at - b.at,
  );
}

/** For each value the last event that can tell whether it was there. */
function lastUses(events: readonly Event[], steps: readonly Step[]): number[] {
  const last: number[] = [];
  const open: Step[] = [];
  for (const [now, { at }] of events.entries()) {
    const step = steps[at];
    if (step?.kind === "get") last[step.value] = now;
    else if (step?.kind === "casRefused" || (step?.kind === "cas" && step.isAnswered)) {
      last[step.old] = now;
    } else if (step?.kind === "cas") open.push(step);
  }
  // An unanswered cas asks for its old value as long as somebody can see the new one.
  const lastRefused = events.findLastIndex(({ at }) => steps[at]?.kind === "casRefused");
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const { old, value } of open) {
      const until = Math.max(last[value] ?? -1, lastRefused);
      if (until <= (last[old] ?? -1)) continue;
      last[old] = until;
      isMoving = true;
    }
  }
  return last;
}

function changesNothing(step: Step, value: number): boolean {
  if (step.kind === "get") return step.value === value;
  if (step.kind === "casRefused") return step.old !== value;
  return step.kind === "cas" && step.old === value && step.value === value;
}

function valueAfter(step: Step, value: number): number {
  switch (step.kind) {
    case "put":
      return step.value;
    case "get":
      return step.value === value ? value : NOTHING_FITS;
    case "cas":
      return step.old === value ? step.value : NOTHING_FITS;
    case "casRefused":
      return step.old === value ? NOTHING_FITS : value;
  }
}

/** Without those that another one makes needless (W2). */
function merge(configurations: readonly Configuration[]): Configuration[] {
  if (configurations.length < 2) return [...configurations];
  const kept = new Map<string, Configuration[]>();
  for (const configuration of configurations) {
    const name = `${configuration.value}/${configuration.placed}`;
    const alike = kept.get(name) ?? [];
    if (alike.some(({ spent }) => (spent & ~configuration.spent) === 0n)) continue;
    const rest = alike.filter(({ spent }) => (configuration.spent & ~spent) !== 0n);
    kept.set(name, [...rest, configuration]);
  }
  return [...kept.values()].flat();
}
