import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMIT } from "../../base/policy.ts";
import { FARM_FIELDS, farmWishSchema } from "./farm.ts";

describe("what a print asks of its printer", () => {
  it("is read alike from JSON and from the fields of a form", () => {
    const form = {
      material: " PETG ",
      color: "#ff8800",
      nozzle: "0.4",
      volume: "200x210x180",
      labels: "enclosed,quiet,",
      deadline: "2026-11-22T08:00:00+01:00",
      priority: "7",
      grams: "12.5",
      dialect: "marlin",
    };
    const read = {
      ...form,
      material: "PETG",
      color: "FF8800",
      nozzle: 0.4,
      volume: { x: 200, y: 210, z: 180 },
      labels: ["enclosed", "quiet"],
      priority: 7,
      grams: 12.5,
    };
    expect(farmWishSchema.parse(form)).toEqual(read);
    expect(farmWishSchema.parse({ ...form, nozzle: 0.4, labels: read.labels })).toEqual(read);
    expect(FARM_FIELDS).toEqual(Object.keys(form));
  });

  it.each([
    ["nozzle", "wide"],
    ["nozzle", "0"],
    ["volume", "200x200"],
    ["volume", "-1x2x3"],
    ["color", "orange"],
    ["priority", "10"],
    ["priority", "1.5"],
    ["deadline", "tomorrow"],
    ["labels", "a b"],
    ["labels", Array.from({ length: LIMIT.farmLabels.max + 1 }, (_, at) => `l${at}`).join(",")],
    ["material", "<script>"],
    ["dialect", "grbl"],
    ["speed", "1"],
  ])("refuses %s: %j", (field, value) => {
    expect(farmWishSchema.safeParse({ [field]: value }).success).toBe(false);
  });

  it("takes or refuses whatever comes, and takes nothing that is not finite and bounded", () => {
    const value = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.double(), fc.jsonValue());
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...FARM_FIELDS), value), (wish) => {
        const { success, data } = farmWishSchema.safeParse(wish);
        const numbers = [
          data?.nozzle,
          data?.grams,
          data?.priority,
          ...Object.values(data?.volume ?? {}),
        ];
        expect(numbers.every((each) => each === undefined || Number.isFinite(each))).toBe(true);
        expect((data?.labels ?? []).length).toBeLessThanOrEqual(LIMIT.farmLabels.max);
        expect(success).toBe(data !== undefined);
      }),
    );
  });
});
