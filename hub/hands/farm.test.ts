import { describe, expect, it } from "vitest";
import { isWithin } from "./farm.ts";

const at = (time: string): number => Date.parse(`2026-03-01T${time}:00Z`);
const hours = (from: number, to: number) => ({
  fromMinute: from * 60,
  toMinute: to * 60,
  zone: "UTC",
  longerThanS: 0,
});

describe("off-peak hours", () => {
  it.each([
    ["21:59", false],
    ["22:00", true],
    ["03:00", true],
    ["05:59", true],
    ["06:00", false],
    ["12:00", false],
  ])("go over midnight: %s is %s", (time, isIn) => {
    expect(isWithin(hours(22, 6), at(time))).toBe(isIn);
  });

  it.each([
    ["11:59", false],
    ["12:00", true],
    ["13:59", true],
    ["14:00", false],
  ])("lie within a day: %s is %s", (time, isIn) => {
    expect(isWithin(hours(12, 14), at(time))).toBe(isIn);
  });
});
