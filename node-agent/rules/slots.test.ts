import { expect, it } from "vitest";
import { chooseSlot, type SlotView } from "./slots.ts";

const slot = (commonTokens: number, usedAtMs: number, busy = false, isOwn = false): SlotView => ({
  busy,
  isOwn,
  commonTokens,
  usedAtMs,
});

it.each<[string, SlotView[], number | undefined]>([
  ["none is free", [slot(9, 1, true)], undefined],
  ["there is none", [], undefined],
  ["the warmest wins", [slot(20, 9), slot(60, 5), slot(0, 0)], 1],
  ["the conversation's own before a warmer one (S2)", [slot(60, 9), slot(20, 5, false, true)], 1],
  [
    "not its own when that is busy or empty (S1, S2)",
    [slot(0, 1, true, true), slot(0, 5, false, true), slot(60, 9)],
    2,
  ],
  ["never a busy one, however warm (S1)", [slot(100, 9, true), slot(0, 3)], 1],
  ["below a tenth the longest idle wins (S3)", [slot(9, 9), slot(1, 2), slot(0, 5)], 1],
  ["an unused one before somebody's conversation (S3)", [slot(3, 9), slot(0, 0)], 1],
])("%s", (_, slots, expected) => {
  expect(chooseSlot(slots, 100)).toBe(expected);
});
