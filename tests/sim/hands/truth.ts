// What is true in the simulated house, gathered from all hubs and machines, and what must never be.
//
// HX3. What must happen once is begun at most once, on whichever machine (a `once` command).
// HX5. An order reaches a machine only with a lease that is committed (D1 of hub/hands/duties.ts).
// HX6. No lock expires that its holder was told it still has.
// HX7. A hub gives no orders when its reign is over. A lease that was proposed in it and settles later is
//      told to nobody who listens (the sessions are over), and not meant.
// HX8. Equal position, equal events, on every hub.
// HX10. No job and no print fails because the order of its present lease was called an old one.

import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { JobRow, PrintRow } from "@gantry/shared/contract/rows.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import type { World } from "../world.ts";
import { insist } from "./insist.ts";

export interface HeldLock {
  readonly name: string;
  readonly token: number;
  /** Virtual ms. */
  safeUntil: number;
}

export interface Truth {
  saw(hub: HubId, events: readonly LedgerEvent[]): void;
  reign(hub: HubId, term: number | undefined): void;
  command(job: string, effect: string, machine: string): void;
  order(machine: string, message: HubMessage): void;
  /** By token. */
  readonly locks: Map<number, HeldLock>;
  /** Virtual ms at which this hub applied the lease of this token; undefined if it did not. */
  leasedAt(hub: HubId, token: number): number | undefined;
  readonly reigns: number;
  /** `once` commands that were begun. */
  readonly onceBegun: number;
}

export function makeTruth(world: World): Truth {
  const told = new Map<number, string>();
  const leases = new Map<number, string>();
  const begun = new Map<string, string>();
  const reignOf = new Map<number, HubId>();
  const locks = new Map<number, HeldLock>();

  const applied = new Map<string, number>();

  function sawLease(hub: HubId, event: LedgerEvent): void {
    if (event.type !== "job.changed" && event.type !== "print.changed") return;
    const { id, lease, state, error } = event.data as JobRow | PrintRow; // the domains emit the row
    if (lease !== undefined) {
      leases.set(lease.token, id);
      const key = `${hub} ${lease.token}`;
      applied.set(key, applied.get(key) ?? world.now);
    }
    insist(
      world,
      state !== "failed" || error?.code !== "stale_token",
      () => `HX10 ${id} failed with its present lease: ${error?.message}`,
    );
  }

  function sawLock(event: LedgerEvent): void {
    if (event.type !== "lock.changed") return;
    const { token, end } = event.data as { readonly token: number; readonly end?: string };
    const lock = locks.get(token);
    if (end !== "expired" || lock === undefined) return;
    insist(
      world,
      world.now >= lock.safeUntil,
      () =>
        `HX6 ${lock.name} (token ${token}) expired at ${world.now.toFixed(0)}, safe until ${lock.safeUntil.toFixed(0)}`,
    );
  }

  return {
    saw(hub, events) {
      const byPosition = new Map<number, LedgerEvent[]>();
      for (const event of events) {
        sawLease(hub, event);
        sawLock(event);
        byPosition.set(event.id, [...(byPosition.get(event.id) ?? []), event]);
      }
      for (const [position, own] of byPosition) {
        const text = JSON.stringify(own);
        const known = told.get(position);
        insist(
          world,
          known === undefined || known === text,
          () => `HX8 ${hub} tells ${text} at ${position}, another told ${known}`,
        );
        told.set(position, text);
      }
    },
    reign(hub, term) {
      world.note(() => (term === undefined ? `${hub} reigns no more` : `${hub} reigns in ${term}`));
      if (term === undefined) return;
      const other = reignOf.get(term);
      insist(
        world,
        other === undefined || other === hub,
        () => `O1 ${hub} and ${other} reign in ${term}`,
      );
      reignOf.set(term, hub);
    },
    command(job, effect, machine) {
      if (effect !== "once") return;
      const before = begun.get(job);
      insist(
        world,
        before === undefined,
        () => `HX3 ${job} began on ${before}, and again on ${machine}`,
      );
      begun.set(job, machine);
    },
    order(machine, message) {
      if (message.type !== "job" && message.type !== "print") return;
      const { job, token } = message;
      insist(
        world,
        leases.get(token) === job,
        () =>
          `HX5 ${machine} is given ${job} with token ${token}, which is the lease of ${leases.get(token) ?? "nothing"}`,
      );
    },
    leasedAt: (hub, token) => applied.get(`${hub} ${token}`),
    locks,
    get reigns() {
      return reignOf.size;
    },
    get onceBegun() {
      return begun.size;
    },
  };
}
