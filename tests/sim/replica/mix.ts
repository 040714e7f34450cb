// What a seed of the replica-level simulation draws: how many hubs, how rough, which faults.

import { between, seededRandom } from "@gantry/shared/base/prng.ts";
import type { HubId } from "../../../hub/consensus/types.ts";
import type { Weather } from "../network.ts";

export interface ReplicaMix {
  readonly founders: readonly HubId[];
  /** Founders and, where `hasSpare`, one hub more that is no member at first. */
  readonly ids: readonly HubId[];
  readonly hasSpare: boolean;
  readonly witnesses: ReadonlySet<HubId>;
  readonly electionTicks: number;
  readonly diskMsMax: number;
  readonly stormMs: number;
  readonly faultEveryMs: number;
  readonly weather: Weather;
  readonly clients: number;
  readonly checkpointMs: readonly [number, number];
  readonly logEntries: readonly [number, number];
  readonly keptEntries: readonly [number, number];
  /** A log is damaged, at most once: with two of three no log would be whole. */
  readonly hasDamage: boolean;
  readonly hasFullDisks: boolean;
  /** Wall clocks jump and monotonic ones change their pace, again and again. */
  readonly hasJumps: boolean;
  /** Share of hubs whose clock is wrong from the start. */
  readonly drifting: number;
  /** One disk stands still for 20 s once all is healed, and the others must serve meanwhile. */
  readonly endsInStall: boolean;
}

export const STALL_MS = 20_000;
const LONG_STORM_MS = STALL_MS * 1.2;

export function drawReplicaMix(seed: number): ReplicaMix {
  const random = seededRandom(seed ^ 0x2545f491);
  const shape = random();
  const count = shape < 0.7 ? 3 : 5;
  const hasWitness = random() < 0.2;
  const hasDamage = random() < 0.3;
  // Whoever repairs a damaged log needs the others; a witness never has the state.
  const hasSpare = !hasWitness && !hasDamage && random() < 0.5;
  const ids = Array.from({ length: count + (hasSpare ? 1 : 0) }, (_, n) => `h${n + 1}`);
  const electionTicks = random() < 0.5 ? 10 : 20;
  const isLong = random() < 0.08;
  return {
    founders: ids.slice(0, count),
    ids,
    hasSpare,
    witnesses: new Set(hasWitness ? ids.slice(count - 1, count) : []),
    electionTicks,
    diskMsMax: random() < 0.3 ? 40 : 3,
    stormMs: isLong ? LONG_STORM_MS : electionTicks * 10 * between(random, 20, 60),
    faultEveryMs: electionTicks * 10 * (0.4 + random() * 2) * (isLong ? 3 : 1),
    weather: {
      drop: random() < 0.4 ? random() * 0.15 : 0,
      repeat: random() < 0.4 ? random() * 0.15 : 0,
      delayMin: 0.1,
      delayMax: 3,
      slow: random() < 0.3 ? 0.05 : 0,
      isReordered: random() < 0.4,
    },
    clients: between(random, 2, 4),
    checkpointMs: [40, 200],
    logEntries: [5, 60],
    keptEntries: [0, 30],
    hasDamage,
    hasFullDisks: random() < 0.3,
    hasJumps: random() < 0.3,
    drifting: random() < 0.5 ? 0.3 : 0,
    endsInStall: random() < 0.1,
  };
}
