// The link against the simulated Marlin, both pure, in virtual time: what was executed must be what
// was sent, whatever the line does to the bytes.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARLIN_OPTIONS, type MarlinOptions } from "../simulator/board.ts";
import type { Faults } from "../simulator/faults.ts";
import { makeSimulatedMarlin } from "../simulator/marlin.ts";
import { FIRST_NUMBER, type Link, LINK_POLICY, makeLink } from "./link.ts";
import { makeMarlinDecoder } from "./marlin-codec.ts";
import { formatLine } from "./marlin-line.ts";

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const BOOTED_MS = 1_000;

interface Run {
  readonly link: Link;
  /** Under a number: the program. Without: what noise or M105 made of it. */
  readonly numbered: readonly string[];
  readonly plain: readonly string[];
  readonly tookMs: number;
  readonly bytesInFlightMax: number;
}

/** Sends `program` until all is accepted or the link gives up; at most ten minutes of virtual time. */
function run(
  program: readonly string[],
  options: Partial<MarlinOptions>,
  faults: (index: number) => Faults | undefined = () => undefined,
): Run {
  const marlin = makeSimulatedMarlin({ ...MARLIN_OPTIONS, ...options }, 0);
  const decoder = makeMarlinDecoder();
  marlin.advance(BOOTED_MS);
  marlin.receive(bytesOf(formatLine(0, `M110 N${FIRST_NUMBER - 1}`)), BOOTED_MS);
  marlin.advance(BOOTED_MS + 100);
  marlin.takeExecuted();
  const link = makeLink(LINK_POLICY);
  let index = 0;
  let bytesInFlightMax = 0;
  let nowMs = BOOTED_MS + 100;
  for (; nowMs < 600_000; nowMs += 1) {
    for (const event of decoder.push(marlin.advance(nowMs))) link.receive(event, nowMs);
    link.tick(nowMs);
    while (link.hasRoom() && index < program.length) {
      const change = faults(index);
      if (change !== undefined) marlin.fault(change);
      link.send(program[index] ?? "", index + 1, nowMs);
      index += 1;
    }
    if (index === program.length) link.settle(nowMs);
    marlin.receive(bytesOf(link.takeOutput()), nowMs);
    bytesInFlightMax = Math.max(bytesInFlightMax, link.inFlightBytes());
    if (link.fault() !== undefined || (index === program.length && link.isSettled())) break;
  }
  const executed = marlin.takeExecuted();
  return {
    link,
    numbered: executed.filter((line) => line.startsWith("N") && own(line)).map(commandOf),
    plain: executed.filter((line) => line.startsWith("-") && own(line)).map(commandOf),
    tookMs: nowMs - BOOTED_MS - 100,
    bytesInFlightMax,
  };
}

/** M105 is the link's own question. */
const own = (line: string): boolean => !line.endsWith(" M105");

const commandOf = (line: string): string => line.slice(line.indexOf(" ") + 1);

const moves = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `G1 X${(index % 200) / 10} Y${index % 7} F9000`);

describe("link", () => {
  it("sends a program once and in order, never over 120 bytes ahead (LK1)", () => {
    const program = moves(500);
    const { numbered, plain, bytesInFlightMax, link } = run(program, {});
    expect(numbered).toEqual(program);
    expect(plain).toEqual([]);
    expect(bytesInFlightMax).toBeLessThanOrEqual(120);
    expect(link.ackedTag()).toBe(500);
    expect(link.counts()).toMatchObject({ resent: 0, asked: 0 });
  });

  it("uses nine tenths of the wire", () => {
    const program = moves(1_000).map((line) => line.replace("F9000", "F60000"));
    const wireBytes = program.reduce((sum, line) => sum + formatLine(500, line).length, 0);
    const { tookMs } = run(program, {});
    expect(wireBytes / 11.52 / tookMs).toBeGreaterThan(0.9);
  });

  it("sends nothing else while a command blocks (LK2)", () => {
    const { numbered } = run(["G28", "G1 X1 F600", "M400", "G1 X2", "G4 P100", "G1 X3"], {});
    expect(numbered).toEqual(["G28", "G1 X1 F600", "M400", "G1 X2", "G4 P100", "G1 X3"]);
  });

  it.each([true, false])("[D7] finds lost answers (ADVANCED_OK %s)", (isAdvancedOk) => {
    const program = moves(60);
    const { numbered, link } = run(program, { isAdvancedOk }, (index) =>
      index === 20 || index === 59 ? { loseOks: 1 } : undefined,
    );
    expect(numbered).toEqual(program);
    expect(link.fault()).toBeUndefined();
  });

  it.each([true, false])("survives lost line ends (ADVANCED_OK %s)", (isAdvancedOk) => {
    const program = moves(60);
    const { numbered, link } = run(program, { isAdvancedOk }, (index) =>
      index === 20 || index === 59 ? { loseNewlines: 1 } : undefined,
    );
    expect(numbered).toEqual(program);
    expect(link.fault()).toBeUndefined();
  });

  it("sends a line again when asked", () => {
    const program = moves(60);
    const { numbered, link } = run(program, {}, (index) =>
      index === 20 ? { forceResend: true } : undefined,
    );
    expect(numbered).toEqual(program);
    expect(link.counts().resent).toBeGreaterThan(0);
  });

  it("gives up within 5 s when nobody answers", () => {
    const { link, tookMs } = run(moves(60), {}, (index) =>
      index === 20 ? { isFrozen: true } : undefined,
    );
    expect(link.fault()).toEqual({ kind: "silent" });
    expect(tookMs).toBeLessThan(5_000);
  });

  it.each([
    [300, true],
    [300, false],
    [1_000, true],
    [1_000, false],
  ])(
    "executes the numbered program exactly at %i ppm of noise (ADVANCED_OK %s)",
    (noisePpm, isAdvancedOk) => {
      const program = moves(300);
      fc.assert(
        fc.property(fc.nat(100_000), (seed) => {
          const { numbered, plain, link } = run(
            program,
            { isAdvancedOk, seed, baud: 250_000 },
            (index) => (index === 0 ? { noisePpm } : undefined),
          );
          expect(link.fault()).toBeUndefined();
          expect(numbered).toHaveLength(program.length);
          // Two equal changes in one line have the same XOR and pass Marlin unseen: about one
          // line in 20,000 at 1,000 ppm. More than that would be ours.
          const misread = numbered.filter((command, index) => command !== program[index]);
          expect(misread.length).toBeLessThan(3);
          // Marlin runs the end of a line whose beginning it threw away: never more than a command
          // of the program, and rarely.
          expect(plain.filter((command) => program.includes(command)).length).toBeLessThan(10);
        }),
        // 0: noise made M1, which waits for a person, of an M105. 55747: late answers were taken for a
        // proof, and the last line was lost. The seed is fixed because noise may win: a line's answer
        // and both M105 that ask for it, spoilt one after the other, are an honest fault.
        { numRuns: 50, seed: 5, examples: [[0], [55_747]] },
      );
    },
  );

  it("loses no second to a spoilt line where the firmware says what room it has", () => {
    const program = moves(3_000).map((line) => line.replace("F9000", "F60000"));
    const { numbered, tookMs } = run(program, { baud: 250_000, seed: 3 }, (index) =>
      index === 0 ? { badLinesPpm: 40_000 } : undefined,
    );
    expect(numbered).toEqual(program);
    // 4 s without bad lines; 7.7 s with 120 of them, 21 s where some were waited for as lost answers.
    expect(tookMs).toBeLessThan(12_000);
  });

  it("executes 100,000 lines exactly although every hundredth is spoilt", () => {
    const program = Array.from(
      { length: 100_000 },
      (_, index) => `G1 X${index % 200}.${index % 10}`,
    );
    const options = { baud: 1_000_000, seed: 7 };
    const { numbered, link } = run(
      program.map((line) => `${line} F60000`),
      options,
      (index) => (index === 0 ? { badLinesPpm: 10_000 } : undefined),
    );
    expect(link.fault()).toBeUndefined();
    expect(numbered.length).toBe(program.length);
    expect(numbered.filter((line, index) => line !== `${program[index]} F60000`)).toEqual([]);
    expect(link.counts().resent).toBeGreaterThan(900);
  });

  it("knows a restarted printer by its banner and by the line it asks for (LK5)", () => {
    const byBanner = makeLink(LINK_POLICY);
    byBanner.receive({ kind: "start" }, 0);
    expect(byBanner.fault()).toEqual({ kind: "restarted" });
    const byNumber = makeLink(LINK_POLICY);
    byNumber.receive({ kind: "resend", n: 1 }, 0);
    expect(byNumber.fault()).toBeUndefined();
    byNumber.receive({ kind: "resend", n: 1 }, 0);
    expect(byNumber.fault()).toEqual({ kind: "restarted" });
  });

  it("puts the plain M112 first in an emergency, and sends nothing after it", () => {
    const link = makeLink(LINK_POLICY);
    link.send("G28", 1, 0);
    expect(link.emergency()).toMatch(/^\nM112\nN102 M112\*\d+\nM104 S0\nM140 S0\n$/);
    expect(link.hasRoom()).toBe(false);
    expect(link.takeOutput()).toBe("");
  });
});
