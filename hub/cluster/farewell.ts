// How a removed hub hears of it.
//
// FA1. The link stays for ANSWERS_MS after it was told: requests that it had forwarded before are
//      still answered.

import type { HubId } from "../consensus/types.ts";
import type { Hub } from "../hub.ts";
import type { PeerCalls } from "../peers/calls.ts";
import { LEFT, type Members } from "./members.ts";

export interface FarewellParts {
  readonly hub: Pick<Hub, "clock">;
  readonly members: Pick<Members, "untold" | "heardLeft">;
  readonly calls: Pick<PeerCalls, "call">;
}

const ASK_MS = 500;
const ANSWERS_MS = 3_000;

/** Tells each that was not told yet; resolves when they have answered, or did not in time. Never throws. */
export async function sayFarewell(parts: FarewellParts, signal: AbortSignal): Promise<void> {
  await Promise.all(parts.members.untold().map((gone) => tell(parts, gone, signal)));
}

async function tell(
  { hub, members, calls }: FarewellParts,
  gone: HubId,
  signal: AbortSignal,
): Promise<void> {
  try {
    await calls.call(gone, LEFT, {}, { signal, timeoutMs: ASK_MS });
  } catch {
    return; // down, or busy: it is told again
  }
  const never = new AbortController().signal;
  hub.clock
    .sleep(ANSWERS_MS, never)
    .then(() => members.heardLeft(gone)) // FA1
    .catch(() => {}); // logged by members.ts
}
