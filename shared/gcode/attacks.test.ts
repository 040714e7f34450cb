// What a hostile or broken file tries, and that nothing of it passes: a refusal with its code, its line
// and what to do. The hub throws the upload away and the bridge scans again, so nothing of such a
// file reaches a port.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { LINE_BYTES_MAX } from "./lines.ts";
import { type GcodeLimits, type GcodeScan, makeScanner, scanGcode } from "./scan.ts";
import { DISGUISED, FORBIDDEN, HOT, MACROS, ODD, OUT } from "./testing/attacks.ts";

const LIMITS: GcodeLimits = {
  sizeMm: { x: 220, y: 220, z: 250 },
  nozzleMaxC: 260,
  bedMaxC: 100,
};
const KLIPPER: GcodeLimits = { ...LIMITS, dialect: "klipper" };

interface Fault {
  readonly code: string;
  readonly line: unknown;
  readonly hint: unknown;
}

function faultOf(file: string | Uint8Array, limits: GcodeLimits): Fault | undefined {
  try {
    scanGcode(file, limits);
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    return { code: error.code, line: error.details["line"], hint: error.details["hint"] };
  }
  return undefined;
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

describe("[K23] a file that is refused with its line and a hint:", () => {
  describe.each([
    ["forbidden", FORBIDDEN, LIMITS],
    ["disguised", DISGUISED, LIMITS],
    ["out of the volume", OUT, LIMITS],
    ["odd parameters", ODD, LIMITS],
    ["too hot", HOT, LIMITS],
    ["Klipper's macros", MACROS, KLIPPER],
  ] as const)("%s:", (_group, cases, limits) => {
    it.each(cases)("%s", (_what, file, code, line) => {
      const fault = faultOf(bytes(file), limits);
      expect(fault).toMatchObject({ code, line });
      expect(fault?.hint).toMatch(/^[A-Z][^\n]{10,}\.$/);
    });
  });

  it("stays refused behind a thousand good lines, in pieces of any size", () => {
    const good = `G28\n${"G1 X10 Y10 E0.1\nG1 X20 Y20\n".repeat(500)}`;
    const goodLines = 1_001;
    for (const [, file, code, line] of [...FORBIDDEN, ...DISGUISED]) {
      const scanner = makeScanner(LIMITS);
      const whole = bytes(good + file);
      const feed = (): void => {
        for (let at = 0; at < whole.length; at += 997) scanner.push(whole.subarray(at, at + 997));
        scanner.finish();
      };
      expect(feed).toThrow(
        expect.objectContaining({
          code,
          details: expect.objectContaining({ line: goodLines + line }),
        }),
      );
    }
  });
});

it("has a printer's own list of commands: more than the usual, or less", () => {
  expect(faultOf("M42 P1 S1\n", LIMITS)?.code).toBe("gcode_forbidden");
  expect(faultOf("M42 P1 S1\n", { ...LIMITS, alsoAllowed: ["M42"] })).toBeUndefined();
  expect(faultOf("M600\n", LIMITS)).toBeUndefined();
  expect(faultOf("M600\n", { ...LIMITS, alsoForbidden: ["M600"] })?.code).toBe("gcode_forbidden");
});

it("takes what is harmless: comments of any kind and length, macros where they belong", () => {
  const strange = `; M997 \u00e9\u0000 * N1 @pause\nG28 ; M112\n;${"y".repeat(3 * LINE_BYTES_MAX)}\nG1 X1\n`;
  expect(scanGcode(bytes(strange), LIMITS).commands).toBe(2);
  const start =
    "PRINT_START BED_TEMP=60 EXTRUDER_TEMP=215 BED_TYPE=pei2 NOZZLE_DIAMETER=0.4\nG1 X10 Y10 Z0.2 E1\nPRINT_END\n";
  expect(scanGcode(start, KLIPPER)).toMatchObject({ nozzleMaxC: 215, bedMaxC: 60, commands: 3 });
});

describe("whatever the bytes", () => {
  const piece = fc.oneof(
    fc.constantFrom("G28\n", "G1 X5", " Y-1", "E1", "G2 I5 J5\n", "G92 X0\n", "G91\n", "G20\n"),
    fc.constantFrom("M104 S200\n", "M997\n", "N1 ", "*12", ";", "\n", "\r", "\r\n", "\t", " ", "."),
    fc.constantFrom("; thumbnail begin 8x8 12\n", "; iVBORw0K\n", "; thumbnail end\n", ";TIME:5\n"),
    fc.constantFrom(
      "PRINT_START BED=60\n",
      "SET_FAN_SPEED FAN=a SPEED=1\n",
      "; filament used [mm] = 1, 2\n",
    ),
    fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
    fc.string({ unit: "binary-ascii", maxLength: 6 }),
    fc.uint8Array({ maxLength: 6 }).map((some) => String.fromCharCode(...some)),
  );
  const file = fc.array(piece, { maxLength: 60 }).map((pieces) => bytes(pieces.join("")));
  const CODES = new Set([
    "gcode_invalid",
    "gcode_out_of_bounds",
    "gcode_too_hot",
    "gcode_forbidden",
    "gcode_truncated",
  ]);

  /** The scan, or the whole fault: code, message and details. */
  function outcome(chunks: Iterable<Uint8Array>, limits: GcodeLimits): GcodeScan | object {
    const scanner = makeScanner(limits);
    try {
      for (const chunk of chunks) scanner.push(chunk);
      return scanner.finish();
    } catch (error) {
      if (!(error instanceof GantryError) || !CODES.has(error.code)) throw error;
      return { code: error.code, message: error.message, details: error.details };
    }
  }

  it("throws nothing but its own refusals, and how the bytes are cut changes nothing", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(file, sizes, fc.boolean(), (whole, some, isKlipper) => {
        const limits = isKlipper ? KLIPPER : LIMITS;
        expect(outcome(cut(whole, some), limits)).toEqual(outcome([whole], limits));
      }),
      { numRuns: 400 },
    );
  });
});

function* cut(whole: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield whole.slice(at, at + size);
    at += size;
  }
}
