// The consensus core of a replica: its bounds, and what it knows at the start.

import { makeRaft } from "../consensus/raft.ts";
import type { Core } from "../consensus/types.ts";
import { type CoreBounds, FAST_TIMING, type ReplicaOptions } from "./options.ts";

const BOUNDS: CoreBounds = {
  uncommittedBytesMax: 64 * 1_048_576,
  inflightMax: 256,
  inflightBytesMax: 16 * 1_048_576,
  messageBytesMax: 1_048_576,
};

export function coreOf(options: ReplicaOptions, appliedIndex: number): Core {
  const { hubId, logStore, timing = FAST_TIMING, witnesses } = options;
  return (options.makeCore ?? makeRaft)(
    {
      id: hubId,
      electionTicks: timing.electionTicks,
      heartbeatTicks: timing.heartbeatTicks,
      random: options.random,
      isWitness: options.isWitness ?? false,
      isNewsLazy: true,
      ...(witnesses === undefined ? {} : { witnesses }),
      get isBarred() {
        return logStore.damage !== undefined; // until it has healed
      },
      ...BOUNDS,
      ...options.bounds,
    },
    { ...logStore.restored, appliedIndex },
    logStore.log,
  );
}
