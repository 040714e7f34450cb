// How each hub of the cluster is: every hub tells its own state, and the one that is asked puts them
// together. A hub that does not answer in time is shown by what the leader knows of it.

import type { HubId } from "../consensus/types.ts";
import type { PulseFacts } from "../roots/pulse.ts";
import type { HubCore } from "../roots/core.ts";

export const HUB_STATE = "state";
const ANSWER_MS = 500;

export interface HubState {
  readonly id: HubId;
  readonly role: "leader" | "follower" | "candidate" | "learner" | "witness";
  readonly term: number;
  readonly leader: HubId | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly position: number;
  readonly isVoter: boolean;
  readonly writeAgeMs: number;
  readonly pulse: PulseFacts;
  readonly damage?: string;
  readonly links: readonly {
    readonly hub: HubId;
    readonly isConnected: boolean;
    readonly heardAgoMs?: number;
    readonly dropped: number;
  }[];
}

export interface ClusterState {
  readonly leader: HubId | null;
  readonly term: number;
  readonly clusterId: string;
  readonly electionMs: number;
  readonly voters: readonly HubId[];
  readonly learners: readonly HubId[];
  readonly isChanging: boolean;
  /** What a person should look at. */
  readonly alarms: readonly Alarm[];
  readonly hubs: readonly HubView[];
}

export interface Alarm {
  /** Left out: it concerns all of them. */
  readonly hub?: HubId;
  readonly text: string;
}

export type HubView = Partial<HubState> &
  Pick<HubState, "id" | "role" | "commitIndex" | "appliedIndex"> & {
    readonly reachable: boolean;
    readonly address?: string;
    /** Entries that the leader has and this hub has not, as the leader knows. */
    readonly lag?: number;
  };

export function hubState({ hub, network, pulse, isWitness }: HubCore): HubState {
  const status = hub.replica.status();
  const { membership, damage } = status;
  const isVoter = membership.voters.includes(hub.id);
  return {
    id: hub.id,
    role: isWitness ? "witness" : roleOf(status.role, isVoter),
    term: status.term,
    leader: status.leader,
    commitIndex: status.commitIndex,
    appliedIndex: status.appliedIndex,
    lastIndex: status.lastIndex,
    position: hub.replica.ledger.position,
    isVoter,
    writeAgeMs: Math.round(status.writeAgeMs),
    pulse: pulse.facts(),
    ...(damage === undefined ? {} : { damage }),
    links: [...(network.current?.links() ?? [])].map(([id, facts]) => ({
      hub: id,
      isConnected: facts.isConnected,
      ...(facts.heardAgoMs === undefined ? {} : { heardAgoMs: Math.round(facts.heardAgoMs) }),
      dropped: facts.framesDropped,
    })),
  };
}

const roleOf = (role: string, isVoter: boolean): HubState["role"] => {
  if (role === "leader") return "leader";
  if (!isVoter) return "learner";
  return role === "follower" ? "follower" : "candidate";
};

/** Asks every other hub; takes ANSWER_MS at most. */
export async function clusterState(core: HubCore, signal: AbortSignal): Promise<ClusterState> {
  const { hub, members, calls, clusterId, timing } = core;
  const status = hub.replica.status();
  const limit = hub.clock.timeout(ANSWER_MS, signal);
  const others = members.others().map(async (id): Promise<HubView> => {
    const told = await calls
      .call(id, HUB_STATE, {}, { signal: limit, timeoutMs: ANSWER_MS })
      .catch(() => undefined);
    const known = status.progress.get(id);
    const lag = known === undefined ? {} : { lag: Math.max(0, status.lastIndex - known.match) };
    const address = members.peer(id)?.address;
    const where = address === undefined ? {} : { address };
    if (told === undefined) {
      const isVoter = status.membership.voters.includes(id);
      const role = members.isWitness(id) ? "witness" : isVoter ? "follower" : "learner";
      return { id, role, commitIndex: 0, appliedIndex: 0, reachable: false, ...lag, ...where };
    }
    return { ...(told as HubState), reachable: true, ...lag, ...where };
  });
  const own = { ...hubState(core), reachable: true };
  const { voters, learners, outgoing } = status.membership;
  const address = members.peer(hub.id)?.address;
  const self: HubView = address === undefined || address === "" ? own : { ...own, address };
  const hubs = [self, ...(await Promise.all(others))].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const known = {
    leader: status.leader,
    term: status.term,
    clusterId,
    electionMs: timing.electionTicks * 10,
    voters,
    learners,
    isChanging: outgoing.length > 0,
    hubs,
  };
  return { ...known, alarms: alarmsOf(known) };
}

const LAG_ENTRIES = 1_000;
/** Slower synced writes than this make every change slow (notes/raft 5.5). */
/** Of fewer writes the 99th percentile is the worst one: a start is no slow disk. */
const SYNCS_MIN = 100;
const SYNC_P99_MS = 25;
const WRITE_AGE_MS = 1_000;

export function alarmsOf({ leader, voters, hubs }: Omit<ClusterState, "alarms">): Alarm[] {
  const alarms: Alarm[] = [];
  if (leader === null) alarms.push({ text: "No hub leads: nothing can be changed now" });
  const answering = hubs.filter((hub) => hub.reachable && voters.includes(hub.id));
  const spare = answering.length - (Math.floor(voters.length / 2) + 1);
  if (voters.length > 1 && spare === 0) {
    alarms.push({ text: "One more voter that fails stops all changes" });
  }
  if (voters.length === 2) alarms.push({ text: "Two voters are worse than one: add a third hub" });
  for (const { id, reachable, damage, pulse, lag = 0, writeAgeMs = 0, role } of hubs) {
    const say = (text: string): void => void alarms.push({ hub: id, text });
    if (!reachable) say("does not answer");
    if (damage !== undefined)
      say(`does not vote until it has caught up and another term has begun: ${damage}`);
    if (reachable && role !== "leader" && lag > LAG_ENTRIES) say(`is ${lag} entries behind`);
    if (writeAgeMs > WRITE_AGE_MS) say(`has waited ${writeAgeMs} ms for its disk`);
    if (pulse !== undefined && pulse.syncs >= SYNCS_MIN && pulse.syncP99Ms > SYNC_P99_MS)
      say(`has a slow disk: synced writes take ${pulse.syncP99Ms} ms (p99)`);
  }
  return alarms;
}
