import { expect, it } from "vitest";
import { chooseSlot, type SlotView } from "./slots.ts";

const slot = (commonTokens: number, usedAtMs: number, busy = false): SlotView => ({
  busy,
  commonTokens,
  usedAtMs,
});

it.each<[string, SlotView[], number | undefined]>([
  ["none is free", [slot(9, 1, true)], undefined],
  ["there is none", [], undefined],
  ["the warmest wins", [slot(20, 9), slot(60, 5), slot(0, 0)], 1],
  ["never a busy one, however warm (S1)", [slot(100, 9, true), slot(0, 3)], 1],
  ["below a tenth the longest idle wins (S2)", [slot(9, 9), slot(1, 2), slot(0, 5)], 1],
  ["an unused one before somebody's conversation (S2)", [slot(3, 9), slot(0, 0)], 1],
])("%s", (_, slots, expected) => {
  expect(chooseSlot(slots, 100)).toBe(expected);
});
