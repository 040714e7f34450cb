import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPlace, PAGES, parsePlace, tokenIn } from "./route.ts";

describe("addresses", () => {
  it("R1: what is formatted is parsed to the same place", () => {
    const text = fc.string({ minLength: 1, unit: "binary" });
    fc.assert(
      fc.property(
        fc.constantFrom(...PAGES),
        fc.option(text, { nil: undefined }),
        fc.dictionary(fc.constantFrom("after", "type", "tab"), text),
        (page, id, query) => {
          const place = parsePlace(formatPlace(page, id, query));
          expect(place).toEqual({ page, ...(id === undefined ? {} : { id }), query });
        },
      ),
    );
  });

  it.each(["", "#", "#/", "#/nowhere", "#/%E0%A4%A", "#token=gt_1_x", "#main"])(
    "%j shows the overview",
    (hash) => {
      expect(parsePlace(hash)).toEqual({ page: "overview", query: {} });
    },
  );

  it("finds a token only where it is the whole fragment", () => {
    expect(tokenIn("#token=gt_abc_DEF-123")).toBe("gt_abc_DEF-123");
    for (const hash of ["#/ask?token=gt_1", "#token=", "#token=gt_a b", "#token=xx_1", ""]) {
      expect(tokenIn(hash)).toBeUndefined();
    }
  });
});
