// Marlin's planner: sixteen moves that run one after the other.

export const PLANNER_MOVES = 16;

export interface Planner {
  freeSlots(nowMs: number): number;
  /** When a slot is free; `nowMs` if one is. */
  roomAtMs(nowMs: number): number;
  /** When all moves are done; `nowMs` if none is left. */
  emptyAtMs(nowMs: number): number;
  add(durationMs: number, nowMs: number): void;
  clear(): void;
}

export function makePlanner(): Planner {
  let endsMs: number[] = [];

  const running = (nowMs: number): readonly number[] => {
    endsMs = endsMs.filter((endMs) => endMs > nowMs);
    return endsMs;
  };

  return {
    freeSlots: (nowMs) => Math.max(0, PLANNER_MOVES - running(nowMs).length),
    roomAtMs(nowMs) {
      const moves = running(nowMs);
      return moves.length < PLANNER_MOVES ? nowMs : (moves[0] ?? nowMs);
    },
    emptyAtMs: (nowMs) => running(nowMs).at(-1) ?? nowMs,
    add(durationMs, nowMs) {
      endsMs.push(Math.max(nowMs, endsMs.at(-1) ?? nowMs) + durationMs);
    },
    clear() {
      endsMs = [];
    },
  };
}
