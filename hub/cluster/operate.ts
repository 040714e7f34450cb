// What an admin does to the cluster: adds a hub, removes hubs, promotes a learner, hands over.
// All of it runs at the leader.
//
// OP1. Before a new hub is a member, a majority of the voters keeps its key and address on disk: a
//      leader that is killed in between leaves no member behind that nobody can reach.
// OP2. The seed of a cluster code is in the answer and nowhere else. Asking again for a learner that
//      was never here gives another code, which makes the first one worthless.
// OP3. A leader that is to be removed hands over first; then the request is repeated at the next one.
// OP4. Removed hubs stay linked until they have heard of it (members.ts MB3).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { encodeClusterCode } from "@gantry/shared/contract/cluster-code.ts";
import { membersOf } from "../consensus/membership.ts";
import type { HubId, MembershipChange } from "../consensus/types.ts";
import { type By, propose } from "../hub.ts";
import type { Peer } from "../ports.ts";
import type { HubCore } from "../roots/core.ts";
import { sayFarewell } from "./farewell.ts";
import { MEMBERS } from "./members.ts";
import {
  checkSettled,
  hostOfPeer,
  isLoopback,
  promotionOf,
  removalOf,
  type Surroundings,
} from "./reshape.ts";

const CHANGE_MS = 10_000;
const TELL_MS = 1_000;
const HAND_OVER_MS = 5_000;
/** A hub that was not heard for this long is not counted on. */
const SILENT_MS = 2_000;

export interface NewHub {
  readonly id: HubId;
  /** `tcp://HOST:PORT`, as the other hubs will reach it. */
  readonly address: string;
  readonly isWitness: boolean;
}

export interface Operations {
  /** The cluster code of the new hub. Throws bad_request, conflict, timeout, no_leader. */
  add(hub: NewHub, by: By, signal: AbortSignal): Promise<{ readonly code: string }>;
  /** Throws not_found, conflict with the reason, no_leader (OP3). */
  remove(hubs: readonly HubId[], by: By, signal: AbortSignal): Promise<void>;
  promote(hub: HubId, by: By, signal: AbortSignal): Promise<void>;
  /** Gives the new leader. Throws not_found, conflict, timeout. */
  transfer(to: HubId | undefined, by: By, signal: AbortSignal): Promise<HubId>;
}

export interface OperateParts {
  readonly core: HubCore;
  /** Keys for a hub that joins, of a fresh seed. */
  readonly makeKeys: (hub: HubId) => { readonly seed: Uint8Array; readonly publicKey: string };
}

export function makeOperations({ core, makeKeys }: OperateParts): Operations {
  const { hub, members, network, calls, clusterId, founders } = core;
  const { replica, clock, log } = hub;
  let isBusy = false;

  const around = (): Surroundings => ({
    self: hub.id,
    status: replica.status(),
    witnesses: members.witnesses,
    isInTouch(other) {
      const link = network.current?.links().get(other);
      return link?.isConnected === true && (link.heardAgoMs ?? Infinity) < SILENT_MS;
    },
  });

  /** One at a time: each looks at the membership before it changes it. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    if (isBusy) {
      throw new GantryError(
        "conflict",
        "Another change of the hubs is under way; try again when it has ended",
      );
    }
    isBusy = true;
    try {
      return await work();
    } finally {
      isBusy = false;
    }
  }

  const change = (wanted: MembershipChange, signal: AbortSignal): Promise<void> =>
    replica.change(wanted, clock.timeout(CHANGE_MS, signal));

  /** OP1. */
  async function tellVoters(signal: AbortSignal): Promise<void> {
    const { voters } = replica.status().membership;
    const told = members.told();
    const answers = await Promise.allSettled(
      members
        .others()
        .map((to) => calls.call(to, MEMBERS, told, { signal, timeoutMs: TELL_MS }).then(() => to)),
    );
    const kept = answers.filter(
      (answer) => answer.status === "fulfilled" && voters.includes(answer.value),
    );
    if ((kept.length + 1) * 2 > voters.length) return;
    throw new GantryError("timeout", "Too few hubs answer to change who they are; try again");
  }

  /** Those of a code: every hub with an address that the new one can use. */
  function hubsFor(fresh: HubId, host: string): readonly Peer[] {
    const ids = membersOf(replica.status().membership).filter((id) => id !== fresh);
    return ids.map((id) => {
      const peer = members.peer(id);
      const address = peer?.address ?? "";
      const isHidden = address === "" || (isLoopback(hostOfPeer(address)) && !isLoopback(host));
      if (peer === undefined || isHidden) {
        const known = address === "" ? "bound to every address" : `known as ${address}`;
        const message = `${id} is ${known}, where another machine does not find it: set GANTRY_PEER_ADDRESS=tcp://HOST:PORT on ${id} (and GANTRY_PEER_BIND to an address that is not loopback), restart it, then add again`;
        throw new GantryError("conflict", message);
      }
      return peer;
    });
  }

  /** Throws conflict unless the id is free, or of a learner that was never here (OP2). */
  function checkFree({ id, address, isWitness }: NewHub): void {
    const { membership, progress } = replica.status();
    if (membersOf(membership).includes(id)) {
      const known = members.peer(id);
      const wasHere =
        network.current?.links().get(id)?.heardAgoMs !== undefined ||
        (progress.get(id)?.match ?? 0) > 0 ||
        hub.rows.get("hub", id) !== undefined;
      const isSame = known?.address === address && members.isWitness(id) === isWitness;
      if (membership.learners.includes(id) && !wasHere && isSame) return;
      const why =
        isSame || wasHere ? "is a hub of this cluster already" : "was added under another address";
      throw new GantryError("conflict", `${id} ${why}; remove it first, or choose another id`);
    }
    const taken = members.told().peers.find((peer) => peer.address === address && peer.id !== id);
    if (taken !== undefined && membersOf(membership).includes(taken.id)) {
      throw new GantryError("conflict", `${address} is the address of ${taken.id}`);
    }
  }

  return {
    add: (wanted, by, signal) =>
      alone(async () => {
        const { id, address, isWitness } = wanted;
        const host = hostOfPeer(address);
        checkSettled(around());
        checkFree(wanted);
        const hubs = hubsFor(id, host);
        const { seed, publicKey } = makeKeys(id);
        await members.add({ id, address, publicKey }, isWitness);
        try {
          await tellVoters(signal);
          await change({ steps: [{ type: "addLearner", hub: id }] }, signal);
        } catch (error) {
          await members.forget(id);
          throw error;
        }
        log.info({ peer: id, address, isWitness, by: by.actor }, "a hub was added");
        const witnesses = [...members.witnesses];
        return { code: encodeClusterCode({ clusterId, hub: id, seed, founders, witnesses, hubs }) };
      }),
    remove: (hubs, by, signal) =>
      alone(async () => {
        const wanted = removalOf(hubs, around(), (id) => members.isFormer(id));
        if (wanted === undefined) return;
        if (hubs.includes(hub.id)) await giveAway(hubs, signal); // OP3
        await change(wanted, signal);
        await members.settled();
        log.info({ hubs, by: by.actor }, "hubs were removed");
        for (const id of hubs) {
          if (hub.rows.get("hub", id) === undefined) continue;
          const { actor, requestId } = by;
          await propose(hub, { type: "hubLeft", hub: id }, { actor, requestId }, signal);
        }
        await sayFarewell({ hub, members, calls }, signal);
      }),
    promote: (id, by, signal) =>
      alone(async () => {
        const wanted = promotionOf(id, around());
        if (wanted === undefined) return;
        await change(wanted, signal);
        log.info({ peer: id, by: by.actor }, "a hub was promoted");
      }),
    transfer: (to, by, signal) =>
      alone(async () => {
        if (to === hub.id) return to;
        const { membership } = replica.status();
        if (to !== undefined && !membersOf(membership).includes(to))
          throw new GantryError("not_found", `${to} is not a hub of this cluster`);
        if (to !== undefined && (members.isWitness(to) || !membership.voters.includes(to)))
          throw new GantryError("conflict", `${to} cannot lead: it is a witness or a learner`);
        await replica.transfer(to, clock.timeout(HAND_OVER_MS, signal));
        const leader = replica.status().leader ?? to ?? hub.id;
        log.info({ leader, by: by.actor }, "leadership was handed over");
        return leader;
      }),
  };

  /** Hands over to a voter that stays, then says who leads. Never returns. */
  async function giveAway(leaving: readonly HubId[], signal: AbortSignal): Promise<never> {
    const { membership, progress } = replica.status();
    const [heir] = membership.voters
      .filter((id) => !leaving.includes(id) && !members.isWitness(id) && around().isInTouch(id))
      .toSorted((a, b) => (progress.get(b)?.match ?? 0) - (progress.get(a)?.match ?? 0));
    if (heir === undefined) {
      throw new GantryError("conflict", `No hub that stays could lead instead of ${hub.id}`);
    }
    await replica.transfer(heir, clock.timeout(HAND_OVER_MS, signal));
    throw new GantryError("no_leader", `${heir} leads now; ask again`, {
      details: { retryAfterS: 1, leader: heir },
    });
  }
}
