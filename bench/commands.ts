// Durable commands a second: proposed to the replica, synced by LevelDB, applied, answered.
//
//   node bench/commands.ts [IN_FLIGHT ...]        prints one JSON document; 1 10 100 1000 without
//
// Each command sets one of 100 flags. The floor in the same run is a bare fsync of 256 bytes: with
// one command in flight there is one sync a command. Not measured: HTTP, tokens, a second hub.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLevelStore } from "../hub/adapters/level-store.ts";
import { openLogFolder } from "../hub/adapters/log-folder.ts";
import { openTailMark } from "../hub/adapters/tail-mark.ts";
import { openAlone } from "../tests/support/hub-parts.ts";
import { openReplica, type Replica } from "../hub/replica/replica.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { benchFsync, machine, type Spread, spreadOf } from "./floors.ts";

export interface CommandsResult extends Spread {
  readonly inFlight: number;
  readonly perS: number;
  /** Of all threads: the figure that a busy machine disturbs least. */
  readonly cpuUsEach: number;
}

const RUN_MS = 3_000;
const WARM_MS = 1_000;
const FLAGS = 100;
const CHECKPOINT_MS = 2_000; // the hub's default
const never = new AbortController().signal;

const flagSet = (turn: number): Command => ({
  type: "flagSet",
  key: `flag-${turn % FLAGS}`,
  value: turn,
  atMs: 1_700_000_000_000 + turn,
  actor: "ada",
  requestId: "req_01kb0000000000000000000000",
});

/** One replica with a fresh folder; `inFlight` proposers, each of which proposes again when answered. */
export async function benchCommands(inFlight: number, runMs = RUN_MS): Promise<CommandsResult> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-commands-"));
  const logDisk = await openLogFolder(join(folder, "log"), { createIfMissing: true });
  const ledgerStore = await openLevelStore(join(folder, "ledger"), { createIfMissing: true });
  const tail = await openTailMark(join(folder, "log.tail"));
  const replica = await openReplica({
    hubId: "hub-1",
    logStore: await openAlone(logDisk, tail),
    random: Math.random,
    ledgerStore,
    clock: systemClock,
    log: silentLogger,
    checkpointMs: CHECKPOINT_MS,
    onEvents: () => {},
  });
  try {
    await replica.barrier(systemClock.timeout(5_000));
    await load(replica, inFlight, WARM_MS);
    return await load(replica, inFlight, runMs);
  } finally {
    await replica.close();
    await tail.close();
    await ledgerStore.close();
    await logDisk.close();
    await rm(folder, { recursive: true });
  }
}

async function load(replica: Replica, inFlight: number, runMs: number): Promise<CommandsResult> {
  const timesMs: number[] = [];
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  let turn = 0;
  const propose = async (): Promise<void> => {
    for (;;) {
      const fromMs = performance.now();
      if (fromMs - startMs >= runMs) return;
      turn += 1;
      await replica.propose(flagSet(turn), never);
      timesMs.push(performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, propose));
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(startCpu);
  const perS = Math.round(timesMs.length / seconds);
  const cpuUsEach = Math.round(((user + system) / timesMs.length) * 10) / 10;
  return { inFlight, perS, cpuUsEach, ...spreadOf(timesMs) };
}

/** About 4 s for each number in flight. */
export async function benchAll(inFlights: readonly number[]): Promise<readonly CommandsResult[]> {
  const results: CommandsResult[] = [];
  for (const inFlight of inFlights) results.push(await benchCommands(inFlight));
  return results;
}

if (import.meta.main) {
  const asked = process.argv.slice(2).map(Number);
  const folder = await mkdtemp(join(tmpdir(), "gantry-fsync-"));
  const fsync = await benchFsync(folder);
  await rm(folder, { recursive: true });
  const results = await benchAll(asked.length === 0 ? [1, 10, 100, 1_000] : asked);
  const report = { bench: "commands", fsync, results, machine: machine() };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}
