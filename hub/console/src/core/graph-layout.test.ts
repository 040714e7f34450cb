import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layOut, type Layout, type Link } from "./graph-layout.ts";

const MEASURES = { node: { length: 180, breadth: 56 }, layerGap: 60, laneGap: 20 };
const lay = (ids: readonly string[], links: readonly Link[]): Layout =>
  layOut(ids, links, MEASURES);
const edges = (...pairs: string[]): Link[] =>
  pairs.map((pair) => {
    const [from = "", to = ""] = pair.split(">");
    return { from, to };
  });

/** Links go from lower to higher numbers only: no circles. */
const graphs = fc.integer({ min: 1, max: 40 }).chain((size) =>
  fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 80 }).map((pairs) => ({
    ids: Array.from({ length: size }, (_, at) => `n${at}`),
    links: pairs
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => ({ from: `n${Math.min(a, b)}`, to: `n${Math.max(a, b)}` })),
  })),
);

function crossings({ layers, nodes }: Layout, links: readonly Link[]): number {
  const y = (id: string): number => nodes.get(id)?.y ?? 0;
  const layerOf = new Map(layers.flatMap((ids, at) => ids.map((id) => [id, at] as const)));
  let found = 0;
  for (const [at, a] of links.entries()) {
    for (const b of links.slice(at + 1)) {
      const isBeside = layerOf.get(a.from) === layerOf.get(b.from);
      if (isBeside && (y(a.from) - y(b.from)) * (y(a.to) - y(b.to)) < 0) found += 1;
    }
  }
  return found;
}

describe("the layout of a graph", () => {
  it("G1: a node is behind the longest way to it", () => {
    const { layers } = lay(["a", "b", "c", "d"], edges("a>b", "b>c", "a>d", "c>d"));
    expect(layers).toEqual([["a"], ["b"], ["c"], ["d"]]);
  });

  it("G1: each edge goes to a later layer, and no two nodes touch", () => {
    fc.assert(
      fc.property(graphs, ({ ids, links }) => {
        const { layers, nodes, breadth, length } = lay(ids, links);
        const layerOf = new Map(layers.flatMap((row, at) => row.map((id) => [id, at] as const)));
        expect(layerOf.size).toBe(ids.length);
        for (const { from, to } of links) {
          expect(layerOf.get(from)).toBeLessThan(layerOf.get(to) ?? -1);
        }
        for (const row of layers) {
          const ys = row.map((id) => nodes.get(id)?.y ?? Number.NaN);
          for (const [at, y] of ys.entries()) {
            expect(y).toBeGreaterThanOrEqual(28 - 1e-6);
            expect(y).toBeLessThanOrEqual(breadth - 28 + 1e-6);
            expect(y - (ys[at - 1] ?? -Infinity)).toBeGreaterThanOrEqual(76 - 1e-6);
          }
        }
        expect(length).toBe(layers.length * 240 - 60);
      }),
    );
  });

  it("G2: what can be drawn without a crossing is", () => {
    const links = edges("a>z", "b>y", "c>x", "z>p", "y>q", "x>r");
    const layout = lay(["a", "b", "c", "x", "y", "z", "r", "q", "p"], links);
    expect(crossings(layout, links)).toBe(0);
  });

  it("G3: an edge over a layer keeps clear of the node in it", () => {
    const links = edges("a>b", "b>c", "a>c");
    const { nodes, links: ways } = lay(["a", "b", "c"], links);
    const way = ways[2] ?? [];
    expect(way).toHaveLength(4);
    const b = nodes.get("b") ?? { x: 0, y: 0 };
    for (const { x, y } of way.slice(1, 3)) {
      expect(Math.abs(x - b.x)).toBe(90);
      expect(Math.abs(y - b.y)).toBeGreaterThan(28);
    }
  });

  it("G4: a circle, a loop and an end that is missing stop nothing", () => {
    const { nodes, links } = lay(["a", "b", "c"], edges("a>b", "b>c", "c>a", "b>b", "a>gone"));
    expect(nodes.size).toBe(3);
    expect(links.map((way) => way.length > 0)).toEqual([true, true, true, false, false]);
    expect(lay([], []).breadth).toBe(0);
  });

  it("500 nodes and 1,200 edges take less than 50 ms", () => {
    const ids = Array.from({ length: 500 }, (_, at) => `n${at}`);
    const links = ids.flatMap((from, at) =>
      [1, 7, 23].flatMap((step) => {
        const to = at + step + ((at * 13) % 17);
        return to < 500 && (at + step) % 5 !== 0 ? [{ from, to: `n${to}` }] : [];
      }),
    );
    expect(links.length).toBeGreaterThan(1_000);
    // The least of several: the machine may be busy with something else.
    const times = Array.from({ length: 20 }, () => {
      const startMs = performance.now();
      lay(ids, links);
      return performance.now() - startMs;
    });
    expect(Math.min(...times)).toBeLessThan(50);
    console.info(`500 nodes, ${links.length} edges: ${Math.min(...times).toFixed(1)} ms`);
  });
});
