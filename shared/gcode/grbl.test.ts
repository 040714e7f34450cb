import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { readGrblLine } from "./grbl.ts";
import { dialectOf, type GcodeLimits, type GcodeScan, scanGcode } from "./scan.ts";

const LIMITS: GcodeLimits = {
  sizeMm: { x: 300, y: 200, z: 80 },
  nozzleMaxC: 0,
  bedMaxC: 0,
  dialect: dialectOf("grbl"),
};

const scan = (...lines: readonly string[]): GcodeScan => scanGcode(`${lines.join("\n")}\n`, LIMITS);

function codeOf(...lines: readonly string[]): string {
  try {
    scan(...lines);
    return "accepted";
  } catch (error) {
    return error instanceof GantryError ? error.code : String(error);
  }
}

describe("a job for Grbl", () => {
  it("is read with what it does: extent, time, tool, several words a line", () => {
    const found = scan(
      "%",
      "(a pocket)",
      "G21 G90 G17",
      "M3 S12000",
      "G0 X10 Y10",
      "g1 z-2 f100 ; down",
      "G1 X70 F600",
      "G3 X70 Y50 I0 J20",
      "G0 Z5",
      "M5",
      "M30",
    );
    expect(found.commands).toBe(9);
    expect(found.boundsMm).toEqual({ min: { x: 10, y: 10, z: -2 }, max: { x: 90, y: 50, z: 5 } });
    expect(found.hazards).toEqual(["runs the spindle or laser, up to S12000", "moves the machine"]);
    expect(found.estimatedS).toBeGreaterThan(10);
  });

  it("tells that a laser is left on, that inches are meant, and that it waits for a person", () => {
    const found = scan("G20", "M4 S300", "G1 X2 F10", "M0");
    expect(found.boundsMm.max.x).toBeCloseTo(50.8);
    expect(found.hazards).toContain(
      "leaves the spindle or laser on; the bridge resets the machine at the end",
    );
    expect(found.hazards).toContain("stops until a person goes on");
  });

  it.each([
    ["a setting", ["$130=9999"], "gcode_invalid"],
    ["homing", ["$H"], "gcode_invalid"],
    ["an unlock", ["$X"], "gcode_invalid"],
    ["a reset", ["G1 X1 F100\x18"], "gcode_invalid"],
    ["a hold in a line", ["G1 X1 F100 !"], "gcode_invalid"],
    ["a cycle start", ["~"], "gcode_invalid"],
    ["an override byte", ["G1 X1 F100 \x91"], "gcode_invalid"],
    ["a stored origin", ["G10 L2 P1 X0"], "gcode_forbidden"],
    ["a stored position", ["G28.1"], "gcode_forbidden"],
    ["a change of tools", ["M6 T2"], "gcode_forbidden"],
    ["heat", ["M104 S200"], "gcode_forbidden"],
    ["flashing", ["M997"], "gcode_forbidden"],
    ["one letter twice", ["G1 X1 X2 F100"], "gcode_invalid"],
    ["a cut without a feed rate", ["G1 X1"], "gcode_invalid"],
    ["a line over the buffer", [`G1 X1.${"0".repeat(90)} F100`], "gcode_invalid"],
    ["a number in powers", ["G1 X1E3 F100"], "gcode_invalid"],
    ["more than the machine", ["G90", "G0 X-10", "G0 X300"], "gcode_out_of_bounds"],
    [
      "more than the machine, in steps",
      ["G91", ...Array(31).fill("G0 X10")],
      "gcode_out_of_bounds",
    ],
    ["an arc that leaves it", ["G0 X0 Y0", "G2 X0 Y0 I160 J0 F100"], "gcode_out_of_bounds"],
    ["nothing", ["(empty)"], "gcode_invalid"],
  ])("with %s is refused", (_what, lines, code) => {
    expect(codeOf(...(lines as string[]))).toBe(code);
  });

  it("that stops in a move is refused, and its line is named", () => {
    expect(() => scanGcode("M3 S1000\nG1 X10 F100\nG1 X2", LIMITS)).toThrow("Line 3");
  });

  it("whatever comes is refused in order or read, never otherwise (fuzz)", () => {
    const word = fc.tuple(
      fc.constantFrom(..."GMXYZFSIJKRPT$!?~%(;".split("")),
      fc.oneof(fc.integer({ min: -99, max: 999 }).map(String), fc.string({ maxLength: 4 })),
    );
    const line = fc.array(
      word.map((parts) => parts.join("")),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.map((words) => words.join(" ")).join("\n");
        try {
          scanGcode(text, LIMITS);
        } catch (error) {
          if (!(error instanceof GantryError)) throw error;
          return;
        }
        for (const [index, source] of text.split(/[\r\n]/).entries()) {
          const read = readGrblLine(source, index + 1);
          if (read === undefined) continue;
          // What goes out is plain, fits the buffer, and means the same when it is read again.
          expect(read.text).toMatch(/^[A-Z0-9.+-]{1,79}$/);
          expect(readGrblLine(read.text, 1)).toEqual(read);
        }
      }),
      { numRuns: 300 },
    );
  });
});
