// An answer that is made a second time after its first maker died in the middle: what the asker has
// heard already is not said again, and what does not go on from it is not said at all. Pure.
//
// CT1. Nothing is said twice and nothing is left out: what was said, joined, is the beginning of the
//      answer at any time.
// CT2. A second answer that differs from what was said ends the attempt; the asker hears of it.

export interface Continuation {
  /** All that was said so far, over all attempts. */
  readonly said: string;
  /** The next attempt begins from the start of the answer. */
  again(): void;
  /** The part of this piece that is new; undefined: it contradicts what was said (CT2). */
  piece(text: string): string | undefined;
}

export function makeContinuation(): Continuation {
  let said = "";
  let heard = 0; // of this attempt
  return {
    get said() {
      return said;
    },
    again() {
      heard = 0;
    },
    piece(text) {
      const old = said.slice(heard, heard + text.length);
      if (!text.startsWith(old)) return undefined;
      const fresh = text.slice(old.length);
      heard += text.length;
      said += fresh;
      return fresh;
    },
  };
}
