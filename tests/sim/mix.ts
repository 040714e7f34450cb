// Swarm testing: each seed draws which faults it knows and how rough they are. A run that does
// everything at once seldom gets far enough to meet a rare order of events.

import { between, seededRandom, type Random } from "@gantry/shared/base/prng.ts";
import type { Weather } from "./network.ts";

// An act is done now and then while the storm lasts; a condition holds all along. Seeds depend on
// the order.
const KINDS = {
  drop: "condition",
  repeat: "condition",
  slowFrames: "condition",
  reorder: "condition",
  crash: "act",
  powerCut: "act",
  pause: "act",
  partition: "act",
  oneWay: "act",
  isolate: "act",
  swizzle: "act",
  huntLeader: "act",
  huntCandidate: "act",
  stall: "act",
  slowDisk: "condition",
  diskFull: "act",
  bitRot: "act",
  drift: "condition",
  hint: "act",
  transfer: "act",
  membership: "act",
  snapshot: "act",
  applyLag: "condition",
  tinyBatch: "condition",
  tinyWindow: "condition",
  tinyLog: "condition",
  tinyBound: "condition",
  singleWrites: "condition",
  huntNew: "condition",
} as const;
export type Fault = keyof typeof KINDS;
export type Action = { [F in Fault]: (typeof KINDS)[F] extends "act" ? F : never }[Fault];
export const FAULTS = Object.keys(KINDS) as readonly Fault[];
export const ACTIONS = FAULTS.filter((fault): fault is Action => KINDS[fault] === "act");

export interface Mix {
  readonly faults: ReadonlySet<Fault>;
  readonly founders: number;
  /** Hubs that are no members at first. */
  readonly spares: number;
  readonly learners: number;
  readonly hasWitness: boolean;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly weather: Weather;
  readonly diskMs: readonly [number, number];
  readonly faultEveryMs: number;
  /** How long the faults last, ms. */
  readonly stormMs: number;
  readonly clients: number;
  readonly keys: number;
  readonly thinkMs: number;
  readonly checkpointEvery: number;
  readonly keepEntries: number;
  readonly messageBytesMax: number;
  readonly inflightMax: number;
  readonly uncommittedBytesMax: number;
  /** Short reigns, one after the other (Raft's figure 8). */
  readonly isFigure8: boolean;
  /** What is tried once all is healed. */
  readonly finale: Finale;
}

/** See finale.ts. */
export const FINALES = ["none", "cutFollower", "cutLeader", "deafLeader", "triangle"] as const;
export type Finale = (typeof FINALES)[number];

/** Virtual ms of one tick of the election clock. */
export const TICK_MS = 10;

const HUNTED_SHARE = 0.3;
const FIGURE_8_SHARE = 0.15;
const FIGURE_8 = new Set<Fault>(["huntNew", "tinyBatch", "tinyWindow", "crash"]);
const MILD = new Set<Fault>([
  "drift",
  "slowDisk",
  "reorder",
  "drop",
  "tinyBound",
  "isolate",
  "partition",
]);

const pick = <T>(random: Random, of: readonly [T, ...T[]]): T =>
  of[between(random, 0, of.length - 1)] ?? of[0];

export function drawMix(seed: number, without: ReadonlySet<Fault> = new Set()): Mix {
  const random = seededRandom(seed ^ 0x5f3759df);
  const share = pick(random, [0.15, 0.3, 0.5, 0.7]);
  const drawn = FAULTS.filter((fault) => fault !== "huntNew" && random() < share);
  const shape = pick(random, [
    "three",
    "three",
    "three",
    "five",
    "five",
    "one",
    "witness",
    "learner",
  ]);
  const electionTicks = pick(random, [5, 10, 10, 25]);
  const rough = random();
  const finale = pick(random, FINALES);
  const faults = new Set(drawn.filter((fault) => !without.has(fault)));
  // A repairable copy must exist: a rotten disk and a group that shrinks can together leave none.
  if (faults.has("bitRot") && (faults.has("membership") || shape === "one"))
    faults.delete("bitRot");
  const hunted = seededRandom(seed ^ 0x1b873593)();
  if (hunted < HUNTED_SHARE && !without.has("huntNew")) faults.add("huntNew");
  const isFigure8 = hunted < FIGURE_8_SHARE;
  const founders = isFigure8 ? 3 : shape === "five" ? 5 : shape === "one" ? 1 : 3;
  if (isFigure8) {
    // The rarest of the planted bugs (Raft's figure 8) needs short reigns and one entry at a time.
    for (const fault of FAULTS) {
      if (FIGURE_8.has(fault) && !without.has(fault)) faults.add(fault);
      else if (!FIGURE_8.has(fault) && !MILD.has(fault)) faults.delete(fault);
    }
  }
  const diskMax = faults.has("slowDisk") ? pick(random, [20, 60, 100]) : pick(random, [1, 3, 8]);
  return {
    faults,
    founders,
    spares: shape === "one" ? 2 : shape === "three" ? 1 : 0,
    learners: shape === "learner" ? 1 : 0,
    hasWitness: shape === "witness",
    electionTicks,
    heartbeatTicks: electionTicks >= 10 ? between(random, 1, 2) : 1,
    weather: {
      drop: faults.has("drop") ? rough * 0.25 : 0,
      repeat: faults.has("repeat") ? rough * 0.3 : 0,
      delayMin: 0.1,
      delayMax: Math.max(pick(random, [1, 3, 10]), isFigure8 ? 10 : 0),
      slow: faults.has("slowFrames") ? pick(random, [0.01, 0.05, 0.2]) : 0,
      isReordered: faults.has("reorder"),
    },
    diskMs: [0.1, diskMax],
    faultEveryMs: electionTicks * TICK_MS * pick(random, [0.3, 0.7, 1.5, 3]),
    stormMs: electionTicks * TICK_MS * between(random, 25, 75),
    clients: between(random, 1, 5),
    keys: between(random, 1, 4),
    thinkMs: pick(random, [1, 5, 20]),
    checkpointEvery: faults.has("tinyLog") ? between(random, 3, 15) : between(random, 40, 200),
    keepEntries: faults.has("tinyLog") ? between(random, 0, 5) : between(random, 20, 100),
    messageBytesMax: faults.has("tinyBatch") ? between(random, 1, 20) : 100_000,
    inflightMax: faults.has("tinyWindow") ? between(random, 1, 2) : 64,
    uncommittedBytesMax: faults.has("tinyBound") ? between(random, 20, 200) : 1_000_000,
    isFigure8,
    finale,
  };
}
