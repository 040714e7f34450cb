// Live values on every hub: nodes report to the leader, which tells the other hubs, so that a browser
// on any of them sees temperatures move. Soft: a message that is lost is followed by the next.

import { printerSchema } from "@gantry/shared/contract/bridge.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { z } from "zod";
import type { HubId } from "../consensus/types.ts";
import type { SoftState } from "../feed/soft.ts";
import type { PeerCalls } from "../peers/calls.ts";

export const SOFT_PRINTERS = "soft.printers";
const EVERY_MS = 250;

export interface SoftRelayParts {
  readonly soft: SoftState;
  readonly calls: Pick<PeerCalls, "tell">;
  readonly others: () => readonly HubId[];
  readonly clock: Clock;
}

/** The leader's soft state, whose reports also go to the others, newest values only. */
export async function relaySoft(
  { soft, calls, others, clock }: SoftRelayParts,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(EVERY_MS, signal);
    const changed = soft.takeChanged();
    if (changed.length === 0) continue;
    for (const hub of others()) calls.tell(hub, SOFT_PRINTERS, changed);
  }
}

const printersSchema = z.array(printerSchema);

/** What another hub told: shown here as if a node had said it. Nonsense is dropped. */
export function takeSoft(soft: SoftState, body: unknown): void {
  const told = printersSchema.safeParse(body);
  if (told.success) soft.report(told.data);
}
