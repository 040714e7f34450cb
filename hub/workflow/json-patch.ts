// JSON Patch (RFC 6902) over JSON pointers (RFC 6901). Pure.
//
// JP1. All or nothing: the document that was given is never changed. The result shares with it, and
//      with the patch, whatever no operation touched.
// JP2. Every refusal is a GantryError of patch-refusal.ts; nothing else is thrown, whatever is given.
// JP3. The form of the whole patch is checked before the first operation.
// JP4. The inverse, applied to the result, gives what isSame the document. It holds values, not
//      operations of the future: it needs nothing else.
// JP5. A container may be written in place only while it is in `open`: made here, in one place of the
//      document. After a `copy` nothing is open any more, or two places would change at once.
// JP6. No result is heavier or deeper than the bound, and no operation works on more than that: a patch
//      that doubles the document again and again is refused where it passes it.

import { assert } from "@gantry/shared/base/assert.ts";
import type { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { formatPointer, indexOf, isWithin, parsePointer } from "./json-pointer.ts";
import {
  isArray,
  isObject,
  isSame,
  type Json,
  type JsonObject,
  measure,
  type Measure,
  memberOf,
  setMember,
} from "./json-value.ts";
import { type PatchReason, refusal } from "./patch-refusal.ts";

export type JsonOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly path: string; readonly from: string };
export type JsonPatch = readonly JsonOperation[];

export interface Patched {
  readonly result: Json;
  readonly inverse: JsonPatch;
}

/** Applies a patch from anywhere, e.g. a request's body, to a document within the bounds. */
export const applyPatch = (document: Json, patch: unknown): Patched =>
  run(document, parsePatch(patch, LIMIT.patchOperations.max));

/** Applies an inverse that applyPatch gave; it may have twice as many operations. */
export const revertPatch = (document: Json, inverse: JsonPatch): Patched =>
  run(document, parsePatch(inverse, 2 * LIMIT.patchOperations.max));

// ── form ────────────────────────────────────────────────────────────────────────────────────────

type Path = readonly string[];
type Step =
  | { readonly op: "add" | "replace" | "test"; readonly path: Path; readonly value: Json }
  | { readonly op: "remove"; readonly path: Path }
  | { readonly op: "move" | "copy"; readonly path: Path; readonly from: Path };

function parsePatch(patch: unknown, operationsMax: number): readonly Step[] {
  if (!Array.isArray(patch)) throw refusal("not_an_array");
  if (patch.length > operationsMax) throw refusal("too_many_operations");
  return patch.map(parseStep);
}

/** Members that the operation does not know are passed over (RFC 6902, section 4). */
function parseStep(given: unknown, at: number): Step {
  if (!isObject(given)) throw refusal("not_an_object", at);
  const op = memberOf(given, "op");
  if (!isOp(op)) throw refusal("unknown_op", at, textOf(memberOf(given, "path")));
  const path = pathIn(given, "path", at);
  const text = formatPointer(path);
  switch (op) {
    case "add":
    case "replace":
    case "test": {
      const value = memberOf(given, "value");
      if (value === undefined) throw refusal("missing_value", at, text);
      return { op, path, value };
    }
    case "remove":
      if (path.length === 0) throw refusal("removes_all", at, text);
      return { op, path };
    case "move":
    case "copy": {
      const from = pathIn(given, "from", at);
      const isInto = op === "move" && path.length > from.length && isWithin(path, from);
      if (isInto) throw refusal("into_itself", at, text);
      return { op, path, from };
    }
  }
}

const OPS = ["add", "remove", "replace", "move", "copy", "test"] as const;
const isOp = (value: unknown): value is (typeof OPS)[number] => OPS.some((op) => op === value);
const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;

function pathIn(given: JsonObject, name: "path" | "from", at: number): Path {
  const text = textOf(memberOf(given, name));
  const path = text === undefined ? undefined : parsePointer(text);
  if (path === undefined) throw refusal(name === "path" ? "bad_path" : "bad_from", at, text);
  return path;
}

// ── application ─────────────────────────────────────────────────────────────────────────────────

type Open = Json[] | Record<string, Json>;

function run(document: Json, steps: readonly Step[]): Patched {
  let root = document;
  let open = new Set<object>();
  const undo: JsonOperation[] = []; // the last one first, when it is done
  let weight = 0; // of the root
  let at = 0; // number of the operation

  const fault = (reason: PatchReason, path: Path): GantryError =>
    refusal(reason, at, formatPointer(path));

  /** JP6. */
  function weigh(value: unknown, level: number, path: Path = []): Measure {
    const depthMax = LIMIT.documentDepth.max - level;
    const found = depthMax < 0 ? "too_deep" : measure(value, depthMax, (one) => open.has(one));
    if (typeof found === "string") throw fault(found, path);
    return found;
  }

  function grow(value: Json, path: Path): void {
    weight += weigh(value, path.length, path).weight;
    if (weight > LIMIT.documentWeight.max) throw fault("too_heavy", path);
  }

  function shrink(value: Json): void {
    weight -= weigh(value, 0).weight;
  }

  function find(path: Path): Json {
    let value = root;
    for (const token of path) value = childOf(value, token, path);
    return value;
  }

  function childOf(parent: Json, token: string, path: Path): Json {
    if (isArray(parent)) return parent[placeIn(parent, token, path, false)] ?? null;
    const child = isObject(parent) ? memberOf(parent, token) : undefined;
    if (child === undefined) throw fault("not_found", path);
    return child;
  }

  /** Of an item or, for `isNew`, also of the place after the last one. */
  function placeIn(list: readonly Json[], token: string, path: Path, isNew: boolean): number {
    if (token === "-") {
      if (isNew) return list.length;
      throw fault("out_of_bounds", path);
    }
    const place = indexOf(token);
    if (place === undefined) throw fault("bad_index", path);
    if (place > list.length || (place === list.length && !isNew))
      throw fault("out_of_bounds", path);
    return place;
  }

  /** JP1, JP5. */
  function opened(value: Json): Open | undefined {
    if (typeof value !== "object" || value === null) return undefined;
    if (open.has(value)) return value as Open; // made here, so it is not readonly
    const copy: Open = isArray(value) ? [...value] : { ...value };
    open.add(copy);
    return copy;
  }

  /** The container of what `path` names, ready to be written. */
  function parentOf(path: Path): Open {
    let parent = opened(root);
    if (parent === undefined) throw fault("not_found", path);
    root = parent;
    for (const token of path.slice(0, -1)) {
      const child = opened(childOf(parent, token, path));
      if (child === undefined) throw fault("not_found", path);
      if (Array.isArray(parent)) parent[Number(token)] = child;
      else setMember(parent, token, child);
      parent = child;
    }
    return parent;
  }

  /** Gives the path as it is now (`-` is a number), and what was there. */
  function add(path: Path, value: Json): { readonly path: Path; readonly before?: Json } {
    const token = path.at(-1);
    if (token === undefined) return { path, before: replace(path, value) };
    const parent = parentOf(path);
    if (Array.isArray(parent)) {
      const place = placeIn(parent, token, path, true);
      grow(value, path);
      parent.splice(place, 0, value);
      return { path: [...path.slice(0, -1), String(place)] };
    }
    const before = memberOf(parent, token);
    if (before !== undefined) return { path, before: replace(path, value) };
    weight += token.length;
    grow(value, path);
    setMember(parent, token, value);
    return { path };
  }

  function replace(path: Path, value: Json): Json {
    const before = find(path);
    shrink(before);
    grow(value, path);
    const token = path.at(-1);
    if (token === undefined) {
      root = value;
      return before;
    }
    const parent = parentOf(path);
    if (Array.isArray(parent)) parent[Number(token)] = value;
    else setMember(parent, token, value);
    return before;
  }

  function remove(path: Path): Json {
    const token = path.at(-1);
    assert(token !== undefined, "the whole document is never removed (removes_all)");
    const before = find(path);
    shrink(before);
    const parent = parentOf(path);
    if (Array.isArray(parent)) parent.splice(Number(token), 1);
    else {
      weight -= token.length;
      delete parent[token];
    }
    return before;
  }

  function undoAdd({ path, before }: ReturnType<typeof add>): JsonOperation {
    const text = formatPointer(path);
    return before === undefined
      ? { op: "remove", path: text }
      : { op: "replace", path: text, value: before };
  }

  function move(from: Path, path: Path): void {
    const value = find(from);
    if (isWithin(from, path)) {
      // It takes the place of what holds it, or its own.
      if (from.length > path.length)
        undo.push(undoAdd({ path, before: shut(replace(path, value)) }));
      return;
    }
    remove(from);
    const done = add(path, value);
    const back = formatPointer(from);
    if (done.before === undefined) {
      undo.push({ op: "move", from: formatPointer(done.path), path: back });
      return;
    }
    undo.push({ op: "add", path: back, value }, undoAdd(done));
    shut(value);
  }

  /** What the inverse holds is not changed any more, though the document may hold it still (JP5). */
  function shut<T>(value: T): T {
    open = new Set();
    return value;
  }

  function apply(step: Step): void {
    const { op, path } = step;
    switch (op) {
      case "add":
        undo.push(undoAdd(add(path, step.value)));
        return;
      case "replace":
        undo.push({ op, path: formatPointer(path), value: replace(path, step.value) });
        return;
      case "remove":
        undo.push({ op: "add", path: formatPointer(path), value: remove(path) });
        return;
      case "move":
        move(step.from, path);
        return;
      case "copy": {
        const value = shut(find(step.from));
        undo.push(undoAdd(add(path, value)));
        return;
      }
      case "test":
        if (!isSame(find(path), step.value)) throw fault("test_failed", path);
    }
  }

  grow(document, []);
  for (const step of steps) {
    apply(step);
    at += 1;
  }
  return { result: root, inverse: undo.toReversed() };
}
