// After a start of the hub the ledger says which nodes were alive, but their links come back one by
// one. What was left open by a crash is taken up again when they are there: not before, or it would
// fail with `unreachable` though everything is well; and not for ever, for a node may be gone.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Hub } from "../hub.ts";
import type { AgentLink } from "../ports.ts";

const LOOK_MS = 50;

/** Resolves when every node that the ledger calls alive has a session, or after TIMEOUT.leaseMs. */
export async function untilNodesBack(
  { rows, clock }: Hub,
  link: () => AgentLink,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = clock.monotonic() + TIMEOUT.leaseMs;
  const isMissing = (): boolean =>
    [...rows.hot("node").values()].some(
      ({ id, state }) => state === "alive" && !link().heard().has(id),
    );
  while (isMissing() && clock.monotonic() < deadlineMs) await clock.sleep(LOOK_MS, signal);
}
