// Test equipment: a replica over stores of one's choice, and constructors for commands.

import { openRaftLog, type TailMark } from "../../hub/adapters/raft-log.ts";
import { makeMemoryMark } from "../../hub/adapters/testing/memory-mark.ts";
import type { Membership } from "../../hub/consensus/types.ts";
import type { LogStore, OrderedStore } from "../../hub/ports.ts";
import type { ReplicaOptions } from "../../hub/replica/options.ts";
import { openReplica, type Replica } from "../../hub/replica/replica.ts";
import type { Command, CommandBody } from "@gantry/shared/contract/commands.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";

export const NEVER = new AbortController().signal;

export async function openTestReplica(
  logDisk: OrderedStore,
  ledgerDisk: OrderedStore,
  options: Partial<ReplicaOptions> = {},
): Promise<Replica> {
  const replica = await openReplica({
    hubId: "hub-1",
    logStore: await openAlone(logDisk),
    random: () => 0.5,
    ledgerStore: ledgerDisk,
    clock: systemClock,
    log: silentLogger,
    checkpointMs: 50,
    onEvents: () => {},
    ...options,
  });
  await untilLeading(replica);
  return replica;
}

/** The log of a hub that is alone. */
export const openAlone = (
  disk: OrderedStore,
  mark: TailMark = makeMemoryMark(),
): Promise<LogStore> => openRaftLog(disk, mark, { found: ALONE });

const ALONE: Membership = {
  voters: ["hub-1"],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export async function untilLeading(replica: Replica): Promise<void> {
  await replica.barrier(AbortSignal.timeout(5_000));
}

/** A command with defaults for what a test does not care about. */
export function command(body: CommandBody, envelope: Partial<Command> = {}): Command {
  return {
    atMs: 1_700_000_000_000,
    actor: "ada",
    requestId: "req_test",
    ...envelope,
    ...body,
  } as Command;
}
