// What only a group that is otherwise well can show: progress, and leaders that stay or go.
//
// X1. After healing, a proposal commits within three election time-outs (each at most 2 x electionTicks)
//     and the time that what waited before it takes: with one entry a message and one message under way
//     that is a round trip each.
// X2. All members then reach the same state.
// X3. PreVote: a follower that was cut off and comes back costs nobody the leadership.
// X4. CheckQuorum: a leader that hears no quorum stops leading within two of its checks, and the
//     others make progress; also when they still hear it (a deaf leader).
// X5. Partial connectivity (1-2 and 2-3 connected, 1-3 cut): progress, and at most one change of leader.

import { isMember } from "../../hub/consensus/membership.ts";
import type { HubId } from "../../hub/consensus/types.ts";
import type { Hub, Shared } from "./hub/types.ts";
import { TICK_MS } from "./mix.ts";
import { check } from "./world.ts";

const WELL_MS_MAX = 5_000;
/** Disk and network once healed: a few round trips, each with a write of up to 3 ms. */
const ROUND_TRIPS_MS = 100;

/** One entry there and back, and its write, once healed. */
const ENTRY_MS = 30;

/** Virtual ms until a proposal made after `from` was committed and applied. */
export function waitForProgress(
  shared: Shared,
  limitMs: number,
  isCounted: (hub: Hub) => boolean,
): number {
  const { world, commands, hubs } = shared;
  const from = world.now;
  let isDone = false;
  const probe = (): void => {
    if (isDone) return;
    for (const hub of hubs.values()) {
      if (hub.role !== "leader" || hub.core === undefined || !isCounted(hub)) continue;
      const id = commands.length;
      commands.push({
        id,
        client: 1_000_000 + id,
        sequence: 1,
        op: "put",
        key: "probe",
        value: `${id}`,
      });
      hub.propose(commands[id] ?? commands[0] ?? ({} as never), (answer) => {
        if (answer.kind === "ok") isDone = true;
      });
    }
    world.after(TICK_MS, probe);
  };
  probe();
  world.run(from + limitMs, () => !isDone);
  return isDone ? world.now - from : Infinity;
}

/** The leader of the highest term, if it leads. */
export function leaderOf({ hubs }: Shared): Hub | undefined {
  let leader: Hub | undefined;
  let term = -1;
  for (const hub of hubs.values()) {
    const own = hub.role === "leader" ? (hub.core?.status().term ?? -1) : -1;
    if (own > term) [leader, term] = [hub, own];
  }
  return leader;
}

/** X1, X2. Gives the ms until the first commit. */
export function mustRecover(shared: Shared): number {
  const { mix } = shared;
  const limitMs = 3 * 2 * mix.electionTicks * TICK_MS + ROUND_TRIPS_MS + backlogMs(shared);
  const tookMs = waitForProgress(shared, limitMs, () => true);
  check(tookMs < Infinity, () => `X1 no progress within ${limitMs} ms of healing: ${tell(shared)}`);
  return tookMs;
}

function backlogMs(shared: Shared): number {
  const { faults } = shared.mix;
  if (!faults.has("tinyBatch") || !faults.has("tinyWindow")) return 0;
  const status = leaderOf(shared)?.core?.status();
  if (status === undefined) return 0;
  return (status.lastIndex - status.commitIndex) * ENTRY_MS;
}

export function mustAgree(shared: Shared): void {
  const { world, oracle } = shared;
  const until = world.now + WELL_MS_MAX;
  while (world.now < until && !isAgreed(shared)) world.run(world.now + 20);
  check(
    isAgreed(shared),
    () => `X2 members do not reach one state (${oracle.committed}): ${tell(shared)}`,
  );
}

function isAgreed(shared: Shared): boolean {
  const leader = leaderOf(shared);
  const status = leader?.core?.status();
  if (leader === undefined || status === undefined) return false;
  if (status.commitIndex < status.lastIndex || status.membership.outgoing.length > 0) return false;
  const members = [...shared.hubs.values()].filter(({ id }) => isMember(status.membership, id));
  if (members.some(({ machine }) => machine.index !== leader.machine.index)) return false;
  const full = members.filter(({ isWitness }) => !isWitness);
  const state = stateOf(full[0] ?? leader);
  for (const hub of full) {
    check(stateOf(hub) === state, () => `O3 ${hub.id} and ${full[0]?.id} differ in their values`);
  }
  return true;
}

const stateOf = ({ machine }: Hub): string =>
  JSON.stringify([
    machine.hash,
    [...machine.values].toSorted(([a], [b]) => a.localeCompare(b)),
    [...machine.sessions].toSorted(([a], [b]) => a - b),
  ]);

export function playFinale(shared: Shared): void {
  const { mix, world } = shared;
  if (mix.finale === "none") return;
  restartHealed(shared);
  const leader = leaderOf(shared);
  const status = leader?.core?.status();
  if (leader === undefined || status === undefined) return;
  const { voters, learners } = status.membership;
  const isPlain = voters.length >= 3 && learners.length === 0 && !mix.hasWitness;
  const followers = voters.filter((id) => id !== leader.id);
  if (!isPlain || followers.some((id) => shared.hubs.get(id)?.isBarred === true)) return;
  world.note(() => `finale: ${mix.finale}, ${leader.id} leads in term ${status.term}`);
  const lone = followers[Math.floor(world.random() * followers.length)] ?? "";
  if (mix.finale === "cutFollower") cutFollower(shared, leader, lone, status.term);
  else if (mix.finale === "cutLeader") loseLeader(shared, leader, followers, true);
  else if (mix.finale === "deafLeader") loseLeader(shared, leader, followers, false);
  else if (voters.length === 3) triangle(shared, leader, lone, status.term);
  shared.network.heal();
  mustAgree(shared);
}

/** A hub whose log is whole again votes from its next start on. */
function restartHealed(shared: Shared): void {
  for (const hub of shared.hubs.values()) {
    if (!hub.isBarred || hub.disk.damage !== undefined) continue;
    hub.crash(Infinity);
    hub.start();
    mustAgree(shared);
  }
}

const electionMs = ({ mix }: Shared): number => mix.electionTicks * TICK_MS;

/** X3. */
function cutFollower(shared: Shared, leader: Hub, lone: HubId, term: number): void {
  const { world, network, hubs } = shared;
  for (const other of hubs.keys()) {
    network.block(other, lone);
    network.block(lone, other);
  }
  world.run(world.now + 6 * electionMs(shared));
  network.heal();
  world.run(world.now + 4 * electionMs(shared));
  const now = leader.core?.status();
  check(
    now?.role === "leader" && now.term === term,
    () =>
      `X3 ${lone} came back and ${leader.id} (term ${term}) lost the leadership: ${tell(shared)}`,
  );
}

/** X4. */
function loseLeader(
  shared: Shared,
  leader: Hub,
  followers: readonly HubId[],
  isMute: boolean,
): void {
  const { world, network } = shared;
  for (const other of followers) {
    network.block(other, leader.id);
    if (isMute) network.block(leader.id, other);
  }
  const from = world.now;
  world.run(from + 2 * electionMs(shared) + 3 * TICK_MS);
  check(
    leader.core?.status().role !== "leader",
    () => `X4 ${leader.id} is cut off and still leads: ${tell(shared)}`,
  );
  const limitMs = 3 * 2 * electionMs(shared) + ROUND_TRIPS_MS;
  const tookMs = waitForProgress(shared, limitMs, (hub) => hub !== leader);
  check(tookMs < Infinity, () => `X4 no progress without ${leader.id}: ${tell(shared)}`);
}

/** X5. */
function triangle(shared: Shared, leader: Hub, lone: HubId, term: number): void {
  const { world, network } = shared;
  network.block(leader.id, lone);
  network.block(lone, leader.id);
  const before = shared.oracle.leaders;
  world.run(world.now + 6 * electionMs(shared));
  const tookMs = waitForProgress(shared, 3 * 2 * electionMs(shared) + ROUND_TRIPS_MS, () => true);
  check(tookMs < Infinity, () => `X5 no progress with one link cut: ${tell(shared)}`);
  const changes = shared.oracle.leaders - before;
  check(
    changes <= 1,
    () => `X5 ${changes} changes of leader since term ${term} with one link cut: ${tell(shared)}`,
  );
}

/** One line for each hub. */
export function tell({ hubs }: Shared): string {
  return [...hubs.values()]
    .map(({ id, core, machine, isBarred }) => {
      const status = core?.status();
      if (status === undefined) return `${id} down`;
      const barred = isBarred ? " barred" : "";
      const { role, term, leader, commitIndex, lastIndex, storedIndex, membership } = status;
      const { voters, outgoing, learners } = membership;
      const peers = [...status.progress].map(
        ([peer, { state, match, next, inflight }]) =>
          `${peer}:${state} ${match}/${next}/${inflight}`,
      );
      return [
        `${id} ${role}${barred} term ${term} leader ${leader}`,
        `applied ${machine.index} commit ${commitIndex} stored ${storedIndex} last ${lastIndex}`,
        `voters ${voters.join()}`,
        ...(outgoing.length > 0 ? [`was ${outgoing.join()}`] : []),
        ...(learners.length > 0 ? [`learners ${learners.join()}`] : []),
        ...peers,
      ].join(" ");
    })
    .join("\n    ");
}
