import { describe, expect, it } from "vitest";
import { projected } from "./layer-drawing.ts";

const SIZE = { width: 100, height: 100 };
const square = { zMm: 0.2, lines: [0, 0, 10, 0, 10, 0, 10, 10] };

describe("a layer on a picture", () => {
  it("from above fills it, keeps its shape and has y upwards", () => {
    const [found] = projected([square], SIZE, undefined);
    expect(found?.lines).toEqual([12, 88, 88, 88, 88, 88, 88, 12]);
  });

  it("in space stays inside, whichever way it is turned, and higher layers are higher", () => {
    for (let angle = -7; angle < 7; angle += 0.7) {
      const [low, high] = projected([square, { ...square, zMm: 5 }], SIZE, angle);
      for (const value of [...(low?.lines ?? []), ...(high?.lines ?? [])]) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(100);
      }
      expect(high?.lines[1]).toBeLessThan(low?.lines[1] ?? 0);
    }
  });

  it("of nothing is nothing", () => {
    expect(projected([{ zMm: 0, lines: [] }], SIZE, 1)).toEqual([{ lines: [] }]);
    expect(projected([], SIZE, undefined)).toEqual([]);
  });
});
