// A leader that had better not lead, or stops, lets another hub lead at once instead of being missed.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Hub } from "../hub.ts";

const HAND_OVER_MS = 1_000;

/** Resolves when another hub leads, or nobody took over in time. Never throws. */
export async function stepDown({ replica, clock, log }: Hub): Promise<void> {
  await replica
    .transfer(undefined, clock.timeout(HAND_OVER_MS))
    .catch((error: unknown) => log.warn({ error: toErrorRecord(error) }, "nobody took over"));
}
