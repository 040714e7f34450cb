// What leaders judge: a lock that is over by the leader's rows is expired in its name. The judgement
// may be stuck for a while and reach the log in another reign (etcd #15247); it must then do no harm.
//
// Y2 of workload.ts is checked here: a lock that its holder may still rely on does not expire.

import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import { command, NEVER } from "../../support/hub-parts.ts";
import { check, type World } from "../world.ts";
import type { Member } from "./member.ts";
import type { Held } from "./workload.ts";

export interface Expiry {
  reign(hub: HubId, term: number | undefined): void;
  saw(event: LedgerEvent): void;
}

const LOOK_MS = 40;
const STUCK_MS_MAX = 800;

export function startExpiry(
  world: World,
  members: ReadonlyMap<HubId, Member>,
  held: () => ReadonlyMap<number, Held>,
): Expiry {
  const reigns = new Map<HubId, number>();

  /** To whoever leads when it gets through. */
  function send(body: CommandBody): void {
    for (const member of members.values()) {
      if (member.replica?.status().role !== "leader") continue;
      member.happens(() => {
        const sent = command(body, {
          atMs: 1_700_000_000_000 + Math.round(world.now),
          actor: "hub",
        });
        member.replica?.propose(sent, NEVER).catch(() => {});
      });
    }
  }

  function look(member: Member, term: number): void {
    if (reigns.get(member.id) !== term || member.replica === undefined) return;
    const nowMs = 1_700_000_000_000 + world.now;
    for (const row of member.replica.ledger.rows.hot("lock").values()) {
      if (row.expiresAtMs > nowMs) continue;
      const { name, token, revision } = row;
      const stuckMs = world.random() < 0.5 ? 0 : world.random() * STUCK_MS_MAX;
      world.after(stuckMs, () => send({ type: "lockExpired", name, token, revision, term }));
    }
    world.after(LOOK_MS, () => member.happens(() => look(member, term)));
  }

  return {
    reign(hub, term) {
      if (term === undefined) {
        reigns.delete(hub);
        return;
      }
      reigns.set(hub, term);
      const member = members.get(hub);
      if (member === undefined) return;
      send({ type: "reignBegan", hub, term });
      world.after(LOOK_MS, () => member.happens(() => look(member, term)));
    },
    saw(event) {
      if (event.type !== "lock.changed") return;
      const { token, end } = event.data as { readonly token: number; readonly end?: string };
      const lock = held().get(token);
      if (end !== "expired" || lock === undefined) return;
      check(
        world.now >= lock.safeUntil,
        () =>
          `Y2 lock ${lock.name} (token ${token}) of ${lock.client} expired at ${world.now.toFixed(0)}, safe until ${lock.safeUntil.toFixed(0)}`,
      );
    },
  };
}
