import { nameSchema } from "@gantry/shared/contract/schemas/common.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ago,
  blocksOf,
  bytes,
  count,
  countdown,
  duration,
  heat,
  latency,
  metres,
  money,
  percent,
  printName,
  shortHash,
} from "./format.ts";

describe("values as people read them", () => {
  it.each([
    [duration(-1), "0 s"],
    [duration(59.6), "1 min"],
    [duration(200), "3 min 20 s"],
    [duration(7_500), "2 h 05 min"],
    [duration(273_600), "3 d 4 h"],
    [countdown(247), "4:07"],
    [countdown(0.2), "0:01"],
    [ago(10_000, 9_000), "just now"],
    [ago(0, 12_900), "12 s ago"],
    [ago(0, 200_000), "3 min ago"],
    [latency(849.7), "850 ms"],
    [latency(3_420), "3.4 s"],
    [latency(200_000), "3 min 20 s"],
    [bytes(0), "0 B"],
    [bytes(812), "812 B"],
    [bytes(4_300), "4.2 KiB"],
    [bytes(122_683_392), "117 MiB"],
    [heat(20.4, 0), "20 °C"],
    [heat(198.2, 215), "198 / 215 °C"],
    [metres(812), "812 mm"],
    [metres(12_400), "12.4 m"],
    [money(0), "$0.00"],
    [money(1.5), "$1.50"],
    [money(0.00042), "$0.00042"],
    [count(1, "print"), "1 print"],
    [count(2, "entry", "entries"), "2 entries"],
    [shortHash("0123456789abcdef"), "0123456789ab"],
  ])("%s is %s", (actual, expected) => {
    expect(actual).toBe(expected);
  });

  it("says 100 % only at the end", () => {
    expect([0, 0.5, 0.999, 1].map(percent)).toEqual(["0 %", "50 %", "99 %", "100 %"]);
  });

  it("makes a name that the hub accepts out of any file name", () => {
    expect(printName("bracket v2.gcode")).toBe("bracket v2");
    expect(printName("../../etc/passwd")).toBe("etc passwd");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(nameSchema.safeParse(printName(name)).success).toBe(true);
      }),
    );
  });

  it("cuts an answer at its code fences, also while the last one is open", () => {
    expect(blocksOf("Run:\n```sh\nnpm start\n```\nThen look.")).toEqual([
      { kind: "text", text: "Run:" },
      { kind: "code", text: "npm start" },
      { kind: "text", text: "Then look." },
    ]);
    expect(blocksOf("```\nG28")).toEqual([{ kind: "code", text: "G28" }]);
  });
});
