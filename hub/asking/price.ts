// What a call of a provider costs: at most, before it, and as reported, after it. Pure.
//
// PR1. The worst case is a bound: a token of a byte-level vocabulary is at least one byte of UTF-8, so
//      bytes are never fewer than tokens; providers add a few tokens for each message and picture.
// PR2. Amounts are whole millionths of a dollar, rounded up once, at the end.

export interface Prices {
  /** US dollars for a million tokens. */
  readonly inputUsdPerMillion: number;
  readonly outputUsdPerMillion: number;
  /** Of the prompt's tokens that the provider had read before; as input where left out. */
  readonly cachedInputUsdPerMillion?: number | undefined;
  /** A picture counts as so many tokens at most. */
  readonly imageTokensMax?: number | undefined;
}

export interface Took {
  readonly promptTokens: number;
  /** Part of `promptTokens`. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** Roles, separators and the like around a message, and around all of them: OpenAI's cookbook counts 3 to 4, and 3. */
const MESSAGE_TOKENS = 16;
const FRAME_TOKENS = 64;

/** PR1. */
export function promptTokensMax(
  messages: readonly { readonly content: string }[],
  images: number,
  { imageTokensMax = 0 }: Prices,
): number {
  const bytes = messages.reduce(
    (sum, { content }) => sum + new TextEncoder().encode(content).length + MESSAGE_TOKENS,
    FRAME_TOKENS,
  );
  return bytes + images * imageTokensMax;
}

/** PR1. */
export const worstMicroUsd = (prices: Prices, promptTokens: number, maxTokens: number): number =>
  Math.ceil(
    promptTokens * Math.max(prices.inputUsdPerMillion, prices.cachedInputUsdPerMillion ?? 0) +
      maxTokens * prices.outputUsdPerMillion,
  );

/** PR2: a dollar for a million tokens is a millionth for each. */
export function costMicroUsd(prices: Prices, took: Took): number {
  const { inputUsdPerMillion: input, outputUsdPerMillion: output } = prices;
  const cached = prices.cachedInputUsdPerMillion ?? input;
  const fresh = took.promptTokens - took.cachedTokens;
  return Math.ceil(
    roundOff(fresh * input + took.cachedTokens * cached + took.completionTokens * output),
  );
}

/** 0.1 * 3 is 0.30000000000000004: that is no reason for a millionth more. */
const roundOff = (value: number): number => Math.round(value * 1e6) / 1e6;
