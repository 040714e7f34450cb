// What a hostile or broken file tries, and that nothing of it passes: a refusal with its code, its line
// and what to do. The hub throws the upload away and the bridge scans again, so nothing of such a
// file reaches a port.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import { COMMAND_BYTES_MAX } from "./command.ts";
import { LINE_BYTES_MAX } from "./lines.ts";
import { type GcodeLimits, type GcodeScan, makeScanner, scanGcode } from "./scan.ts";

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

type Case = readonly [what: string, file: string, code: string, line: number];

const FORBIDDEN: readonly Case[] = [
  ["settings written", "G28\nM500\n", "gcode_forbidden", 2],
  ["settings loaded", "M501\n", "gcode_forbidden", 1],
  ["factory settings", "M502\n", "gcode_forbidden", 1],
  ["settings read", "M503 S0\n", "gcode_forbidden", 1],
  ["settings checked", "M504\n", "gcode_forbidden", 1],
  ["firmware flashed", "G28\nG1 X5\nM997\n", "gcode_forbidden", 3],
  ["firmware flashed, one board of several", "M997 B1 S0\n", "gcode_forbidden", 1],
  ["cold extrusion allowed", "M302 P1\n", "gcode_forbidden", 1],
  ["cold extrusion at any heat", "M302 S0\n", "gcode_forbidden", 1],
  ["steps for a millimetre", "M92 X8000\n", "gcode_forbidden", 1],
  ["the origin moved", "M206 X-100\n", "gcode_forbidden", 1],
  ["end stops off", "M211 S0\n", "gcode_forbidden", 1],
  ["control of heat changed", "M301 P0 I0 D0\n", "gcode_forbidden", 1],
  ["heat for tuning", "M303 E0 S400 C8\n", "gcode_forbidden", 1],
  ["thermal protection off", "M143 S500\n", "gcode_forbidden", 1],
  ["a pin switched", "M42 P10 S255\n", "gcode_forbidden", 1],
  ["power switched on", "M80\n", "gcode_forbidden", 1],
  ["power switched off", "M81\n", "gcode_forbidden", 1],
  ["motors forced", "M569 S1 T2\n", "gcode_forbidden", 1],
  ["motor current", "M906 X3000\n", "gcode_forbidden", 1],
  ["the emergency stop", "M112\n", "gcode_forbidden", 1],
  ["a restart", "M999\n", "gcode_forbidden", 1],
  ["a break of a wait", "M108\n", "gcode_forbidden", 1],
  ["moves dropped", "M410\n", "gcode_forbidden", 1],
  ["a wait for a button", "M0 Click me\n", "gcode_invalid", 1],
  ["a bare wait for a button", "M0\n", "gcode_forbidden", 1],
  ["a file deleted from the card", "M30 /MODELS/A.GCO\n", "gcode_invalid", 1],
  ["a file deleted from the card, by letter", "M30\n", "gcode_forbidden", 1],
  ["a file written on the card", "M28\n", "gcode_forbidden", 1],
  ["a file of the card started", "M24\n", "gcode_forbidden", 1],
  ["a file of the card opened and run", "M32 P\n", "gcode_forbidden", 1],
  ["logging to the card", "M928\n", "gcode_forbidden", 1],
  ["a macro of the firmware run", "M810\n", "gcode_forbidden", 1],
  ["a macro of the firmware written", "M810 G0X0|M997\n", "gcode_invalid", 1],
  ["a file of the firmware run", 'M98 P"/macros/flash.g"\n', "gcode_invalid", 1],
  ["a part repeated for ever", "M808 L0\n", "gcode_forbidden", 1],
  ["a word to the host", "M118 A1\n", "gcode_forbidden", 1],
  ["a host action said aloud", "M118 //action:cancel\n", "gcode_invalid", 1],
  ["reports off", "M155 S0\n", "gcode_forbidden", 1],
  ["a sixth tool", "T5\n", "gcode_forbidden", 1],
  ["a coordinate system", "G54\n", "gcode_forbidden", 1],
  ["another plane", "G28\nG18\n", "gcode_forbidden", 2],
  ["machine coordinates", "G28\nG53 G1 X999\n", "gcode_invalid", 2],
  ["a probe without an end", "G38.2 Z-100\n", "gcode_forbidden", 1],
  ["a sub-command of a listed one", "G28\nG29.9\n", "gcode_forbidden", 2],
  ["units of heat changed", "M149 F\n", "gcode_forbidden", 1],
];

const DISGUISED: readonly Case[] = [
  ["lower case", "m997\n", "gcode_forbidden", 1],
  ["leading zeros", "M0997\n", "gcode_forbidden", 1],
  ["white space before it", " \t M997\n", "gcode_forbidden", 1],
  ["a tab behind it", "M997\tS1\n", "gcode_forbidden", 1],
  ["a CR as the only line end", "G28\rM997\rG1 X1\r", "gcode_forbidden", 2],
  ["a CR inside a comment", "G28 ; x\rM997\n", "gcode_forbidden", 2],
  ["LF and CR the wrong way round", "G28\n\rM997\n\r", "gcode_forbidden", 3],
  ["two commands on a line", "G28 M997\n", "gcode_invalid", 1],
  ["two commands without a space", "G28M997\n", "gcode_invalid", 1],
  ["a command behind numbers", "G28\nG1 X1 Y1M112\n", "gcode_invalid", 2],
  ["a line number", "N1 M997\n", "gcode_invalid", 1],
  ["line numbers begun again", "N0 M110 N0*125\n", "gcode_invalid", 1],
  ["line numbers begun again, alone", "M110 N5\n", "gcode_invalid", 1],
  ["a checksum", "G28*18\n", "gcode_invalid", 1],
  ["a checksum and a second command", "G28*18 M997*33\n", "gcode_invalid", 1],
  ["a checksum behind a comment's end", "M117 a*1\n", "gcode_invalid", 1],
  ["a comment in brackets", "G28 (home) M997\n", "gcode_invalid", 1],
  ["an escaped semicolon", "G28\\; M997\n", "gcode_invalid", 1],
  ["an escaped line end", "M117 a\\nM997\n", "gcode_invalid", 1],
  ["a message that runs on", "M117M997\n", "gcode_invalid", 1],
  ["quotes", 'G28 "M997"\n', "gcode_invalid", 1],
  ["a NUL", "G28\u0000M997\n", "gcode_invalid", 1],
  ["a NUL before it", "\u0000M997\n", "gcode_invalid", 1],
  ["a byte over ASCII", "G28\nG1 X1\u00b2\n", "gcode_invalid", 2],
  ["a no-break space inside", "G1\u00a0X1\n", "gcode_invalid", 1],
  ["a delete character", "M99\u007f7\n", "gcode_invalid", 1],
  ["a backspace", "M99\b97\n", "gcode_invalid", 1],
  ["an escape sequence", "\u001b[2JM997\n", "gcode_invalid", 1],
  ["a byte order mark", "\u00ef\u00bb\u00bfG28\n", "gcode_invalid", 1],
  ["a host's own command", "@pause\n", "gcode_invalid", 1],
  ["a host action", "//action:poweroff\n", "gcode_invalid", 1],
  ["a Grbl setting", "$100=1\n", "gcode_invalid", 1],
  ["a Grbl override byte", "\u0018\n", "gcode_invalid", 1],
  ["a template", "M104 S{temperature}\n", "gcode_invalid", 1],
  ["a Klipper macro for another printer", "RUN_SHELL_COMMAND CMD=reboot\n", "gcode_invalid", 1],
  ["a fraction of a command", "M99.7 7\n", "gcode_invalid", 1],
  ["a hexadecimal number", "G28\nG1 X0x7f\n", "gcode_invalid", 2],
  ["a number too long", `G28\nG1 X${"1".repeat(40)}\n`, "gcode_invalid", 2],
  ["a line just too long", `G28\nG1 X1${" ".repeat(80)}Y1\n`, "gcode_invalid", 2],
  ["a line far too long", `G28\nG1 ${"X1 ".repeat(9_000)}\n`, "gcode_invalid", 2],
  ["a message too long", `M117 ${"x".repeat(COMMAND_BYTES_MAX)}\n`, "gcode_invalid", 1],
  ["a command behind a huge comment", `;${"x".repeat(50_000)}\nM997\n`, "gcode_forbidden", 2],
];

const OUT: readonly Case[] = [
  ["absolute", "G28\nG1 X221\n", "gcode_out_of_bounds", 2],
  ["a hair too far", "G28\nG1 Y220.01\n", "gcode_out_of_bounds", 2],
  ["below the bed", "G28\nG1 Z-0.1\n", "gcode_out_of_bounds", 2],
  ["above the gantry", "G28\nG0 Z251\n", "gcode_out_of_bounds", 2],
  ["relative, at once", "G28\nG91\nG1 X-1\n", "gcode_out_of_bounds", 3],
  ["relative, bit by bit", `G28\nG91\n${"G1 X1\n".repeat(221)}`, "gcode_out_of_bounds", 223],
  ["after G92", "G28\nG1 X200\nG92 X0\nG1 X21\n", "gcode_out_of_bounds", 4],
  ["after G92 twice", "G28\nG1 Z200\nG92 Z0\nG1 Z40\nG92 Z0\nG1 Z11\n", "gcode_out_of_bounds", 6],
  ["after a negative G92", "G28\nG92 X-300\nG1 X0\n", "gcode_out_of_bounds", 3],
  ["in inches", "G28\nG20\nG1 X9\n", "gcode_out_of_bounds", 3],
  ["inches, relative, after G92", "G28\nG20\nG92 Y1\nG91\nG1 Y9\n", "gcode_out_of_bounds", 5],
  ["an arc that bulges", "G28\nG1 X10 Y50\nG3 X10 Y10 I0 J-20\n", "gcode_out_of_bounds", 3],
  ["an arc that bulges, by R", "G28\nG1 X5 Y50\nG3 X5 Y30 R10.5\n", "gcode_out_of_bounds", 3],
  ["a full circle", "G28\nG1 X10 Y100\nG2 I20 J0\nG2 I-20\n", "gcode_out_of_bounds", 4],
  ["an arc with its centre far away", "G28\nG1 X9 Y9\nG3 X9 Y10 I999\n", "gcode_out_of_bounds", 3],
  ["lower case and no spaces", "g28\ng1x221\n", "gcode_out_of_bounds", 2],
];

const ODD: readonly Case[] = [
  ["a move before homing", "G1 X1\n", "gcode_invalid", 1],
  ["an axis that was not homed", "G28 X\nG1 Y1\n", "gcode_invalid", 2],
  ["an arc of endless turns", "G28\nG1 X50 Y50\nG2 I5 P99999\n", "gcode_invalid", 3],
  ["an arc with R and a centre", "G28\nG1 X50 Y50\nG2 X60 R5 I5\n", "gcode_invalid", 3],
  ["a move past the end stops", "G28\nG1 H2 X-500\n", "gcode_invalid", 2],
  ["a laser's power", "G28\nG1 X1 S255\n", "gcode_invalid", 2],
  ["a further axis", "G28\nG1 A500\n", "gcode_invalid", 2],
  ["heat hidden in a retraction", "G10 P0 S400\n", "gcode_invalid", 1],
  ["an origin hidden in a retraction", "G10 L2 P1 X-100\n", "gcode_invalid", 1],
  ["a lift hidden in homing", "G28 R9999\n", "gcode_invalid", 1],
  ["a mesh kept in the printer", "G29 S0\n", "gcode_invalid", 1],
  ["heat hidden in a change of filament", "M600 R400\n", "gcode_invalid", 1],
  ["a move hidden in a change of filament", "M600 X999 Y999\n", "gcode_invalid", 1],
  ["a retraction through the extruder", "M207 S9000\n", "gcode_invalid", 1],
  ["no axis for G92", "G28\nG92\n", "gcode_invalid", 2],
  ["an axis alone for G92", "G28\nG92 X\n", "gcode_invalid", 2],
  ["a day of standing still", "M109 S200\nG4 S86400\n", "gcode_invalid", 2],
  ["a week of beeping", "M300 S440 P604800000\n", "gcode_invalid", 1],
  ["acceleration of nothing", "M201 X0\n", "gcode_invalid", 1],
  ["a speed of nothing", "M104 S200\nM203 Z0\n", "gcode_invalid", 2],
  ["acceleration backwards", "M204 P-100\n", "gcode_invalid", 1],
  ["a thousandfold speed", "M220 S100000\n", "gcode_invalid", 1],
];

const HOT: readonly Case[] = [
  ["the nozzle", "M104 S261\n", "gcode_too_hot", 1],
  ["the nozzle, waiting", "M109 S400\n", "gcode_too_hot", 1],
  ["the nozzle, by R", "M109 R400\n", "gcode_too_hot", 1],
  ["the nozzle, behind a good value", "M109 S200 R400\n", "gcode_invalid", 1],
  ["a second nozzle", "M104 T1 S400\n", "gcode_too_hot", 1],
  ["the nozzle, without spaces", "m104s400\n", "gcode_too_hot", 1],
  ["the nozzle, from a preset", "M104 I1\n", "gcode_invalid", 1],
  ["the bed", "M140 S101\n", "gcode_too_hot", 1],
  ["the bed, waiting", "M190 S400\n", "gcode_too_hot", 1],
  ["a chamber that is not there", "M141 S40\n", "gcode_too_hot", 1],
  ["below nothing", "M104 S-10\n", "gcode_invalid", 1],
];

const MACROS: readonly Case[] = [
  ["a program on the host", "RUN_SHELL_COMMAND CMD=reboot\n", "gcode_forbidden", 1],
  ["the configuration written", "SAVE_CONFIG\n", "gcode_forbidden", 1],
  ["the firmware restarted", "firmware_restart\n", "gcode_forbidden", 1],
  [
    "a motor forced",
    "FORCE_MOVE STEPPER=stepper_z DISTANCE=-50 VELOCITY=5\n",
    "gcode_forbidden",
    1,
  ],
  ["a position that is not so", "SET_KINEMATIC_POSITION Z=200\n", "gcode_forbidden", 1],
  ["the origin moved", "SET_GCODE_OFFSET Z=-5\n", "gcode_forbidden", 1],
  [
    "heat by its own command",
    "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=400\n",
    "gcode_too_hot",
    1,
  ],
  ["heat of the bed", "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=150\n", "gcode_too_hot", 1],
  ["heat for the start script", "PRINT_START BED=60 EXTRUDER=400\n", "gcode_too_hot", 1],
  ["bed heat for the start script", "START_PRINT BED_TEMP=200\n", "gcode_too_hot", 1],
  ["heat in Python's digits", "PRINT_START EXTRUDER=40_0\n", "gcode_forbidden", 1],
  ["heat with an exponent", "PRINT_START EXTRUDER_TEMP=4e2\n", "gcode_forbidden", 1],
  ["heat in a list", "PRINT_START EXTRUDER=210,400\n", "gcode_forbidden", 1],
  [
    "heat in Python's digits, by its own command",
    "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=4_00\n",
    "gcode_forbidden",
    1,
  ],
  ["a template in a macro", "PRINT_START BED={printer.x}\n", "gcode_forbidden", 1],
  ["a second command behind a macro", "PRINT_START BED=60 M997\n", "gcode_forbidden", 1],
  ["a quoted value", 'PRINT_START MSG="M997"\n', "gcode_forbidden", 1],
];

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
