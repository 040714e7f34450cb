// What holds a command's `ok` back. Pure.

import type { Heater } from "./heater.ts";
import type { Planner } from "./planner.ts";

export type Wait =
  | { readonly kind: "until"; readonly atMs: number }
  | { readonly kind: "moves" }
  | { readonly kind: "heat"; readonly heater: Heater; readonly isCooling: boolean }
  | { readonly kind: "person" };

export const NOW: Wait = { kind: "until", atMs: 0 };
export const MOVES: Wait = { kind: "moves" };

export function isOver(wait: Wait, planner: Planner, nowMs: number): boolean {
  switch (wait.kind) {
    case "until":
      return nowMs >= wait.atMs;
    case "moves":
      return planner.emptyAtMs(nowMs) <= nowMs;
    case "heat": {
      const { nowC, targetC } = wait.heater;
      return wait.isCooling ? Math.abs(nowC - targetC) < 1 : nowC >= targetC - 1;
    }
    case "person":
      return false;
  }
}

/** When it may be over; undefined if only heat or a person can end it. */
export function endsAtMs(wait: Wait, planner: Planner, nowMs: number): number | undefined {
  if (wait.kind === "until") return Math.max(wait.atMs, nowMs);
  return wait.kind === "moves" ? planner.emptyAtMs(nowMs) : undefined;
}
