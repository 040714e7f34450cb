// A hub whose log was damaged votes again when it holds, committed in a later term, all that it may
// have lost (raft-log.ts S5). In a quiet cluster no later term ever comes, and the cluster would stay
// one failure poorer than it looks. So the leader hands over once the damaged hub has caught up.
//
// HL1. Only to a hub that holds state, votes, is in touch and is whole; without one nothing is done,
//      and the alarm stays (state.ts).
// HL2. Not more often than every PAUSE_MS: a hub that cannot be healed does not make leaders go round.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubId } from "../consensus/types.ts";
import type { Hub } from "../hub.ts";
import type { PeerCalls } from "../peers/calls.ts";
import type { Members } from "./members.ts";
import { LAG_ENTRIES } from "./promote.ts";
import { HUB_STATE, type HubState } from "./state.ts";

const LOOK_MS = 2_000;
const ASK_MS = 1_000;
const HAND_OVER_MS = 2_000;
const PAUSE_MS = 30_000;

export interface HealParts {
  readonly hub: Hub;
  readonly members: Pick<Members, "others" | "isWitness">;
  readonly calls: Pick<PeerCalls, "call">;
}

/** While this hub leads. */
export async function healHubs(parts: HealParts, signal: AbortSignal): Promise<void> {
  const { hub } = parts;
  for (let restMs = LOOK_MS; ;) {
    await hub.clock.sleep(restMs, signal);
    restMs = LOOK_MS;
    const heir = heirFor(parts, await askAll(parts, signal));
    if (heir === undefined) continue;
    restMs = PAUSE_MS; // HL2
    hub.log.warn({ heir }, "a damaged hub has caught up: handing over, so that it counts again");
    try {
      await hub.replica.transfer(heir, hub.clock.timeout(HAND_OVER_MS, signal));
    } catch (error) {
      if (!(error instanceof GantryError) || signal.aborted) throw error;
      hub.log.warn({ error: toErrorRecord(error) }, "nobody took over; tried again");
    }
  }
}

async function askAll(
  { members, calls }: HealParts,
  signal: AbortSignal,
): Promise<readonly HubState[]> {
  const answers = members
    .others()
    .map((id) =>
      calls.call(id, HUB_STATE, {}, { signal, timeoutMs: ASK_MS }).catch(() => undefined),
    );
  const told = (await Promise.all(answers)) as readonly (HubState | undefined)[]; // of state.ts
  return told.filter((state) => state !== undefined);
}

/** HL1. */
function heirFor({ hub, members }: HealParts, states: readonly HubState[]): HubId | undefined {
  const { progress, commitIndex, membership } = hub.replica.status();
  const isCaughtUp = (id: HubId): boolean =>
    membership.voters.includes(id) && (progress.get(id)?.match ?? 0) + LAG_ENTRIES >= commitIndex;
  if (!states.some(({ id, damage }) => damage !== undefined && isCaughtUp(id))) return undefined;
  const able = states.filter(
    ({ id, damage }) => damage === undefined && isCaughtUp(id) && !members.isWitness(id),
  );
  const match = ({ id }: HubState): number => progress.get(id)?.match ?? 0;
  return able.toSorted((a, b) => match(b) - match(a))[0]?.id;
}
