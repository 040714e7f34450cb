// What a patch touches, so that one made for an older revision can follow what came since.
//
// TO1. Two patches whose touches do not meet give the same graph in either order, up to the order of
//      its edges, which means nothing.
// TO2. Grain: members of a node; a whole node where it is added, removed or replaced; an edge by all
//      that it is; the output as a whole. An edge reads that its two ends are there.

import { canonicalJson } from "@gantry/shared/base/canonical.ts";
import { parsePointer } from "../json-pointer.ts";
import { isObject, type Json, memberOf } from "../json-value.ts";
import type { GraphOperation, Touches } from "./patch-types.ts";

/** Operations that checkOperations has let pass. What cannot be read touches nothing: it is refused where it is applied. */
export function touchesOf(operations: readonly GraphOperation[]): Touches {
  const writes = new Set<string>();
  const reads = new Set<string>();
  for (const each of operations) touch(each, writes, reads);
  return { writes: [...writes], reads: [...reads] };
}

function touch(each: GraphOperation, writes: Set<string>, reads: Set<string>): void {
  switch (each.op) {
    case "addNode":
    case "removeNode":
      writes.add(`nodes/${each.id}`);
      return;
    case "setNode": {
      const [member] = parsePointer(each.at ?? "") ?? [];
      writes.add(member === undefined ? `nodes/${each.id}` : `nodes/${each.id}/${member}`);
      reads.add(existence(each.id));
      return;
    }
    case "addEdge":
    case "removeEdge":
      touchEdge(each.edge, writes, reads);
      return;
    case "test":
      reads.add(placeOf(each.path));
      return;
    case "move":
      writes.add(placeOf(each.from));
      writes.add(placeOf(each.path));
      return;
    case "copy":
      reads.add(placeOf(each.from));
      writes.add(placeOf(each.path));
      return;
    case "add":
    case "remove":
    case "replace":
      if (each.path === "/edges/-" && each.op === "add") touchEdge(each.value, writes, reads);
      else writes.add(placeOf(each.path));
  }
}

/** A member that no node has, so that only who writes the whole node meets it. */
const existence = (id: string): string => `nodes/${id}/#`;

function touchEdge(edge: Json, writes: Set<string>, reads: Set<string>): void {
  if (!isObject(edge)) return;
  const [from, to] = [memberOf(edge, "from"), memberOf(edge, "to")];
  const on = memberOf(edge, "on") ?? null;
  writes.add(`edges/${canonicalJson([from ?? null, to ?? null, on])}`);
  for (const end of [from, to]) if (typeof end === "string") reads.add(existence(end));
}

/** TO2. */
function placeOf(path: string): string {
  const [first = "", id = "", member] = parsePointer(path) ?? [];
  if (first !== "nodes") return first;
  return member === undefined ? `nodes/${id}` : `nodes/${id}/${member}`;
}

/** The first place in which the two meet; undefined if they commute (TO1). O(n * m) of small sets. */
export function meeting(earlier: Touches, later: Touches): string | undefined {
  return (
    overlap(earlier.writes, [...later.writes, ...later.reads]) ??
    overlap(earlier.reads, later.writes)
  );
}

function overlap(some: readonly string[], others: readonly string[]): string | undefined {
  const known = new Set(some);
  const parents = new Set(some.flatMap(parentsOf));
  return others.find(
    (other) =>
      known.has(other) || parents.has(other) || parentsOf(other).some((one) => known.has(one)),
  );
}

/** Of `nodes/ID/member`: `nodes/ID`. Ids have no slash; edges and output have no parent. */
function parentsOf(place: string): readonly string[] {
  const [first, id, member] = place.split("/", 3);
  return first === "nodes" && id !== undefined && member !== undefined ? [`nodes/${id}`] : [];
}
