// What a quorum says: of indexes (commit, confirmed reads) and of votes. Pure functions over the
// voters of one majority, or of both majorities of a joint configuration (Raft thesis 4.3).
//
// Q1. A joint quorum needs both majorities: its index is the smaller one, its vote the worse one.
// Q2. Only voters count: whoever else is known to `ackedOf` or `votes` is never asked for.
// Q3. An empty majority agrees with everything, so that a configuration that is not joint is the
//     joint one with nobody outgoing.

import type { HubId, Membership } from "./types.ts";

export type VoteOutcome = "won" | "lost" | "pending";

/** The largest index that more than half of `voters` have reached; Infinity of nobody. O(n^2), n <= 9. */
export function majorityIndex(
  voters: readonly HubId[],
  ackedOf: (hub: HubId) => number | undefined,
): number {
  if (voters.length === 0) return Infinity; // Q3
  // Insertion sort, largest first: it runs for every acknowledgement, over three or five numbers.
  const sorted: number[] = [];
  for (const hub of voters) {
    const acked = ackedOf(hub) ?? 0;
    let at = sorted.length;
    while (at > 0 && (sorted[at - 1] ?? 0) < acked) {
      sorted[at] = sorted[at - 1] ?? 0;
      at -= 1;
    }
    sorted[at] = acked;
  }
  return sorted[Math.floor(voters.length / 2)] ?? 0;
}

/** The index that a quorum of the configuration has reached (Q1). */
export function quorumIndex(
  { voters, outgoing }: Pick<Membership, "voters" | "outgoing">,
  ackedOf: (hub: HubId) => number | undefined,
): number {
  const incoming = majorityIndex(voters, ackedOf);
  return outgoing.length === 0 ? incoming : Math.min(incoming, majorityIndex(outgoing, ackedOf));
}

/** `votes`: true granted, false refused, absent not answered. */
export function majorityVote(
  voters: readonly HubId[],
  voteOf: (hub: HubId) => boolean | undefined,
): VoteOutcome {
  if (voters.length === 0) return "won"; // Q3
  let granted = 0;
  let missing = 0;
  for (const hub of voters) {
    const vote = voteOf(hub);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const needed = Math.floor(voters.length / 2) + 1;
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}

/** Won if both majorities are won, lost as soon as one is lost (Q1). */
export function quorumVote(
  { voters, outgoing }: Pick<Membership, "voters" | "outgoing">,
  voteOf: (hub: HubId) => boolean | undefined,
): VoteOutcome {
  const incoming = majorityVote(voters, voteOf);
  const before = majorityVote(outgoing, voteOf);
  if (incoming === before) return incoming;
  return incoming === "lost" || before === "lost" ? "lost" : "pending";
}
