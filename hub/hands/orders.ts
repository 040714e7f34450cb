// Orders to node agents, told again while they show no effect.
//
// D2. Telling twice is harmless: orders carry job and token, and the node keeps both.

import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { AgentLink } from "../ports.ts";

const REPEAT_MS = 3_000; // how often an order that shows no effect is told again
const ORDERS_MAX = 10_000; // then all are forgotten: some are told once more than needed (D2)

export interface Orders {
  /** Tells it at most once in REPEAT_MS. `order`: names it, with its job and token. */
  readonly tell: (node: string, order: string, message: HubMessage) => void;
  /** What is told next of this job is told at once. */
  readonly forget: (job: string) => void;
}

export function makeOrders(clock: Clock, link: () => AgentLink): Orders {
  const toldAtMs = new Map<string, number>(); // by order, monotonic

  /** True at most once in REPEAT_MS for the same order. */
  function mayTell(order: string): boolean {
    const nowMs = clock.monotonic();
    if ((toldAtMs.get(order) ?? -Infinity) + REPEAT_MS > nowMs) return false;
    if (toldAtMs.size > ORDERS_MAX) toldAtMs.clear();
    toldAtMs.set(order, nowMs);
    return true;
  }

  function tell(node: string, order: string, message: HubMessage): void {
    if (mayTell(order)) link().send(node, [message]);
  }

  return {
    tell,
    forget(job) {
      for (const order of toldAtMs.keys()) if (order.includes(job)) toldAtMs.delete(order);
    },
  };
}
