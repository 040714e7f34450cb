// The shape of one graph: its edges, an order in which they all lead forward, what comes before what.

import type { Graph } from "@gantry/shared/contract/workflow.ts";

export interface Link {
  readonly from: number;
  readonly to: number;
  /** Place in the graph's list of edges. */
  readonly place: number;
}

export interface Shape {
  /** Ids in an order in which every edge leads forward; independent ones by id. */
  readonly ids: readonly string[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** By index of the node. */
  readonly ins: readonly (readonly Link[])[];
  readonly outs: readonly (readonly Link[])[];
}

export type Shaped =
  | { readonly kind: "shape"; readonly shape: Shape }
  /** Ids of a circle, in its order. */
  | { readonly kind: "cycle"; readonly ids: readonly string[] };

/** Edges with an unknown end are left out. O((nodes + edges) log nodes). */
export function shapeOf(graph: Graph): Shaped {
  const names = Object.keys(graph.nodes).toSorted();
  const after = new Map<string, string[]>(names.map((id) => [id, []]));
  const waits = new Map<string, number>(names.map((id) => [id, 0]));
  for (const { from, to } of graph.edges) {
    if (!after.has(from) || !waits.has(to)) continue;
    after.get(from)?.push(to);
    waits.set(to, (waits.get(to) ?? 0) + 1);
  }
  const ids = names.filter((id) => waits.get(id) === 0);
  for (let at = 0; at < ids.length; at += 1) {
    for (const to of after.get(ids[at] ?? "") ?? []) {
      const left = (waits.get(to) ?? 0) - 1;
      waits.set(to, left);
      if (left === 0) ids.push(to);
    }
  }
  if (ids.length < names.length) {
    const stuck = new Set(names.filter((id) => (waits.get(id) ?? 0) > 0));
    return { kind: "cycle", ids: circleIn(stuck, after) };
  }
  return { kind: "shape", shape: linked(graph, ids) };
}

/** Some ids in `stuck` are on a circle: walk back along nodes that wait until one is met again. */
function circleIn(stuck: ReadonlySet<string>, after: ReadonlyMap<string, string[]>): string[] {
  const before = new Map<string, string>();
  for (const from of stuck) {
    for (const to of after.get(from) ?? []) if (stuck.has(to)) before.set(to, from);
  }
  const path: string[] = [];
  const seen = new Set<string>();
  let here = [...stuck][0] ?? "";
  while (!seen.has(here)) {
    seen.add(here);
    path.push(here);
    here = before.get(here) ?? here; // each stuck node waits for a stuck one
  }
  const circle = path.slice(path.indexOf(here)).toReversed();
  const first = circle.indexOf(circle.toSorted()[0] ?? "");
  return [...circle.slice(first), ...circle.slice(0, first)];
}

function linked(graph: Graph, ids: readonly string[]): Shape {
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  const ins: Link[][] = ids.map(() => []);
  const outs: Link[][] = ids.map(() => []);
  for (const [place, edge] of graph.edges.entries()) {
    const from = indexOf.get(edge.from);
    const to = indexOf.get(edge.to);
    if (from === undefined || to === undefined) continue;
    ins[to]?.push({ from, to, place });
    outs[from]?.push({ from, to, place });
  }
  return { ids, indexOf, ins, outs };
}

/** Sets of nodes as bits: 5,000 nodes are 3 MB, 20,000 edges are 3 million words to join. */
export interface Ancestry {
  readonly isBefore: (earlier: number, later: number) => boolean;
}

/**
 * Which nodes are surely over when a node begins: those before it along edges. `isRace`: of a join
 * with a count, what is before it may still run, so nodes after it do not look through it.
 */
export function ancestryOf(shape: Shape, isRace: (index: number) => boolean): Ancestry {
  const words = Math.ceil(shape.ids.length / 32);
  const bits = new Uint32Array(words * shape.ids.length);
  const set = (row: number, bit: number): void => {
    const at = row * words + (bit >>> 5);
    bits[at] = (bits[at] ?? 0) | (1 << (bit & 31));
  };
  for (const [index, links] of shape.ins.entries()) {
    for (const { from } of links) {
      set(index, from);
      if (isRace(from)) continue;
      for (let word = 0; word < words; word += 1) {
        const at = index * words + word;
        bits[at] = (bits[at] ?? 0) | (bits[from * words + word] ?? 0);
      }
    }
  }
  return {
    isBefore: (earlier, later) =>
      ((bits[later * words + (earlier >>> 5)] ?? 0) & (1 << (earlier & 31))) !== 0,
  };
}
