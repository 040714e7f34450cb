// What a hub hears that gives orders without leading: a deposed one that has not noticed. Pure.
//
// SO1. Nothing of it is done, and it is told so with `stale_token`.
// SO2. But an emergency stop is obeyed whoever sends it: it can only make things safer.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { NodeMessage } from "@gantry/shared/contract/link.ts";
import type { WorkMessage } from "./works.ts";

/** The answer, if the message is an order. Never called with `stop` (SO2). */
export function staleAnswer(
  message: Exclude<WorkMessage, { type: "stop" }>,
): NodeMessage | undefined {
  switch (message.type) {
    case "print":
    case "printWish":
      return { type: "printRefused", job: message.job, token: message.token, error: STALE };
    case "job":
      return { type: "result", job: message.job, token: message.token, error: STALE };
    case "generate":
    case "embed":
    case "modelPiece":
    case "resetPrinter":
    case "workshop":
      return { type: "failed", id: message.id, error: STALE };
    case "cancel":
    case "credit":
    case "cancelJob":
    case "recorded":
    case "piece":
    case "kept":
      return undefined;
  }
}

const STALE = {
  code: "stale_token",
  message: "This node follows another hub",
} as const satisfies ErrorRecord;
