// Linearizable reads (Raft thesis 6.4). The leader gives a batch of reads the commit index and a
// number of one growing counter; heartbeats carry the counter, and answers give it back.
//
// D1. A round is confirmed by the quorum-th largest counter that was answered: an answer confirms
//     every round up to it and no later one. Counters are never used twice in a term (a reused
//     request id gave stale reads: etcd #20418).
// D2. A round starts only at a leader that has committed an entry of its own term (etcd #7331).
// D3. What waits is bounded; over the bound a read is given back as lost, to be asked again.
// D4. A hub that asks the leader uses ids that no earlier life of it has used: they begin at a
//     random number. An answer to a batch that waits serves it and every batch asked before it, since
//     those readers have waited longer; an answer to any other id serves nobody.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { HubId } from "./types.ts";

/** Of one reader here, or of a batch of readers of another hub. */
export interface ReadRequest {
  readonly hub: HubId;
  readonly id: number;
}

interface Round {
  readonly counter: number;
  readonly index: number;
  readonly requests: readonly ReadRequest[];
}

interface Batch {
  readonly id: number;
  readonly readers: readonly number[];
}

export interface Reads {
  counter: number;
  /** Leader: not in a round yet. */
  waiting: ReadRequest[];
  /** Leader: not confirmed yet, oldest first. */
  rounds: Round[];
  /** Follower: not asked for yet. */
  unasked: number[];
  /** Follower: asked for, not answered, oldest first. */
  asked: Batch[];
  nextBatch: number;
}

/** D3. */
export const READS_WAITING_MAX = LIMIT.readsWaiting.max;
/** Rounds or batches under way; each ends with one round trip. */
const ROUNDS_MAX = 1_024;

/** `firstBatch`: random, whole, below 2^47 (D4). */
export function makeReads(firstBatch: number): Reads {
  return { counter: 0, waiting: [], rounds: [], unasked: [], asked: [], nextBatch: firstBatch };
}

/** False over the bound (D3). */
export function waitForRound(reads: Reads, request: ReadRequest): boolean {
  if (reads.waiting.length >= READS_WAITING_MAX) return false;
  reads.waiting.push(request);
  return true;
}

/** Puts what waits into one round at `index`. False when nothing waits, or too much is under way. */
export function startRound(reads: Reads, index: number): boolean {
  if (reads.waiting.length === 0 || reads.rounds.length >= ROUNDS_MAX) return false;
  reads.counter += 1;
  reads.rounds.push({ counter: reads.counter, index, requests: reads.waiting });
  reads.waiting = [];
  return true;
}

/** Rounds that are confirmed by `counter` (D1). */
export function takeConfirmed(reads: Reads, counter: number): readonly Round[] {
  let count = 0;
  while (count < reads.rounds.length && (reads.rounds[count]?.counter ?? Infinity) <= counter) {
    count += 1;
  }
  return count === 0 ? [] : reads.rounds.splice(0, count);
}

export function waitForAsking(reads: Reads, id: number): boolean {
  if (reads.unasked.length >= READS_WAITING_MAX) return false;
  reads.unasked.push(id);
  return true;
}

/** Id of a new batch with everyone who waits; undefined when nobody does, or too much is under way. */
export function startBatch(reads: Reads): number | undefined {
  if (reads.unasked.length === 0 || reads.asked.length >= ROUNDS_MAX) return undefined;
  reads.nextBatch += 1;
  reads.asked.push({ id: reads.nextBatch, readers: reads.unasked });
  reads.unasked = [];
  return reads.nextBatch;
}

/**
 * The question may have been lost: the id to repeat, whose answer serves all that is under way (D4).
 * Whichever of its repetitions is answered, the leader has met the question after these reads began.
 */
export const askAgain = ({ asked }: Reads): number | undefined => asked.at(-1)?.id;

/** Readers whose batch is answered by `id`; nobody if this life of the hub has not asked with it (D4). */
export function takeAnswered(reads: Reads, id: number): readonly number[] {
  const count = reads.asked.findIndex((batch) => batch.id === id) + 1;
  return count === 0 ? [] : reads.asked.splice(0, count).flatMap((batch) => batch.readers);
}

/** The leader is another one, or none: own readers whose reads are lost; others ask again themselves. */
export function takeLost(reads: Reads, ownId: HubId): readonly number[] {
  const { waiting, rounds, unasked, asked } = reads;
  if (waiting.length + rounds.length + unasked.length + asked.length === 0) return [];
  const lost = [...rounds.flatMap(({ requests }) => requests), ...waiting]
    .filter(({ hub }) => hub === ownId)
    .map(({ id }) => id);
  for (const { readers } of asked) lost.push(...readers);
  lost.push(...unasked);
  reads.waiting = [];
  reads.rounds = [];
  reads.unasked = [];
  reads.asked = [];
  return lost;
}
