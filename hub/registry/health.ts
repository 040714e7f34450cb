// Health of nodes, as a pure rule: what was heard, and how far this hub may trust its own ears.
//
//   alive --2 beats missed--> suspect --lease over--> down --72 h--> removed (the row stays)
//   suspect --heard again--> alive, unless it is held for flapping (ledger/domains/node-flaps.ts)
//   down --registers again--> alive or suspect: the ledger does that, not this rule
//
// HE1. Only transitions come out; a node that stays as it is costs nothing.
// HE2. Each lease starts anew with a reign, plus the election time-out: what an earlier leader heard
//      is not known here, and its last answer may have been given that late.
// HE3. Time in which this hub itself stalled is nobody's silence, and after a stall as long as a beat
//      nobody is accused until two beats could have come (Lifeguard: doubt yourself first).
// HE4. Nobody is removed in the first hour of a reign: a workshop that was switched off for a week
//      finds all its machines again.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { NodeRow, NodeState } from "@gantry/shared/contract/rows.ts";
import { isHeld } from "../ledger/domains/node-flaps.ts";

/** This hub did not look from `fromMs` to `toMs`, monotonic. */
export interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface HealthPolicy {
  readonly beatMs: number;
  readonly leaseMs: number;
  readonly removedMs: number;
}

export const HEALTH_POLICY: HealthPolicy = {
  beatMs: TIMEOUT.heartbeatMs,
  leaseMs: TIMEOUT.leaseMs,
  removedMs: TIMEOUT.nodeRemovedMs,
};

/** Beats missed, with half a beat for jitter and the way. */
const SUSPECT_BEATS = 2.5;
const FRESH_BEATS = 1.5;
const REMOVE_GRACE_MS = 3_600_000;
/** Stalls that make a leader unfit: three in ten seconds. */
const UNFIT_STALLS = 3;
const UNFIT_WINDOW_MS = 10_000;
/**
 * A hub that handed over for its stalls and leads again keeps on for so long: where the others stall as
 * much, leadership that goes round and round is worse (97 times in nine minutes, measured at load 25).
 */
const UNFIT_REST_MS = 300_000;

export interface Hearing {
  /** Monotonic ms at which each node was last heard in this reign. */
  readonly heardAtMs: ReadonlyMap<string, number>;
  /** Monotonic ms now. */
  readonly nowMs: number;
  /** The ledger's time now, ms since 1970. */
  readonly timeMs: number;
  /** Since when this hub leads, monotonic, and the election time-out. */
  readonly reign: { readonly sinceMs: number; readonly electionMs: number };
  /** In order; those of the last few leases are enough. */
  readonly stalls: readonly Stall[];
}

export type StateChange = Omit<
  Extract<CommandBody, { type: "nodeStateChanged" }>,
  "term" | "beatSeq"
>;

/** What is to be proposed now, in the order of `nodes`. */
export function judge(
  nodes: Iterable<NodeRow>,
  hearing: Hearing,
  policy: HealthPolicy = HEALTH_POLICY,
): StateChange[] {
  const changes: StateChange[] = [];
  const isInDoubt = doubts(hearing, policy);
  for (const node of nodes) {
    const change = judgeOne(node, hearing, policy, isInDoubt);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

function judgeOne(
  node: NodeRow,
  hearing: Hearing,
  policy: HealthPolicy,
  isInDoubt: boolean,
): StateChange | undefined {
  const silentMs = silenceOf(node.id, hearing);
  const to = (state: NodeState, why: NonNullable<StateChange["why"]>): StateChange => ({
    type: "nodeStateChanged",
    node: node.id,
    bootId: node.bootId,
    registeredAt: node.registeredAt ?? 0,
    state,
    why,
  });
  switch (node.state) {
    case "alive":
      if (isInDoubt || silentMs < SUSPECT_BEATS * policy.beatMs) return undefined;
      return to(silentMs < policy.leaseMs ? "suspect" : "down", "silent");
    case "suspect": {
      if (!isInDoubt && silentMs >= policy.leaseMs) return to("down", "silent");
      const isFresh = hearing.heardAtMs.has(node.id) && silentMs < FRESH_BEATS * policy.beatMs;
      return isFresh && !isHeld(node, hearing.timeMs) ? to("alive", "heard") : undefined;
    }
    case "down": {
      const isGone = hearing.timeMs - node.changedAtMs >= policy.removedMs;
      const isSettled = hearing.nowMs - hearing.reign.sinceMs >= REMOVE_GRACE_MS; // HE4
      return isGone && isSettled && silentMs >= policy.leaseMs
        ? to("removed", "timeout")
        : undefined;
    }
    case "removed":
      return undefined;
  }
}

/** How long nothing was heard of a node though this hub was listening (HE2, HE3), ms. */
export function silenceOf(node: string, { heardAtMs, nowMs, reign, stalls }: Hearing): number {
  const fromMs = heardAtMs.get(node) ?? reign.sinceMs + reign.electionMs;
  if (fromMs >= nowMs) return 0;
  return nowMs - fromMs - stalledBetween(stalls, fromMs, nowMs);
}

function stalledBetween(stalls: readonly Stall[], fromMs: number, toMs: number): number {
  let sumMs = 0;
  for (const stall of stalls) {
    sumMs += Math.max(0, Math.min(stall.toMs, toMs) - Math.max(stall.fromMs, fromMs));
  }
  return sumMs;
}

/** HE3. */
const doubts = ({ stalls, nowMs }: Hearing, { beatMs }: HealthPolicy): boolean =>
  stalls.some(({ fromMs, toMs }) => toMs - fromMs >= beatMs && nowMs - toMs < 2 * beatMs);

/** A leader that stalls this often should hand over; `lastMs`: when it did so before. */
export const isUnfit = (stalls: readonly Stall[], nowMs: number, lastMs = -Infinity): boolean =>
  nowMs - lastMs >= UNFIT_REST_MS &&
  stalls.filter(({ toMs }) => nowMs - toMs <= UNFIT_WINDOW_MS).length >= UNFIT_STALLS;

/**
 * The answer to a heartbeat: anything but `ok` makes the node send its whole registration, so that it
 * is back within one beat after the hub forgot it. A node held in `suspect` is known all the same.
 */
export function beatAnswer(
  row: NodeRow | undefined,
  digest: string,
): "ok" | "unknown" | "mismatch" {
  if (row === undefined) return "unknown";
  const isKnown = row.state === "alive" || row.state === "suspect";
  return isKnown && row.capabilitiesDigest === digest ? "ok" : "mismatch";
}
