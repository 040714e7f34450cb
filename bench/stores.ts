// What durability costs: the same commands through the same replica, with its log in memory, in LevelDB
// without and with a sync, in segments with a sync, and in segments on three replicas that must agree.
//
//   node bench/stores.ts [SECONDS]        a table: commands a second and p99 in ms, with 1 and 100 in flight
//
// All replicas are in this process and the three have no wire between them: what is compared is where a
// command has to be before it is answered, not machines. For those: npm run bench:cluster.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { openLevelStore } from "../hub/adapters/level-store.ts";
import { openLogFolder } from "../hub/adapters/log-folder.ts";
import { openRaftLog } from "../hub/adapters/raft-log.ts";
import { openTailMark } from "../hub/adapters/tail-mark.ts";
import type { Message } from "../hub/consensus/types.ts";
import type { OrderedStore } from "../hub/ports.ts";
import { openReplica, type Replica } from "../hub/replica/replica.ts";
import { makeForgetfulStore } from "../tests/support/forgetful-store.ts";
import { spreadOf } from "./floors.ts";

type OpenLog = (folder: string) => Promise<OrderedStore>;

interface Kind {
  readonly hubs: number;
  readonly openLog: OpenLog;
}

const inLevel: OpenLog = (folder) => openLevelStore(folder, { createIfMissing: true });
const inSegments: OpenLog = (folder) => openLogFolder(folder, { createIfMissing: true });

/** Nothing of it is durable before its reply. */
const unsynced =
  (open: OpenLog): OpenLog =>
  async (folder) => {
    const store = await open(folder);
    return {
      isReopening: false,
      getSync: (key) => store.getSync(key),
      entries: (range) => store.entries(range),
      batch: (operations) => store.batch(operations, { sync: false }),
      close: () => store.close(),
    };
  };

export const KINDS: Readonly<Record<string, Kind>> = {
  memory: { hubs: 1, openLog: unsynced(() => Promise.resolve(makeForgetfulStore())) },
  "LevelDB, not synced": { hubs: 1, openLog: unsynced(inLevel) },
  "LevelDB, synced": { hubs: 1, openLog: inLevel },
  "segments, synced": { hubs: 1, openLog: inSegments },
  "segments, synced, three replicas": { hubs: 3, openLog: inSegments },
};

export interface StoreFigure {
  readonly inFlight: number;
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const TIMING = { electionTicks: 25, heartbeatTicks: 5 };
const CHECKPOINT_MS = 2_000;
const WARM_MS = 300;
const PATIENCE_MS = 30_000;
const FLAGS = 100;
const never = new AbortController().signal;

const flagSet = (turn: number): Command => ({
  type: "flagSet",
  key: `flag-${turn % FLAGS}`,
  value: turn,
  atMs: 1_700_000_000_000 + turn,
  actor: "ada",
  requestId: "req_01kb0000000000000000000000",
});

/** Replicas of one cluster in this process; the one that leads. */
async function openReplicas(
  { hubs, openLog }: Kind,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<Replica> {
  const ids = Array.from({ length: hubs }, (_, n) => `hub-${n + 1}`);
  const none = { outgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const found = { voters: ids, ...none };
  const replicas = new Map<string, Replica>();
  const deliver = (message: Message): void => {
    setImmediate(() => replicas.get(message.to)?.receive([message]));
  };
  for (const [at, id] of ids.entries()) {
    const logDisk = await openLog(join(folder, id, "log"));
    stack.defer(() => logDisk.close());
    const ledgerStore = await openLevelStore(join(folder, id, "ledger"), { createIfMissing: true });
    stack.defer(() => ledgerStore.close());
    const tail = await openTailMark(join(folder, id, "log.tail"));
    stack.defer(() => tail.close());
    const replica = await openReplica({
      hubId: id,
      logStore: await openRaftLog(logDisk, tail, { found }),
      ledgerStore,
      clock: systemClock,
      random: seededRandom(at + 1),
      log: silentLogger,
      checkpointMs: CHECKPOINT_MS,
      onEvents: () => {},
      timing: TIMING,
      ...(hubs === 1
        ? {}
        : {
            peers: {
              send(messages) {
                for (const message of messages) deliver(message);
                return [];
              },
              fetch: () => Promise.reject(new Error("No snapshot is asked for here")),
            },
          }),
    });
    replicas.set(id, replica);
    stack.defer(() => replica.close());
  }
  const untilMs = performance.now() + PATIENCE_MS;
  while (performance.now() < untilMs) {
    for (const replica of replicas.values()) {
      if (replica.status().role === "leader") return replica;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`No replica of ${hubs} leads after ${PATIENCE_MS} ms`);
}

async function load(replica: Replica, inFlight: number, runMs: number): Promise<StoreFigure> {
  const timesMs: number[] = [];
  const startMs = performance.now();
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
  const perS = Math.round((timesMs.length * 1_000) / (performance.now() - startMs));
  const { p50Ms, p99Ms } = spreadOf(timesMs);
  return { inFlight, perS, p50Ms, p99Ms };
}

export async function benchStore(
  kind: Kind,
  inFlights: readonly number[],
  runMs: number,
): Promise<StoreFigure[]> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-stores-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true }));
  const replica = await openReplicas(kind, folder, stack);
  await replica.barrier(systemClock.timeout(PATIENCE_MS));
  const figures: StoreFigure[] = [];
  for (const inFlight of inFlights) {
    await load(replica, inFlight, WARM_MS);
    figures.push(await load(replica, inFlight, runMs));
  }
  return figures;
}

if (import.meta.main) {
  const runMs = Number(process.argv[2] ?? 2) * 1_000;
  const table: Record<string, Record<string, number>> = {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const [one, many] = await benchStore(kind, [1, 100], runMs);
    table[name] = {
      "1 in flight, 1/s": one?.perS ?? 0,
      "p99, ms": one?.p99Ms ?? 0,
      "100 in flight, 1/s": many?.perS ?? 0,
      "p99, ms ": many?.p99Ms ?? 0,
    };
  }
  console.table(table);
}
