// Pause, resume and cancel of a job, whatever has become of it. DR5 and DR6 are of driver.ts.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { ControlOrder } from "../ports.ts";
import { activeIn, type DriverContext, onlineIn, preparingIn } from "./driver-state.ts";
import type { LinePump } from "./line-pump.ts";
import type { Preparing } from "./preparation.ts";

/**
 * Resolves with a note for the asker, if any. Rejects with stale_token, not_found, conflict or
 * io_error.
 */
export type JobControl = (order: ControlOrder) => Promise<string | undefined>;

export function makeJobControl(context: DriverContext, pump: LinePump): JobControl {
  const { state, book } = context;

  return async (order) => {
    book.assertFresh(order.token); // DR5
    if (order.type === "cancel") abortPreparing(preparingIn(state), order); // at once: nothing is sent yet
    await book.raise(order.token);
    const preparing = preparingIn(state);
    if (preparing?.job === order.job) return order.type === "cancel" ? undefined : tooEarly(order);
    const active = activeIn(state);
    if (active?.job !== order.job || active.isEnding) return book.controlEnded(order);
    active.token = Math.max(active.token, order.token);
    const online = onlineIn(state);
    const isAnswer = order.type === "resume" && online !== undefined && pump.goOn(online); // LP1
    const isDone = isAnswer || active.run[order.type]();
    if (order.type === "cancel" && online !== undefined) {
      pump.goOn(online); // ends M600's wait; the queue behind it moves again
    }
    if (online !== undefined) pump.pump(online);
    context.tell();
    if (isDone) return undefined;
    if (order.type === "cancel") return "it is ending already";
    const phase = activeIn(state)?.run.phase() ?? "ended";
    throw new GantryError("conflict", `A ${phase} job cannot ${order.type}`);
  };
}

export function abortPreparing(
  preparing: Preparing | undefined,
  { job, token }: ControlOrder,
): void {
  if (preparing?.job !== job) return;
  preparing.token = Math.max(preparing.token, token);
  preparing.abort.abort(new GantryError("cancelled", "Cancelled before the first byte"));
}

export function tooEarly({ type }: ControlOrder): never {
  throw new GantryError("conflict", `A job that is still being checked cannot ${type}`);
}
