import fc from "fast-check";
import { expect, it } from "vitest";
import { chooseEviction, type Claim, type Resident, RESIDENT_MS, worth } from "./eviction.ts";
import {
  DEVICES,
  estimateBytes,
  fitsEver,
  freeBytes,
  makeMemoryLedger,
  measured,
  PROCESS_BYTES,
  release,
  reserve,
} from "./memory-ledger.ts";

const resident = (name: string, more: Partial<Resident> = {}): Resident => ({
  name,
  bytes: 100,
  isPinned: false,
  isBusy: false,
  residentMs: RESIDENT_MS,
  reloadMs: 1_000,
  usesPerS: 0.001,
  evictionsLately: 0,
  ...more,
});
const claim = (more: Partial<Claim> = {}): Claim => ({
  bytes: 100,
  waitedMs: 0,
  isInteractive: true,
  ...more,
});

it("puts out what is least used, quickest to load again and largest, and no more than is needed (EV2)", () => {
  const rare = resident("rare", { usesPerS: 0.000_1 });
  const slow = resident("slow", { reloadMs: 60_000 });
  const small = resident("small", { bytes: 10 });
  expect(chooseEviction([slow, small, rare], claim(), 0)?.victims).toEqual(["rare"]);
  expect(chooseEviction([slow, small, rare], claim({ bytes: 105 }), 10)?.victims).toEqual(["rare"]);
  expect(chooseEviction([slow, small, rare], claim({ bytes: 210 }), 0)?.victims).toHaveLength(3);
  expect(chooseEviction([slow], claim({ bytes: 300 }), 0)).toBeUndefined();
});

it("never a pinned one; a young one only for somebody who has waited (EV1)", () => {
  expect(
    chooseEviction([resident("a", { isPinned: true })], claim({ waitedMs: 1e9 }), 0),
  ).toBeUndefined();
  const young = resident("young", { residentMs: 10 });
  expect(chooseEviction([young], claim({ waitedMs: 4_999 }), 0)).toBeUndefined();
  expect(chooseEviction([young], claim({ waitedMs: 5_000 }), 0)?.victims).toEqual(["young"]);
  expect(
    chooseEviction([young], claim({ waitedMs: 5_000, isInteractive: false }), 0),
  ).toBeUndefined();
});

it("a busy one goes on for those who use it until the claim has waited; then it is drained, not killed", () => {
  const busy = resident("busy", { isBusy: true });
  expect(chooseEviction([busy], claim(), 0)).toBeUndefined();
  expect(chooseEviction([busy], claim({ waitedMs: 5_000 }), 0)).toEqual({
    victims: [],
    drains: ["busy"],
  });
});

it("what was put out twice lately stays for longer: long turns, not short ones (EV3)", () => {
  const thrashed = resident("t", { evictionsLately: 2 });
  expect(chooseEviction([thrashed], claim({ waitedMs: 10_000 }), 0)).toBeUndefined();
  expect(chooseEviction([thrashed], claim({ waitedMs: 30_000 }), 0)?.victims).toEqual(["t"]);
});

const anyResident = fc.record({
  name: fc.uuid(),
  bytes: fc.integer({ min: 1, max: 1_000 }),
  isPinned: fc.boolean(),
  isBusy: fc.boolean(),
  residentMs: fc.integer({ min: 0, max: 200_000 }),
  reloadMs: fc.integer({ min: 1, max: 100_000 }),
  usesPerS: fc.double({ min: 0, max: 1, noNaN: true }),
  evictionsLately: fc.nat(4),
});

it("what it chooses is enough, needed to the last one, and never pinned; only idle ones go at once", () => {
  fc.assert(
    fc.property(
      fc.array(anyResident, { maxLength: 12 }),
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 0, max: 60_000 }),
      (residents, bytes, waitedMs) => {
        const chosen = chooseEviction(residents, claim({ bytes, waitedMs }), 0);
        if (chosen === undefined) return;
        const of = (name: string): Resident =>
          residents.find((each) => each.name === name) as Resident;
        const all = [...chosen.victims, ...chosen.drains].map(of);
        const sum = all.reduce((total, each) => total + each.bytes, 0);
        const spare = all.filter((each) => sum - each.bytes >= bytes);
        expect({
          isEnough: sum >= bytes,
          hasPinned: all.some(({ isPinned }) => isPinned),
          hasBusyVictim: chosen.victims.map(of).some(({ isBusy }) => isBusy),
          spare: chosen.drains.length === 0 ? spare : [],
        }).toEqual({ isEnough: true, hasPinned: false, hasBusyVictim: false, spare: [] });
      },
    ),
  );
});

it("worth grows with use and reload time and falls with size", () => {
  const base = worth(resident("a"));
  expect(worth(resident("a", { usesPerS: 0.01 }))).toBeGreaterThan(base);
  expect(worth(resident("a", { reloadMs: 2_000 }))).toBeGreaterThan(base);
  expect(worth(resident("a", { bytes: 200 }))).toBeLessThan(base);
});

it("the ledger is never overdrawn by reservations, and the processor takes what the GPU has no room for (LM1, LM3)", () => {
  const anyStep = fc.record({
    name: fc.constantFrom("a", "b", "c", "d"),
    bytes: fc.integer({ min: 1, max: 800 }),
    act: fc.constantFrom("reserve", "release"),
  });
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 30 }), (steps) => {
      const ledger = makeMemoryLedger({ gpu: 500, cpu: 1_000 });
      for (const { name, bytes, act } of steps) {
        release(ledger, name);
        if (act === "release") continue;
        const before = { gpu: freeBytes(ledger, "gpu"), cpu: freeBytes(ledger, "cpu") };
        const device = reserve(ledger, name, bytes);
        expect(device).toBe(DEVICES.find((each) => bytes <= before[each]));
        for (const device of DEVICES) expect(freeBytes(ledger, device)).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

it("an estimate is replaced by what was measured (LM2), and says what can never fit", () => {
  const shape = { sizeBytes: 1_000_000_000, kvPerToken: 65_536 };
  const bytes = estimateBytes(shape, 8, 4_096);
  expect(bytes).toBe(Math.ceil((1e9 + 65_536 * 2 * 8 * 4_096) * 1.08) + PROCESS_BYTES);
  const ledger = makeMemoryLedger({ cpu: 8e9 });
  expect(reserve(ledger, "m", bytes)).toBe("cpu");
  measured(ledger, "m", 2e9);
  expect(freeBytes(ledger, "cpu")).toBe(6e9);
  expect(fitsEver(ledger, 8e9 + 1)).toBe(false);
});
