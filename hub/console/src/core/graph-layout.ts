// Where the nodes of a graph are drawn: in layers, left to right, with few crossings. Pure.
//
//   G1. A node's layer is the longest way to it, so that each edge goes to a later layer.
//   G2. Within a layer the order is by the mean place of the neighbours (barycentre), swept to and fro.
//   G3. An edge over several layers goes through places of its own, so that it crosses no node; only
//       BENDS_MAX of them in all, beyond which edges are drawn straight.
//   G4. The same graph gives the same picture, whatever its states are. A circle, which no valid graph
//       has, does not stop it: the edge that closes it is drawn backwards.

export interface Link {
  readonly from: string;
  readonly to: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Sizes in the units of the drawing. */
export interface Measures {
  /** Along the flow, and across it. */
  readonly node: { readonly length: number; readonly breadth: number };
  readonly layerGap: number;
  readonly laneGap: number;
}

/** In flow coordinates: x along the flow, y across it, both from 0. Points are centres. */
export interface Layout {
  readonly nodes: ReadonlyMap<string, Point>;
  /** For each link given, in order: from the end of one node to the beginning of the other. */
  readonly links: readonly (readonly Point[])[];
  /** Ids of each layer, in order across the flow. */
  readonly layers: readonly (readonly string[])[];
  readonly length: number;
  readonly breadth: number;
}

const BENDS_MAX = 4_000;
const SWEEPS = 4;

/** A place in a layer: a node, or where an edge passes through. */
interface Cell {
  readonly id: string | undefined;
  readonly layer: number;
  readonly before: Cell[];
  readonly after: Cell[];
  /** Place in its layer, then the coordinate across the flow. */
  rank: number;
  y: number;
}

/** Links to nodes that are not there, and of a node to itself, are drawn as nothing. */
export function layOut(ids: readonly string[], links: readonly Link[], measures: Measures): Layout {
  const known = new Set(ids);
  const real = links.filter(({ from, to }) => from !== to && known.has(from) && known.has(to));
  const layerOf = longestWays(ids, real);
  const cells = new Map(ids.map((id) => [id, cellAt(layerOf.get(id) ?? 0, id)]));
  const layers = layered(cells.values());
  const chains = chainsOf(real, cells, layers);
  order(layers);
  place(layers, measures);
  return drawn(ids, links, cells, chains, layers, measures);
}

/** G1, by Kahn's order; what is left over is in a circle (G4). */
function longestWays(ids: readonly string[], links: readonly Link[]): Map<string, number> {
  const after = new Map<string, string[]>(ids.map((id) => [id, []]));
  const open = new Map(ids.map((id) => [id, 0]));
  for (const { from, to } of links) {
    after.get(from)?.push(to);
    open.set(to, (open.get(to) ?? 0) + 1);
  }
  const layer = new Map<string, number>(ids.map((id) => [id, 0]));
  const ready = ids.filter((id) => open.get(id) === 0);
  const seen = new Set<string>();
  let leftAt = 0;
  while (seen.size < ids.length) {
    let id = ready.pop();
    if (id === undefined) {
      while (seen.has(ids[leftAt] ?? "")) leftAt += 1;
      id = ids[leftAt];
      if (id === undefined) break;
    }
    if (seen.has(id)) continue;
    seen.add(id);
    for (const next of after.get(id) ?? []) {
      if (seen.has(next)) continue;
      layer.set(next, Math.max(layer.get(next) ?? 0, (layer.get(id) ?? 0) + 1));
      const left = (open.get(next) ?? 0) - 1;
      open.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  return layer;
}

const cellAt = (layer: number, id?: string): Cell => ({
  id,
  layer,
  before: [],
  after: [],
  rank: 0,
  y: 0,
});

function layered(cells: Iterable<Cell>): Cell[][] {
  const layers: Cell[][] = [];
  for (const cell of cells) {
    while (layers.length <= cell.layer) layers.push([]);
    layers[cell.layer]?.push(cell);
  }
  return layers;
}

type Chains = ReadonlyMap<Link, readonly Cell[]>;

/** G3: each link as the cells that it goes through, its ends included. */
function chainsOf(
  links: readonly Link[],
  cells: ReadonlyMap<string, Cell>,
  layers: readonly Cell[][],
): Chains {
  const chains = new Map<Link, readonly Cell[]>();
  let bends = 0;
  for (const link of links) {
    const [from, to] = [cells.get(link.from), cells.get(link.to)];
    if (from === undefined || to === undefined) continue;
    const chain = [from];
    const between = to.layer - from.layer - 1;
    if (between > 0 && bends + between <= BENDS_MAX) {
      bends += between;
      for (let layer = from.layer + 1; layer < to.layer; layer += 1) {
        const cell = cellAt(layer);
        layers[layer]?.push(cell);
        chain.push(cell);
      }
    }
    chain.push(to);
    chains.set(link, chain);
    for (const [at, cell] of chain.slice(1).entries()) {
      const source = chain[at];
      if (source === undefined || source.layer >= cell.layer) continue; // G4: backwards
      source.after.push(cell);
      cell.before.push(source);
    }
  }
  return chains;
}

/** G2. */
function order(layers: readonly Cell[][]): void {
  for (const layer of layers) rank(layer);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of layers) sortBy(layer, (cell) => cell.before);
    for (const layer of layers.toReversed()) sortBy(layer, (cell) => cell.after);
  }
  for (const layer of layers) sortBy(layer, (cell) => cell.before);
}

function rank(layer: readonly Cell[]): void {
  for (const [at, cell] of layer.entries()) cell.rank = at;
}

function sortBy(layer: Cell[], neighbours: (cell: Cell) => readonly Cell[]): void {
  const centre = new Map(
    layer.map((cell) => [cell, mean(neighbours(cell), ({ rank: at }) => at) ?? cell.rank]),
  );
  layer.sort((a, b) => (centre.get(a) ?? 0) - (centre.get(b) ?? 0) || a.rank - b.rank);
  rank(layer);
}

function mean(cells: readonly Cell[], of: (cell: Cell) => number): number | undefined {
  if (cells.length === 0) return undefined;
  let sum = 0;
  for (const cell of cells) sum += of(cell);
  return sum / cells.length;
}

/** Each cell as near to its neighbours as its order and the others' room allow. */
function place(layers: readonly Cell[][], { node, laneGap }: Measures): void {
  const room = (cell: Cell): number => (cell.id === undefined ? laneGap : node.breadth + laneGap);
  for (const layer of layers) {
    let y = 0;
    for (const cell of layer) {
      cell.y = y + room(cell) / 2;
      y += room(cell);
    }
    for (const cell of layer) cell.y -= y / 2;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of layers) settle(layer, ({ before }) => before, room);
    for (const layer of layers.toReversed()) settle(layer, ({ after }) => after, room);
  }
  for (const layer of layers) settle(layer, ({ before }) => before, room);
}

function settle(
  layer: readonly Cell[],
  neighbours: (cell: Cell) => readonly Cell[],
  room: (cell: Cell) => number,
): void {
  const wanted = layer.map((cell) => mean(neighbours(cell), ({ y }) => y) ?? cell.y);
  let floor = -Infinity;
  let drift = 0;
  for (const [at, cell] of layer.entries()) {
    const wish = wanted[at] ?? 0;
    cell.y = Math.max(wish, floor + room(cell) / 2);
    drift += cell.y - wish;
    floor = cell.y + room(cell) / 2;
  }
  // All are pushed one way above; shared out, half of them are too far one way and half the other.
  for (const cell of layer) cell.y -= drift / layer.length;
}

function drawn(
  ids: readonly string[],
  links: readonly Link[],
  cells: ReadonlyMap<string, Cell>,
  chains: Chains,
  layers: readonly Cell[][],
  { node, layerGap }: Measures,
): Layout {
  const all = layers.flat();
  const least = all.reduce((min, { y }) => Math.min(min, y), Infinity);
  const most = all.reduce((max, { y }) => Math.max(max, y), -Infinity);
  const top = all.length === 0 ? 0 : least - node.breadth / 2;
  const xOf = (layer: number): number => layer * (node.length + layerGap) + node.length / 2;
  const pointOf = (cell: Cell): Point => ({ x: xOf(cell.layer), y: cell.y - top });
  const points = (link: Link): readonly Point[] => {
    const chain = chains.get(link) ?? [];
    return chain.flatMap((cell, at) => {
      const { x, y } = pointOf(cell);
      const half = node.length / 2;
      if (at === 0) return [{ x: x + half, y }];
      if (at === chain.length - 1) return [{ x: x - half, y }];
      return [
        { x: x - half, y },
        { x: x + half, y },
      ];
    });
  };
  return {
    nodes: new Map(ids.map((id) => [id, pointOf(cells.get(id) ?? cellAt(0, id))])),
    links: links.map(points),
    layers: layers.map((layer) => layer.flatMap(({ id }) => id ?? [])),
    length: layers.length === 0 ? 0 : xOf(layers.length - 1) + node.length / 2,
    breadth: all.length === 0 ? 0 : most - least + node.breadth,
  };
}
