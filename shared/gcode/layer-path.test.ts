import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeLayerReader } from "./layer-path.ts";

const read = (text: string, from = 1, to = 1, max = 1_000) => {
  const reader = makeLayerReader(from, to, max);
  reader.push(Buffer.from(text));
  return reader.finish();
};

const PART = [
  "G28",
  "M83",
  "G1 Z0.2 F600",
  "G1 X10 Y10 F3000",
  "G1 X20 Y10 E1",
  "G1 X20 Y20 E1",
  "G1 Z5",
  "G1 X0 Y0",
  "G1 Z0.4",
  "G1 X10 Y20 E1",
  "",
].join("\n");

describe("the way through a layer", () => {
  it("has what is laid there, and no travel; heights without filament are no layers (LY1)", () => {
    expect(read(PART)).toEqual({
      layers: 2,
      drawn: [{ layer: 1, zMm: 0.2, stride: 1, lines: [10, 10, 20, 10, 20, 10, 20, 20] }],
    });
    expect(read(PART, 1, 2).drawn.map(({ layer, zMm }) => [layer, zMm])).toEqual([
      [1, 0.2],
      [2, 0.4],
    ]);
  });

  it("is thinned where it has too many lines, and says so (LY2)", () => {
    const lines = Array.from({ length: 500 }, (_, n) => `G1 X${n % 200} Y${n % 7} E1`);
    const [drawn] = read(["M83", "G1 Z0.2", ...lines, ""].join("\n"), 1, 1, 64).drawn;
    expect(drawn?.lines.length).toBeLessThanOrEqual(65 * 4);
    expect(drawn?.stride).toBeGreaterThan(1);
  });

  it("never throws for a file of short lines, and stays in its bound (fuzz)", () => {
    const line = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.constantFrom("G1 X1 E1", "G91", "G1 Z1", "M83"),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 80 }), (lines) => {
        const { drawn } = read(lines.join("\n"), 1, 3, 48);
        for (const one of drawn) expect(one.lines.length).toBeLessThanOrEqual(17 * 4);
      }),
    );
  });
});
