import fc from "fast-check";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import { describe, expect, it } from "vitest";
import { type Beat, formatBeat, isHotNow, parseBeat } from "./heartbeat.ts";
import { AGAIN_MS, makeBridgeWatch, SILENCE_MS } from "./watch.ts";

const port = (id: string, isHot: boolean): Beat["printers"][number] => ({
  id,
  path: `/dev/${id}`,
  baud: 115_200,
  isHot,
});
const beat = (count: number, pid = 7): Beat => ({
  pid,
  count,
  printers: [port("a", true), port("b", false)],
});

const printer = (phase: Printer["phase"], targetC?: number): Printer => ({
  id: "a",
  driver: "marlin",
  phase,
  isSimulated: true,
  sizeMm: { x: 1, y: 1, z: 1 },
  nozzleMaxC: 260,
  bedMaxC: 100,
  ...(targetC === undefined
    ? {}
    : { temperatures: { nozzleC: 20, nozzleTargetC: 0, bedC: 20, bedTargetC: targetC } }),
});

describe("watch over a bridge", () => {
  it("lets a bridge alone whose number grows", () => {
    const watch = makeBridgeWatch();
    for (let count = 0; count < 20; count += 1) {
      watch.see(beat(count), count * (SILENCE_MS - 1));
      expect(watch.due(count * (SILENCE_MS - 1))).toEqual([]);
    }
  });

  it("names the hot printers of one that is silent, and no other (SW1)", () => {
    const watch = makeBridgeWatch();
    watch.see(beat(1), 0);
    watch.see(beat(1), SILENCE_MS - 1);
    expect(watch.due(SILENCE_MS - 1)).toEqual([]);
    watch.see(beat(1), SILENCE_MS);
    expect(watch.due(SILENCE_MS).map(({ id }) => id)).toEqual(["a"]);
    expect(watch.pid()).toBe(7);
  });

  it("does it once, and again after a while where it failed (SW3)", () => {
    const watch = makeBridgeWatch();
    watch.see(beat(1), 0);
    watch.settle("a", false, SILENCE_MS);
    expect(watch.due(SILENCE_MS + AGAIN_MS - 1)).toEqual([]);
    expect(watch.due(SILENCE_MS + AGAIN_MS)).toHaveLength(1);
    watch.settle("a", true, SILENCE_MS + AGAIN_MS);
    expect(watch.due(1e9)).toEqual([]);
  });

  it("leaves the printers to a bridge that is back (SW2), and starts anew when that one dies", () => {
    const watch = makeBridgeWatch();
    watch.see(beat(5), 0);
    watch.settle("a", true, SILENCE_MS);
    watch.see(beat(1, 8), SILENCE_MS + 1);
    expect(watch.due(SILENCE_MS + 2)).toEqual([]);
    expect(watch.due(2 * SILENCE_MS + 1)).toHaveLength(1);
  });

  it("does nothing after an end in order", () => {
    const watch = makeBridgeWatch();
    watch.see(beat(1), 0);
    watch.see(undefined, 100);
    expect(watch.due(1e9)).toEqual([]);
  });
});

describe("heartbeat", () => {
  it.each<[Printer["phase"], number | undefined, boolean, boolean]>([
    ["idle", 0, true, false],
    ["idle", undefined, true, true],
    ["idle", 60, false, true],
    ["heating", 0, false, true],
    ["offline", undefined, true, true],
    ["offline", undefined, false, false],
    ["stopped", undefined, true, true],
  ])("%s, bed target %s, hot before %s: %s (HB1)", (phase, targetC, wasHot, isHot) => {
    expect(isHotNow(printer(phase, targetC), wasHot)).toBe(isHot);
  });

  it("is read back as it was written, with spaces behind it too", () => {
    expect(parseBeat(`${formatBeat(beat(3)).trimEnd()}     `)).toEqual(beat(3));
  });

  it("is never taken from anything else, and reading never throws", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(200), (noise, cut) => {
        expect(parseBeat(noise)).toBeUndefined();
        const half = formatBeat(beat(3))
          .trimEnd()
          .slice(0, -1 - cut);
        expect(parseBeat(half)).toBeUndefined();
      }),
    );
  });
});
