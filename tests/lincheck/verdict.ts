// The verdict over a whole history: each key is judged by itself (linearizability is local, Herlihy and
// Wing 1990), and what is wrong is told as the shortest stretch of time that nothing can explain.

import { inWords, type Operation } from "./history.ts";
import { checkRegister, type RegisterOperation, type RegisterOptions } from "./register.ts";

export type Verdict =
  | { readonly kind: "linearizable"; readonly operations: number; readonly keys: number }
  | { readonly kind: "broken"; readonly key: string; readonly words: string }
  /** Neither proven nor refuted within the bound. */
  | { readonly kind: "undecided"; readonly key: string; readonly why: string };

const WORDS_OPERATIONS_MAX = 24;

export function judge(
  operations: readonly Operation[],
  options: Pick<RegisterOptions, "configurationsMax"> = {},
): Verdict {
  const registers = new Map<string, RegisterOperation[]>();
  const locks = new Map<string, Acquire[]>();
  for (const operation of operations) {
    if (operation.op === "acquire") push(locks, operation.key, operation);
    else push(registers, operation.key, operation);
  }
  let undecided: Verdict | undefined;
  for (const [key, own] of locks) {
    const words = faultOfLock(own);
    if (words !== undefined) return { kind: "broken", key, words };
  }
  for (const [key, own] of registers) {
    const verdict = checkRegister(own, options);
    if (verdict.kind === "broken") {
      return { kind: "broken", key, words: explain(own, verdict.at, verdict.values) };
    }
    if (verdict.kind === "undecided") undecided ??= { kind: "undecided", key, why: verdict.why };
  }
  const keys = registers.size + locks.size;
  return undecided ?? { kind: "linearizable", operations: operations.length, keys };
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

type Acquire = Extract<Operation, { op: "acquire" }>;

/**
 * Tokens say in which order the lock was given, so no search is needed: no two may be alike, and none
 * may have been given wholly before one that is smaller. An unanswered acquire can have had any token.
 */
function faultOfLock(operations: readonly Acquire[]): string | undefined {
  const given = operations
    .filter((operation) => operation.status === "ok")
    .toSorted((a, b) => (a.token ?? 0) - (b.token ?? 0));
  let latest: Acquire | undefined;
  for (const [index, operation] of given.entries()) {
    const before = given[index - 1];
    if (before !== undefined && before.token === operation.token) {
      return `one token was given twice:\n  ${inWords(before)}\n  ${inWords(operation)}`;
    }
    if (latest !== undefined && operation.end < latest.start) {
      return `a token fell:\n  ${inWords(operation)}\n  ${inWords(latest)}`;
    }
    if (latest === undefined || operation.start > latest.start) latest = operation;
  }
  return undefined;
}

/** The shortest window that ends with the answer nobody can explain, whatever was there before it. */
function explain(
  operations: readonly RegisterOperation[],
  at: number,
  values: readonly (string | undefined)[],
): string {
  const last = operations[at];
  if (last === undefined) return "";
  const seen = operations
    .filter(({ start, status }) => start <= last.end && status !== "fail")
    .map((operation): RegisterOperation => {
      const isOpen = operation.status === "ok" && operation.end > last.end;
      return isOpen ? { ...operation, status: "unknown" } : operation;
    });
  const starts = [...new Set(seen.filter(isAnswered).map(({ start }) => start))].toSorted(
    (a, b) => b - a,
  );
  const windowFrom = (from: number): RegisterOperation[] =>
    seen.filter((operation) => !isAnswered(operation) || operation.end >= from);
  const isBroken = (from: number): boolean => {
    const window = windowFrom(from);
    const straddlers = new Set(window.keys().filter((index) => (window[index]?.start ?? 0) < from));
    return checkRegister(window, { isStartUnknown: true, straddlers }).kind === "broken";
  };
  // A longer window explains less: grow until it is broken, then halve back to the shortest.
  let low = 0;
  let high = 1;
  while (high < starts.length && !isBroken(starts[high] ?? 0)) {
    low = high;
    high = Math.min(high * 2, starts.length);
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (isBroken(starts[middle] ?? 0)) high = middle;
    else low = middle;
  }
  const isWhole = high >= starts.length;
  const from = isWhole ? Number.NEGATIVE_INFINITY : (starts[high] ?? 0);
  const shown = windowFrom(from)
    .filter((operation) => operation.status === "ok" || isPossible(operation, seen))
    .toSorted((a, b) => a.start - b.start);
  const lines = shown.slice(-WORDS_OPERATIONS_MAX).map((operation) => `  ${inWords(operation)}`);
  const held = values.map((value) => value ?? "nothing").slice(0, 8);
  return [
    `no order explains: ${inWords(last)}`,
    `before it the key could hold: ${held.join(", ")}`,
    isWhole ? "the window is the whole history of the key up to here:" : "the window:",
    ...(shown.length > lines.length ? [`  (${shown.length - lines.length} earlier ones)`] : []),
    ...lines,
  ].join("\n");
}

const isAnswered = ({ status }: RegisterOperation): boolean => status === "ok";

/** An open write is worth showing only if somebody read its value. */
function isPossible(operation: RegisterOperation, all: readonly RegisterOperation[]): boolean {
  if (operation.op === "get") return false;
  const value = operation.op === "del" ? undefined : operation.value;
  return all.some((other) => other.op === "get" && other.value === value);
}
