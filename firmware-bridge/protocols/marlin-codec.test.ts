import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeMarlinDecoder, type MarlinEvent } from "./marlin-codec.ts";
import { formatLine, parseLine } from "./marlin-line.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (text: string): MarlinEvent[] => makeMarlinDecoder().push(bytesOf(text));

describe("marlin codec", () => {
  it.each<[string, MarlinEvent]>([
    ["ok", { kind: "ok" }],
    ["ok N4 P15 B3", { kind: "ok", n: 4, p: 15, b: 3 }],
    [
      "ok T:21.25 /0.00 B:20.00 /60.00 @:127 B@:0",
      {
        kind: "ok",
        reading: {
          nozzleC: 21.25,
          nozzleTargetC: 0,
          bedC: 20,
          bedTargetC: 60,
          nozzleDuty: 127,
          bedDuty: 0,
        },
      },
    ],
    [
      " T0:29.77 /200.00 @:127 W:?",
      { kind: "reading", reading: { nozzleC: 29.77, nozzleTargetC: 200, nozzleDuty: 127 } },
    ],
    ["Resend: 4", { kind: "resend", n: 4 }],
    ["Resend:N71", { kind: "resend", n: 71 }],
    ["rs N2 Expected", { kind: "resend", n: 2 }],
    ["echo:busy: processing", { kind: "busy", why: "processing" }],
    ["wait", { kind: "wait" }],
    ["start", { kind: "start" }],
    ["PowerUp", { kind: "start" }],
    ["//action:pause filament_runout 0", { kind: "action", action: "pause filament_runout 0" }],
    [
      "Error:checksum mismatch, Last Line: 3",
      { kind: "error", text: "checksum mismatch, Last Line: 3" },
    ],
    [
      "Error:Printer halted. kill() called!",
      { kind: "fatal", text: "Printer halted. kill() called!" },
    ],
    ["Cap:EMERGENCY_PARSER:1", { kind: "cap", name: "EMERGENCY_PARSER", isOn: true }],
    [
      "X:10.00 Y:20.50 Z:0.30 E:1.25 Count X:800 Y:1600 Z:120",
      { kind: "position", position: { x: 10, y: 20.5, z: 0.3, e: 1.25 } },
    ],
    [
      "area:{full:{min:{x:0.0000,y:0.0000,z:0.0000},max:{x:220.0000,y:220.0000,z:250.0000}},work:{}}",
      { kind: "area", sizeMm: { x: 220, y: 220, z: 250 } },
    ],
    ["okay", { kind: "noise", text: "okay" }],
    ["xok", { kind: "noise", text: "xok" }],
  ])("reads %j", (line, event) => {
    expect(decode(`${line}\n`)).toEqual([event]);
  });

  it("sees a reset that is glued to half a line", () => {
    const events = decode("T:36.29 /60.00start\n");
    expect(events.map(({ kind }) => kind)).toEqual(["reading", "start"]);
  });

  it("reads the fields of M115, values with spaces too", () => {
    const [event] = decode(
      "FIRMWARE_NAME:Marlin 2.1 (x) MACHINE_TYPE:Ender-3 V2 EXTRUDER_COUNT:1\n",
    );
    expect(event).toEqual({
      kind: "firmware",
      fields: { FIRMWARE_NAME: "Marlin 2.1 (x)", MACHINE_TYPE: "Ender-3 V2", EXTRUDER_COUNT: "1" },
    });
  });

  it("gives the same events however the bytes are split", () => {
    const text = "start\nok N1 P15 B3\n T:20.00 /0.00\nResend: 2\nok\necho:busy: processing\n";
    const whole = decode(text);
    const bytes = bytesOf(text);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const decoder = makeMarlinDecoder();
        let from = 0;
        const events: MarlinEvent[] = [];
        for (const to of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          events.push(...decoder.push(bytes.subarray(from, to)));
          from = to;
        }
        expect(events).toEqual(whole);
      }),
    );
  });

  it("never throws and never invents an ok, whatever comes in", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (pieces) => {
        const decoder = makeMarlinDecoder();
        const text = pieces.map((piece) => String.fromCharCode(...piece)).join("");
        const oks = pieces
          .flatMap((piece) => decoder.push(piece))
          .filter(({ kind }) => kind === "ok");
        const lines = text.split(/[\r\n]/).filter((line) => /^\s*ok(\s|:|$)/.test(line));
        expect(oks.length).toBeLessThanOrEqual(lines.length);
      }),
    );
  });
});

describe("numbered line", () => {
  const command = fc.stringMatching(/^[GM]\d{1,3}( [XYZE]-?\d{1,3}(\.\d{1,3})?){0,4}$/);

  it("is parsed back to number and command", () => {
    fc.assert(
      fc.property(fc.nat(9_999_999), command, (number, text) => {
        expect(parseLine(formatLine(number, text).trimEnd())).toEqual({
          kind: "numbered",
          number,
          command: text,
        });
      }),
    );
  });

  it("is refused with one byte before the checksum changed", () => {
    fc.assert(
      fc.property(
        fc.nat(999),
        command,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (n, text, at, flip) => {
          const line = formatLine(n, text).trimEnd();
          const index = at % line.lastIndexOf("*");
          const changed = String.fromCharCode(line.charCodeAt(index) ^ flip);
          expect(parseLine(line.slice(0, index) + changed + line.slice(index + 1)).kind).toBe(
            "corrupt",
          );
        },
      ),
    );
  });

  it("never passes when its end is changed and the next line joins it (ML2)", () => {
    for (let number = 0; number < 2_000; number += 1) {
      const first = formatLine(number, "G1 X1").trimEnd();
      const second = formatLine(number + 1, "G1 X2").trimEnd();
      for (let bit = 1; bit < 256; bit *= 2) {
        const joined = first + String.fromCharCode(10 ^ bit) + second;
        expect(parseLine(joined).kind).toBe("corrupt");
      }
      expect(parseLine(first).kind).toBe("numbered");
    }
  });
});
