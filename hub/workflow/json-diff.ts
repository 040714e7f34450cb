// A small patch from one document to another. Pure.
//
// JD1. applyPatch(before, diff(before, after)) gives what isSame(after), within the bounds of a patch.
// JD2. Where telling the parts would be more text than the whole, the whole is replaced.
// JD3. Items of a list are paired by the longest common subsequence while the unequal middles have at
//      most PAIRS_MAX pairs; beyond, by place: longer than it must be, never wrong.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { JsonOperation, JsonPatch } from "./json-patch.ts";
import { formatPointer } from "./json-pointer.ts";
import { isArray, isObject, isSame, type Json, type JsonObject, memberOf } from "./json-value.ts";

const PAIRS_MAX = 40_000;

/** Nothing for documents that are the same. */
export function diff(before: Json, after: Json): JsonPatch {
  const patch = change(before, after, []);
  if (patch.length <= LIMIT.patchOperations.max) return patch;
  return [{ op: "replace", path: "", value: after }]; // JD1
}

type Path = readonly string[];

function change(before: Json, after: Json, path: Path): JsonOperation[] {
  if (isSame(before, after)) return [];
  const parts = partsOf(before, after, path);
  const whole: JsonOperation = { op: "replace", path: formatPointer(path), value: after };
  return parts === undefined || sizeOf(parts) > sizeOf([whole]) ? [whole] : parts; // JD2
}

const sizeOf = (patch: JsonPatch): number => JSON.stringify(patch).length;

function partsOf(before: Json, after: Json, path: Path): JsonOperation[] | undefined {
  if (isArray(before) && isArray(after)) return ofLists(before, after, path);
  if (isObject(before) && isObject(after)) return ofObjects(before, after, path);
  return undefined;
}

function ofObjects(before: JsonObject, after: JsonObject, path: Path): JsonOperation[] {
  const patch: JsonOperation[] = [];
  for (const key of Object.keys(before)) {
    const [old, now] = [memberOf(before, key), memberOf(after, key)];
    if (old === undefined) continue;
    const at = [...path, key];
    if (now === undefined) patch.push({ op: "remove", path: formatPointer(at) });
    else patch.push(...change(old, now, at));
  }
  for (const key of Object.keys(after)) {
    const value = memberOf(after, key);
    if (value === undefined || Object.hasOwn(before, key)) continue;
    patch.push({ op: "add", path: formatPointer([...path, key]), value });
  }
  return patch;
}

/** Places are those of `after`: everything before them is as it will be. */
function ofLists(before: readonly Json[], after: readonly Json[], path: Path): JsonOperation[] {
  const patch: JsonOperation[] = [];
  const at = (place: number): Path => [...path, String(place)];
  let [from, to] = [0, 0]; // first of each that is not told yet
  for (const [fromKept, toKept] of [
    ...kept(before, after),
    [before.length, after.length],
  ] as const) {
    const changed = Math.min(fromKept - from, toKept - to);
    for (let step = 0; step < changed; step += 1) {
      patch.push(...change(before[from + step] ?? null, after[to + step] ?? null, at(to + step)));
    }
    const place = to + changed;
    for (let gone = from + changed; gone < fromKept; gone += 1) {
      patch.push({ op: "remove", path: formatPointer(at(place)) });
    }
    for (let made = place; made < toKept; made += 1) {
      patch.push({ op: "add", path: formatPointer(at(made)), value: after[made] ?? null });
    }
    [from, to] = [fromKept + 1, toKept + 1];
  }
  return patch;
}

/** Pairs of places whose items are the same, both growing (JD3). */
function kept(before: readonly Json[], after: readonly Json[]): (readonly [number, number])[] {
  const same = (a: number, b: number): boolean => isSame(before[a] ?? null, after[b] ?? null);
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && same(head, head)) head += 1;
  let tail = 0;
  while (tail < shorter - head && same(before.length - 1 - tail, after.length - 1 - tail))
    tail += 1;
  const middle = commonOf(
    before.slice(head, before.length - tail),
    after.slice(head, after.length - tail),
  );
  const pairs: (readonly [number, number])[] = [];
  for (let at = 0; at < head; at += 1) pairs.push([at, at]);
  for (const [a, b] of middle) pairs.push([head + a, head + b]);
  for (let at = tail; at > 0; at -= 1) pairs.push([before.length - at, after.length - at]);
  return pairs;
}

/** The longest common subsequence, as pairs of places; nothing where it would cost too much. */
function commonOf(before: readonly Json[], after: readonly Json[]): (readonly [number, number])[] {
  const [rows, columns] = [before.length, after.length];
  if (rows * columns > PAIRS_MAX) return [];
  const width = columns + 1;
  const isPair = new Uint8Array(rows * columns);
  const longest = new Uint32Array((rows + 1) * width); // of what is left from (row, column) on
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      const pair = isSame(before[row] ?? null, after[column] ?? null);
      isPair[row * columns + column] = pair ? 1 : 0;
      const down = longest[(row + 1) * width + column] ?? 0;
      const right = longest[row * width + column + 1] ?? 0;
      const both = (longest[(row + 1) * width + column + 1] ?? 0) + 1;
      longest[row * width + column] = pair ? both : Math.max(down, right);
    }
  }
  const pairs: (readonly [number, number])[] = [];
  let [row, column] = [0, 0];
  while (row < rows && column < columns) {
    if (isPair[row * columns + column] === 1) {
      pairs.push([row, column]);
      row += 1;
      column += 1;
    } else if (
      (longest[(row + 1) * width + column] ?? 0) >= (longest[row * width + column + 1] ?? 0)
    ) {
      row += 1;
    } else column += 1;
  }
  return pairs;
}
