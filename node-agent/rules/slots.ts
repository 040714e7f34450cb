// Which slot (one llama.cpp sequence with its KV cache) serves the next prompt. Pure.
//
// S1. A busy slot is never chosen.
// S2. The slot of the same conversation is taken before any other: what it read is the beginning of what
//     comes.
// S3. A slot that already holds the beginning of the prompt wins: those tokens are not computed
//     again. Below `SIMILARITY_MIN` the gain is smaller than the harm of evicting somebody else's
//     conversation, so then the slot that was idle longest is taken.

/** One slot as the chooser sees it. */
export interface SlotView {
  readonly busy: boolean;
  /** Of the conversation that asks. */
  readonly isOwn: boolean;
  /** How many leading tokens of the new prompt the slot's cache holds already. */
  readonly commonTokens: number;
  /** Monotonic; 0 for a slot that was never used. */
  readonly usedAtMs: number;
}

// 0.1: llama-server's --slot-prompt-similarity default.
const SIMILARITY_MIN = 0.1;

/** Index of the slot to use; undefined when all are busy. `promptTokens` >= 1. O(slots). */
export function chooseSlot(slots: readonly SlotView[], promptTokens: number): number | undefined {
  const free = [...slots.keys()].filter((index) => slots[index]?.busy === false);
  const common = (index: number): number => slots[index]?.commonTokens ?? 0;
  const usedAt = (index: number): number => slots[index]?.usedAtMs ?? 0;
  const own = free.find((index) => slots[index]?.isOwn === true);
  if (own !== undefined && common(own) > 0) return own; // S2
  const warmest = free.toSorted((a, b) => common(b) - common(a))[0];
  if (warmest !== undefined && common(warmest) >= SIMILARITY_MIN * promptTokens) return warmest;
  return free.toSorted((a, b) => usedAt(a) - usedAt(b))[0];
}
