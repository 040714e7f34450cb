import fc from "fast-check";
import { expect, it } from "vitest";
import { costMicroUsd, promptTokensMax, worstMicroUsd } from "./price.ts";

const PRICES = { inputUsdPerMillion: 2.5, outputUsdPerMillion: 10, cachedInputUsdPerMillion: 1.25 };

it("[K14] a call costs what its tokens cost, in whole millionths, rounded up once", () => {
  const took = { promptTokens: 1_000, cachedTokens: 400, completionTokens: 100 };
  expect(costMicroUsd(PRICES, took)).toBe(600 * 2.5 + 400 * 1.25 + 100 * 10);
  expect(
    costMicroUsd(
      { inputUsdPerMillion: 0.1, outputUsdPerMillion: 0.1 },
      { ...took, promptTokens: 403 },
    ),
  ).toBe(Math.ceil(50.3));
  expect(
    costMicroUsd(
      { inputUsdPerMillion: 0.1, outputUsdPerMillion: 0 },
      { promptTokens: 30, cachedTokens: 0, completionTokens: 0 },
    ),
  ).toBe(3);
});

it("what is reserved is never less than what a call can cost (PR1)", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary", maxLength: 40 }), { maxLength: 8 }),
      fc.nat(200),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (texts, maxTokens, share, cachedShare) => {
        const messages = texts.map((content) => ({ content }));
        const bound = promptTokensMax(messages, 0, PRICES);
        const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
        expect(bound).toBeGreaterThanOrEqual(bytes);
        const promptTokens = Math.floor(bound * share);
        const took = {
          promptTokens,
          cachedTokens: Math.floor(promptTokens * cachedShare),
          completionTokens: maxTokens,
        };
        expect(costMicroUsd(PRICES, took)).toBeLessThanOrEqual(
          worstMicroUsd(PRICES, bound, maxTokens),
        );
      },
    ),
  );
});
