// A deadline that leaves no timer behind when the work ends first.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";

/** One for all: an abort without a reason makes a DOMException and its stack for each request. */
const WORK_ENDED = new GantryError("cancelled", "The work ended before its deadline");

/** Runs `work` with a signal that aborts with `timeout` after `ms`, or with `parent`'s reason. */
export async function within<T>(
  clock: Clock,
  ms: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const limit = new AbortController();
  const onParent = (): void => limit.abort(reasonOf(parent));
  if (parent.aborted) onParent();
  parent.addEventListener("abort", onParent, { once: true });
  clock.sleep(ms, ended.signal).then(
    () => limit.abort(new GantryError("timeout", `No answer within ${ms} ms`)),
    () => undefined, // the work ended first
  );
  try {
    return await work(limit.signal);
  } finally {
    ended.abort(WORK_ENDED);
    parent.removeEventListener("abort", onParent);
  }
}
