import { describe, expect, it } from "vitest";
import { formatOf, LOG_FORMAT, refusalOf } from "./formats.ts";

const NEW = { flagDeleted: 3 };
const facts =
  (table: Readonly<Record<string, number | undefined>>) =>
  (hub: string): { readonly format?: number } | undefined => {
    const format = table[hub];
    return format === undefined ? undefined : { format };
  };

describe("hubs of adjacent releases", () => {
  it("write a new command only when every hub can apply it (FG1)", () => {
    const hubs = ["hub-1", "hub-2", "hub-3"];
    const upgrade = [
      { "hub-1": 2, "hub-2": 2, "hub-3": 2 },
      { "hub-1": 3, "hub-2": 2, "hub-3": 2 },
      { "hub-1": 3, "hub-2": 3, "hub-3": 2 },
      { "hub-1": 3, "hub-2": 3, "hub-3": 3 },
    ].map((table) => refusalOf("flagDeleted", formatOf(hubs, facts(table)), NEW)?.code);
    expect(upgrade).toEqual([
      "capability_missing",
      "capability_missing",
      "capability_missing",
      undefined,
    ]);
  });

  it("count a hub that says no format as the oldest (FG1)", () => {
    const format = formatOf(["hub-1", "hub-2"], (hub) => (hub === "hub-1" ? { format: 3 } : {}));
    expect(format).toBe(1);
    expect(refusalOf("flagDeleted", format, NEW)?.details).toEqual({
      command: "flagDeleted",
      needed: 3,
      format: 1,
    });
  });

  it("ask to try again while a hub has said nothing at all (FG1)", () => {
    const format = formatOf(["hub-1", "hub-2"], facts({ "hub-1": 3 }));
    expect(format).toEqual({ unknown: "hub-2" });
    expect(refusalOf("flagDeleted", format, NEW)).toMatchObject({ code: "starting" });
    expect(refusalOf("flagSet", format, NEW)).toBeUndefined();
  });

  it("write what the first release knew at any time", () => {
    expect(refusalOf("flagSet", 1, NEW)).toBeUndefined();
    expect(LOG_FORMAT).toBeGreaterThanOrEqual(1);
  });
});
