import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fit, moved, open, SCALE, showing, zoomed } from "./graph-view.ts";

const BOX = { width: 600, height: 400 };
const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const sizes = fc.record({ width: number(50, 20_000), height: number(50, 20_000) });
const views = fc.record({ x: number(-500, 500), y: number(-500, 500), scale: number(0.1, 2) });

describe("the window on a drawing", () => {
  it("shows all of it, in the middle, never larger than life", () => {
    expect(fit({ width: 100, height: 100 }, BOX)).toEqual({ x: 250, y: 150, scale: 1 });
    const { x, y, scale } = fit({ width: 1_104, height: 100 }, BOX);
    expect([x, y, scale]).toEqual([24, 175, 0.5]);
  });

  it("opens on what matters where all of it would be too small to read", () => {
    const { x, scale } = open({ width: 10_000, height: 100 }, BOX, { x: 5_000, y: 50 });
    expect([x, scale]).toEqual([300 - 5_000 * SCALE.legible, SCALE.legible]);
    const atStart = open({ width: 10_000, height: 100 }, BOX, { x: 0, y: 50 });
    expect(atStart.x).toBe(24);
  });

  it("V1: what is under the pointer stays there", () => {
    fc.assert(
      fc.property(views, number(0.2, 5), number(0, 600), number(0, 400), (view, factor, x, y) => {
        const after = zoomed(view, factor, { x, y });
        expect((x - after.x) / after.scale).toBeCloseTo((x - view.x) / view.scale, 4);
        expect((y - after.y) / after.scale).toBeCloseTo((y - view.y) / view.scale, 4);
        expect(after.scale).toBeLessThanOrEqual(SCALE.max);
      }),
    );
  });

  it("V2: some of the drawing is always in it", () => {
    fc.assert(
      fc.property(views, sizes, number(-1e5, 1e5), number(-1e5, 1e5), (view, size, x, y) => {
        const after = moved(view, { x, y }, size, BOX);
        expect(after.x).toBeLessThan(BOX.width);
        expect(after.x + size.width * view.scale).toBeGreaterThan(0);
        expect(after.y).toBeLessThan(BOX.height);
        expect(after.y + size.height * view.scale).toBeGreaterThan(0);
      }),
    );
  });

  it("moves no more than is needed to show a node", () => {
    const view = { x: 0, y: 0, scale: 1 };
    const size = { width: 100, height: 50 };
    expect(showing(view, { x: 300, y: 200 }, size, BOX)).toEqual(view);
    expect(showing(view, { x: 700, y: 200 }, size, BOX)).toEqual({ x: -174, y: 0, scale: 1 });
    expect(showing(view, { x: 20, y: 0 }, size, BOX)).toEqual({ x: 54, y: 49, scale: 1 });
  });
});
