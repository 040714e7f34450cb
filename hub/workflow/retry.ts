// When a node is tried again. The draw comes from outside, so the time is in the fact and every hub
// reads the same one.

import { beginWork, moreOf, nodeOf, spotOf } from "./draft.ts";
import type { RunState } from "./engine-types.ts";
import type { Plan } from "./plan.ts";

/**
 * For `failed` facts: ms since 1970, or undefined if the node is not tried again. `draw` is in [0, 1):
 * the pause is between half of what the policy says and all of it.
 */
export function retryAtMs(
  plan: Plan,
  run: RunState,
  place: string,
  nowMs: number,
  draw: number,
): number | undefined {
  const spot = spotOf(beginWork(plan, run, nowMs), place); // only read
  if (spot === undefined) return undefined;
  const { cell, index } = spot;
  const { id, node } = nodeOf(cell, index);
  const { since = cell.frame.base, losses = 0 } = moreOf(cell, id);
  const tries = (cell.frame.attempt[index] ?? 0) - since - losses;
  if (node.retry === undefined || tries >= node.retry.attempts) return undefined;
  const { delayMs, delayMaxMs } = node.retry;
  const pauseMs = Math.min(delayMaxMs, delayMs * 2 ** Math.max(0, tries - 1));
  return nowMs + Math.round(pauseMs * (1 - draw / 2));
}
