import { describe, expect, it } from "vitest";
import { inWallOrder, needsOf, wallWord, type WallPrinter } from "./farm.ts";
import { wallTokenIn } from "./route.ts";

const tile = (id: string, facts: Partial<WallPrinter> = {}): WallPrinter => ({
  id,
  state: "idle",
  bed: "clear",
  isMaintenanceDue: false,
  ...facts,
});

describe("the wall", () => {
  it.each([
    [{}, "plain", "Idle"],
    [{ state: "printing" }, "info", "Printing"],
    [{ state: "printing", bed: "part" }, "info", "Printing"],
    [{ bed: "part" }, "warn", "Clear the bed"],
    [{ state: "paused", bed: "part" }, "warn", "Paused"],
    [{ isMaintenanceDue: true }, "warn", "Maintenance due"],
    [{ state: "offline", bed: "part" }, "bad", "Offline"],
    [{ state: "idle", fault: "heater" }, "bad", "Fault"],
    [{ state: "stopped" }, "bad", "Stopped"],
  ] as const)("says of %j: %s, %s", (facts, tone, word) => {
    expect(wallWord(tile("a", facts))).toEqual({ tone, word });
  });

  it("shows first what needs a hand, then by name", () => {
    const tiles = [
      tile("c"),
      tile("b", { state: "printing" }),
      tile("a"),
      tile("z", { state: "offline" }),
      tile("y", { bed: "part" }),
    ];
    expect(inWallOrder(tiles).map(({ id }) => id)).toEqual(["z", "y", "b", "a", "c"]);
  });

  it("finds its token only where it is the whole fragment", () => {
    expect(wallTokenIn("#wall=gt_abc-1")).toBe("gt_abc-1");
    for (const hash of ["#token=gt_1", "#wall=", "#/farm?wall=gt_1", "#wall=gt_a b"]) {
      expect(wallTokenIn(hash)).toBeUndefined();
    }
  });
});

it("what a print needs is said in a few words", () => {
  const print = {
    id: "p",
    name: "p",
    by: "ada",
    state: "ready",
    printer: "any",
    estimatedS: 1,
    createdAt: "",
    dueAt: "",
    reason: { code: "taken", message: "", change: "", printers: [] },
  };
  expect(needsOf(print)).toBe("for any");
  const farm = { dialect: "marlin", priority: 5 } as const;
  expect(needsOf({ ...print, farm: { ...farm, needs: {} } })).toBe("any printer");
  const needs = { material: "PETG", color: "FF8800", nozzleMm: 0.6, labels: ["enclosed"] };
  expect(needsOf({ ...print, farm: { ...farm, needs } })).toBe(
    "PETG, #FF8800, 0.6 mm nozzle, enclosed",
  );
});
