// Test equipment: a model that has begun its answer and goes on when the test says so.

import { fakeHands, generated } from "./node.test.support.ts";
import type { Hands } from "./ports.ts";

export interface HeldAnswer {
  readonly hands: Hands;
  /** One more piece of the answer; does nothing before the answer is asked for. */
  say(text: string): void;
  /** The answer ends. */
  readonly end: () => void;
  readonly ended: Promise<void>;
}

/** Says "before " by itself; whole, the answer is "before during after". */
export function holdAnswer(): HeldAnswer {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let onPiece: ((text: string) => void) | undefined;
  const hands = fakeHands({
    generate: async (_id, _request, onChunk) => {
      onPiece = onChunk;
      onChunk("before ");
      await ended;
      return generated({ text: "before during after" });
    },
  });
  return { hands, say: (text) => onPiece?.(text), end, ended };
}
