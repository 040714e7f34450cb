// Which orders for a printer are too old, and which were refused for good: the fences on disk.
//
// PT1. The token of a print or a wish is on disk before anything is done for it; a lower one than the
//      highest of its printer is refused with `stale_token` and nothing is done.
// PT5. An order that was refused for good is marked so in the fence of its printer: given again with the
//      same token it is refused again, also by an agent that was started since.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Memory } from "./memory.ts";

interface Order {
  readonly printer: string;
  readonly job: string;
  readonly token: number;
}

export interface PrintFences {
  /** Undefined if nothing newer was seen. A token belongs to one job. */
  staleness(order: Order): GantryError | undefined;
  /** Throws stale_token; remembers the token and resolves when that is on disk (PT1). */
  claim(order: Order): Promise<void>;
  /** Why it was refused for good, undefined if it was not (PT5). */
  refusalOf(order: Order): unknown;
  /** Resolves when that is on disk, or has failed. Not if a newer order came meanwhile: it has a fence. */
  refuseForGood(order: Order, error: unknown): Promise<void>;
}

export function makePrintFences(memory: Memory, log: Logger): PrintFences {
  const refusals = new Map<string, unknown>(); // the last one of each printer

  function staleness({ printer, job, token }: Order): GantryError | undefined {
    const fence = memory.fenceOf(printer);
    if (fence === undefined || token > fence.token) return undefined;
    const isSame = fence.job === job || fence.job === refusedMark(job);
    return token === fence.token && isSame ? undefined : stale(printer, token, fence.token);
  }

  function wasRefused({ printer, job, token }: Order): boolean {
    const fence = memory.fenceOf(printer);
    return fence?.token === token && fence.job === refusedMark(job);
  }

  return {
    staleness,
    async claim(order) {
      const error = staleness(order);
      if (error !== undefined) throw error;
      const { printer, job, token } = order;
      if (!wasRefused(order)) await memory.keep({ type: "fence", printer, token, job });
    },
    refusalOf: (order) =>
      wasRefused(order) ? (refusals.get(order.printer) ?? refusedBefore()) : undefined,
    async refuseForGood(order, error) {
      if (staleness(order) !== undefined) return;
      const { printer, job, token } = order;
      refusals.set(printer, error);
      await memory
        .keep({ type: "fence", printer, token, job: refusedMark(job) })
        .catch((fault: unknown) =>
          log.error({ job, token, error: fault }, "a refusal is not kept"),
        );
    },
  };
}

export const stale = (printer: string, token: number, highest: number): GantryError =>
  new GantryError("stale_token", `${printer} was given to token ${highest}, this is ${token}`);

/** In place of the job in the fence of a printer; no job is called so. */
const refusedMark = (job: string): string => `refused ${job}`;

/** Passes by itself: the hub leases the print anew. */
const refusedBefore = (): GantryError =>
  new GantryError("unreachable", "This order was refused before the node was started again");
