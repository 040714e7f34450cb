// Test equipment: a replica over two disks that forget at a power cut, and what tests ask of it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import { type ForgetfulStore, makeForgetfulStore } from "../../../tests/support/forgetful-store.ts";
import { command, NEVER, openTestReplica } from "../../../tests/support/hub-parts.ts";
import { startStateHash } from "../../ledger/state-hash.ts";
import type { OrderedStore } from "../../ports.ts";
import type { ReplicaOptions } from "../options.ts";
import type { Replica } from "../replica.ts";

const HOUR_MS = 3_600_000;

export interface Disks {
  readonly log: ForgetfulStore;
  readonly ledger: ForgetfulStore;
}

export const makeDisks = (): Disks => ({ log: makeForgetfulStore(), ledger: makeForgetfulStore() });

/** Checkpoints only when told to. */
export const open = (
  { log, ledger }: Disks,
  options: Partial<ReplicaOptions> = {},
): Promise<Replica> => openTestReplica(log, ledger, { checkpointMs: HOUR_MS, ...options });

export const set = (value: number): Command =>
  command({ type: "flagSet", key: `flag-${value}`, value });

/** Sets `count` flags from number `from` on, all in flight at once. */
export async function fill(replica: Replica, count: number, from = 0): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => replica.propose(set(from + index), NEVER)),
  );
}

/** Of all rows; the mark of the checkpoint is left out. */
export async function hashOf(store: OrderedStore): Promise<string> {
  const hasher = startStateHash();
  for await (const [key, value] of store.entries({ gte: "cold/", lt: "hot0" })) {
    hasher.add(key, JSON.parse(new TextDecoder().decode(value)));
  }
  return hasher.hex();
}

/** `ok`, the code of a GantryError, or what else was thrown. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "ok",
    (error: unknown) => (error instanceof GantryError ? error.code : error),
  );
