// The simulated Marlin against what was measured on a real one (notes in the file headers): these
// transcripts are what makes a test against it worth something.

import { describe, expect, it } from "vitest";
import { formatLine } from "../protocols/marlin-line.ts";
import { MARLIN_OPTIONS, type MarlinOptions } from "./board.ts";
import { makeSimulatedMarlin, type SimulatedMarlin } from "./marlin.ts";

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

interface Talk {
  readonly marlin: SimulatedMarlin;
  /** Sends text, lets `ms` pass, gives the lines that came back. */
  readonly say: (text: string, ms?: number) => string[];
}

function booted(options: Partial<MarlinOptions> = {}): Talk {
  const marlin = makeSimulatedMarlin({ ...MARLIN_OPTIONS, baud: 0, ...options }, 0);
  let nowMs = 1_000;
  marlin.advance(nowMs);
  return {
    marlin,
    say: (text, ms = 50) => {
      marlin.receive(new TextEncoder().encode(text), nowMs);
      let out = "";
      for (const end = nowMs + ms; nowMs < end; nowMs += 1) out += latin1(marlin.advance(nowMs));
      return out.split("\n").filter((line) => line !== "");
    },
  };
}

describe("simulated Marlin", () => {
  it("says in its banner that it is simulated", () => {
    const [firmware] = booted().say("M115\n");
    expect(firmware).toContain("MACHINE_TYPE:Gantry simulated printer");
  });

  it("answers numbered lines with ADVANCED_OK, and M105 without it", () => {
    const { say } = booted();
    expect(say(formatLine(1, "G90"))).toEqual(["ok N1 P15 B3"]);
    expect(say(formatLine(2, "M105"))[0]).toMatch(
      /^ok T:21\.00 \/0\.00 B:21\.00 \/0\.00 @:0 B@:0$/,
    );
  });

  it("drops the numbers N and N-1 without a word, and asks again after any other (SM2)", () => {
    const { say } = booted();
    for (let number = 1; number <= 4; number += 1) say(formatLine(number, "G90"));
    expect(say(formatLine(4, "G90"))).toEqual([]);
    expect(say(formatLine(3, "G90"))).toEqual([]);
    expect(say(formatLine(2, "G90"))).toEqual([
      "Error:Line Number is not Last Line Number+1, Last Line: 4",
      "Resend: 5",
      "ok",
    ]);
    expect(say("N5 G90*1\n")).toEqual(["Error:checksum mismatch, Last Line: 4", "Resend: 5", "ok"]);
    expect(say("N5 G90\n")[0]).toBe("Error:No Checksum with line number, Last Line: 4");
  });

  it("holds the answer to the seventeenth move back (SM1)", () => {
    const { say } = booted();
    say("G28\n", 4_000);
    const moves = Array.from({ length: 20 }, (_, index) => `G1 X${index + 1} F60\n`).join("");
    expect(say(moves).filter((line) => line.startsWith("ok"))).toHaveLength(16);
  });

  it("says busy while it blocks, and waits for heat", () => {
    const { say, marlin } = booted({ heatFactor: 10 });
    const answers = say("M109 S200\n", 30_000);
    expect(answers).toContain("echo:busy: processing");
    expect(answers.at(-1)).toBe("ok P15 B3");
    expect(marlin.status().nozzleC).toBeGreaterThan(198);
  });

  it("clamps a target silently", () => {
    const { say, marlin } = booted();
    expect(say("M104 S400\n")).toEqual(["ok P15 B3"]);
    expect(marlin.status().nozzleTargetC).toBe(260);
  });

  it("with an emergency parser dies at once in a wait, and is silent until a reset (SM3)", () => {
    const { say, marlin } = booted();
    say("M109 S200\nG28\nG28\nG28\nG28\nG28\n");
    expect(say("M112\n")).toContain("Error:Printer halted. kill() called!");
    expect(marlin.status()).toMatchObject({ phase: "killed", nozzleTargetC: 0 });
    expect(say("M105\n", 5_000)).toEqual([]);
    marlin.reset(7_000, "External Reset");
    expect(say("", 5_000)).toContain("start");
  });

  it("without one is deaf while it waits and its queue is full", () => {
    const { say, marlin } = booted({ hasEmergencyParser: false });
    say("M109 S200\nG28\nG28\nG28\nG28\nG28\n");
    say("M112\n", 5_000);
    expect(marlin.status().phase).toBe("running");
  });

  it("finds a dead heater after forty seconds", () => {
    const { say, marlin } = booted();
    marlin.fault({ isHeaterBroken: true });
    say("M104 S200\n", 35_000);
    expect(marlin.status().phase).toBe("running");
    expect(say("", 8_000).join("\n")).toContain("Heating failed");
  });

  it("runs the end of a line whose beginning it threw away: the danger of writing ahead", () => {
    const { say, marlin } = booted();
    say(`N1 G90*0\n`);
    marlin.takeExecuted();
    say("G91*7\n"); // what is left of a numbered line after the buffer was emptied
    expect(marlin.takeExecuted()).toEqual(["- G91"]);
  });
});
