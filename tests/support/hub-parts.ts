// Test equipment: a replica over stores of one's choice, and constructors for commands.

import { openLogStore } from "../../hub/adapters/log-store.ts";
import type { OrderedStore } from "../../hub/ports.ts";
import { openReplica, type Replica, type ReplicaOptions } from "../../hub/replica/replica.ts";
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
    logStore: await openLogStore(logDisk),
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
