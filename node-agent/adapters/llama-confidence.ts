// How sure a model was of its words: the mean probability of the tokens it sampled.
//
// Why not of every token: llama.cpp sorts the candidates of a token whose probability is asked for.
// With a temperature it has cut them to 40 before. A greedy answer (temperature 0) sorts the whole
// vocabulary, 1.9 ms of 32,000 tokens and 10 ms of 150,000 (std::sort, measured): so only the first
// GREEDY_TOKENS of it are looked at. With a grammar it would put the whole vocabulary through the
// grammar too, and the first tokens of JSON are forced anyway: no probability is taken.

import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from "node-llama-cpp";

/** Tokens of a greedy answer whose probability is taken: at most 0.2 s of a large model's answer. */
export const GREEDY_TOKENS = 16;

/** A token that was sampled, and the likeliest at its place; probabilities of 0 to 1. */
export interface SampledToken {
  readonly token: Token;
  readonly probability: number;
  readonly top: readonly (readonly [token: Token, probability: number])[];
}

/** No token is computed while it is held: the reader is slower than the model. */
export interface TokenGate {
  readonly isHeld: boolean;
  /** Resolves when it is not, or when the answer is given up. */
  open(): Promise<void>;
}

export interface Confidence {
  /**
   * Before each answer. `tokensMax`: how many of its tokens are looked at; 0 is none. `top`: how many
   * others are told of every token, whatever that costs; undefined: no token is told.
   */
  begin(tokensMax: number, top?: number, gate?: TokenGate): void;
  /** Since `begin`, if `top` was given. */
  sampled(): readonly SampledToken[];
  /** 0 to 1; undefined when no token was looked at. */
  mean(): number | undefined;
}

/** How many tokens of such an answer may be looked at without slowing it. */
export function confidenceTokens(temperature: number, hasGrammar: boolean): number {
  if (hasGrammar) return 0;
  return temperature > 0 ? Number.POSITIVE_INFINITY : GREEDY_TOKENS;
}

interface SampledFact {
  readonly token: Token;
  readonly confidence?: number;
  readonly probabilities?: ReadonlyMap<Token, number>;
}

type Sampled = AsyncGenerator<SampledFact, void | undefined, undefined | Token | Token[]>;

/** Puts itself between the library's writers and the sequence: they take tokens by `evaluate`. */
export function watchConfidence(sequence: LlamaContextSequence): Confidence {
  let left = 0;
  let sum = 0;
  let count = 0;
  let top: number | undefined;
  let gate: TokenGate | undefined;
  let sampled: SampledToken[] = [];

  /** As the library's own, but the first `left` tokens come with their probability. */
  async function* evaluate(
    tokens: Token[],
    options?: SequenceEvaluateOptions,
  ): AsyncGenerator<Token, undefined, undefined | Token | Token[]> {
    let next: Token[] = tokens;
    while (next.length > 0) {
      const isWatched = left > 0;
      const iterator: Sampled = isTold()
        ? sequence.evaluateWithMetadata(next, { confidence: true, probabilities: true }, options)
        : isWatched
          ? sequence.evaluateWithMetadata(next, { confidence: true }, options)
          : sequence.evaluateWithMetadata(next, {}, options);
      let input: undefined | Token | Token[];
      let isSeen = false;
      try {
        do {
          if (gate?.isHeld === true) await gate.open();
          const { value, done } = await iterator.next(input);
          if (done === true || value === undefined) return undefined;
          if (isWatched) take(value.confidence);
          if (top !== undefined) tell(value, top);
          isSeen = isWatched && left <= 0 && top === undefined;
          input = yield value.token;
          next = input === undefined ? [value.token] : [input].flat();
        } while (!isSeen);
      } finally {
        await iterator.return();
      }
    }
    return undefined;
  }

  function take(probability: number | undefined): void {
    left -= 1;
    if (probability === undefined || !Number.isFinite(probability)) return;
    sum += Math.min(1, Math.max(0, probability));
    count += 1;
  }

  const isTold = (): boolean => top !== undefined;

  function tell({ token, confidence, probabilities }: SampledFact, most: number): void {
    const others: (readonly [Token, number])[] = [];
    for (const pair of probabilities ?? []) {
      if (others.length >= most) break;
      others.push(pair);
    }
    sampled.push({ token, probability: confidence ?? 0, top: others });
  }

  sequence.evaluate = evaluate;
  return {
    begin(tokensMax, tokensTold, held) {
      gate = held;
      left = tokensMax;
      top = tokensTold;
      sampled = [];
      sum = 0;
      count = 0;
    },
    sampled: () => sampled,
    mean: () => (count === 0 ? undefined : sum / count),
  };
}
