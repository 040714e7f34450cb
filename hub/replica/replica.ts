// The replica: drives the consensus core, the log store and the ledger. The only place where a
// command becomes a fact.
//
//   propose -> waiting -> [one batch at a time] core -> log store (sync) -> core -> apply -> reply
//
// D1. Group commit without a timer: while one batch is being synced, the next one gathers. At low
//     load a batch is one command and costs one sync.
// D2. A reply is given only after the entry with its command is stored and applied.
// D3. Proposals that wait are bounded; over the bound they are refused with `busy`.
// D4. When the disk is full, proposals fail with `disk_full` and nothing is half done: the batch is
//     offered to the disk again when the next proposal comes, and the rest of the hub stays up.
// D5. Checkpoints and snapshots run beside all this and never hold up a commit.
// D6. While one batch is being synced the batch before it is applied and answered: disk and processor
//     work at the same time.
// D7. The log is trimmed only behind the older of two snapshots (snapshot.ts).

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, Reply } from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { LogStore } from "../adapters/log-store.ts";
import { type Entry, makeCore, type Ready, type Status } from "../consensus/core.ts";
import { applyEntry, type Ledger } from "../ledger/apply.ts";
import type { OrderedStore } from "../ports.ts";
import { decodeEntry, encodeEntry } from "./entry-codec.ts";
import { loadLedger, storeCheckpoint } from "./ledger-store.ts";
import { recoverLedger } from "./recover-alone.ts";
import { listSnapshots, type Snapshot, writeSnapshot } from "./snapshot.ts";

const TICK_MS = 10;
const ELECTION_TICKS = 1; // one voter has nobody to wait for
const CHECKPOINT_ROWS = 4_000; // dirty rows that bring a checkpoint forward
const DISK_RETRY_MS = 500;
const SNAPSHOT_LOG_BYTES = 64 * 1_048_576; // of log, about 0.5 s of replay
const SNAPSHOT_LOG_ENTRIES = 50_000;

export interface ReplicaOptions {
  readonly hubId: string;
  readonly logStore: LogStore;
  readonly ledgerStore: OrderedStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between checkpoints. */
  readonly checkpointMs: number;
  /** Events of one entry, in order, after it was applied. Must not throw. */
  readonly onEvents: (events: readonly LedgerEvent[]) => void;
  /** Where snapshots are; without, the log is never trimmed. */
  readonly snapshots?: {
    readonly folder: string;
    /** Log after which a snapshot is taken; 64 MiB and 50,000 entries where left out. */
    readonly logBytes?: number;
    readonly logEntries?: number;
  };
  /** For tests: called at named steps, to cut the power there. */
  readonly probe?: (step: ReplicaStep) => void;
}

export type ReplicaStep = "beforeStore" | "afterStore" | "afterApply" | "afterReply";

export interface Replica {
  readonly ledger: Ledger;
  /**
   * Makes a command a fact and gives the ledger's reply. Rejects with busy, no_leader, stopping,
   * disk_full or io_error: then the command may or may not become a fact, unless the error is
   * busy, no_leader or stopping, where it surely does not.
   */
  propose(command: Command, signal: AbortSignal): Promise<Reply>;
  /** Resolves when everything known at the call has been applied: what follows reads its writes. */
  barrier(signal: AbortSignal): Promise<void>;
  status(): Status & { readonly appliedIndex: number; readonly isDiskFull: boolean };
  /** Writes every row that had changed at the call. A failure is logged and tried again later. */
  checkpoint(): Promise<void>;
  /**
   * Snapshots the ledger and trims the log when it has grown enough since the last time, as the
   * replica does by itself after a checkpoint.
   */
  maintain(): Promise<void>;
  /** Refuses new proposals, finishes those that wait, writes a checkpoint. */
  close(): Promise<void>;
}

interface Waiting {
  readonly command: Command;
  readonly encoded: string;
  readonly settle: (result: Reply | GantryError) => void;
}

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { logStore, ledgerStore, clock, log } = options;
  await recoverLedger(logStore, ledgerStore, options.snapshots?.folder, log);
  const { rows, applied } = await loadLedger(ledgerStore);
  const ledger: Ledger = { rows, position: applied.position };
  let appliedIndex = applied.index;
  await replay();

  const core = makeCore(
    {
      id: options.hubId,
      voters: [options.hubId],
      electionTicks: ELECTION_TICKS,
      uncommittedBytesMax: 64 * 1_048_576,
    },
    logStore.restored,
  );
  const proposed = new Map<number, readonly Waiting[]>(); // by entry index
  let waiting: Waiting[] = [];
  let stored = {
    term: logStore.restored.hardState.term,
    index: logStore.restored.lastIndex,
    lastTerm: logStore.restored.lastTerm,
  };
  const reads = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  let nextRead = 1;
  let isPumping = false;
  let pumping = Promise.resolve();
  let isClosing = false;
  let isDiskFull = false;
  let checkpointing: Promise<void> | undefined;
  let maintaining: Promise<void> | undefined;
  const folder = options.snapshots?.folder;
  let snapshots = folder === undefined ? [] : await listSnapshots(folder); // newest first
  let loggedBytes = 0; // since the last snapshot or start
  const stopped = new AbortController();

  /** Entries after the checkpoint. With one voter, what is stored is committed. */
  async function replay(): Promise<void> {
    const startMs = clock.monotonic();
    const from = appliedIndex + 1;
    if (from > logStore.restored.lastIndex) return;
    for await (const entry of logStore.read(from)) {
      applyEntry(ledger, decodeEntry(entry.index, entry.data));
      appliedIndex = entry.index;
    }
    const tookMs = Math.round(clock.monotonic() - startMs);
    log.info({ from, to: appliedIndex, tookMs }, "replayed the log");
  }

  /** Takes what waits into one entry, bounded by count and bytes. */
  function proposeBatch(): void {
    if (waiting.length === 0 || core.status().role !== "leader") return;
    let count = 0;
    let sizeBytes = 0;
    for (const { encoded } of waiting) {
      if (count >= LIMIT.batchCommands.max || sizeBytes > LIMIT.batchBytes.max) break;
      count += 1;
      sizeBytes += encoded.length;
    }
    const batch = waiting.slice(0, count);
    const outcome = core.step({
      type: "propose",
      data: encodeEntry(batch.map(({ encoded }) => encoded)),
    });
    if (outcome === "refused") return; // the core is at its bound; the batch waits for a commit
    waiting = waiting.slice(count);
    proposed.set(core.status().lastIndex, batch);
  }

  /** Works until nothing is left: one `ready` at a time, so that one sync serves many (D1). */
  async function pump(): Promise<void> {
    isPumping = true;
    try {
      for (;;) {
        proposeBatch();
        const ready = core.ready();
        if (ready === undefined) {
          if (waiting.length === 0 || core.status().role !== "leader") return;
          continue;
        }
        await handle(ready);
      }
    } finally {
      isPumping = false;
    }
  }

  async function handle(ready: Ready): Promise<void> {
    const isToStore = ready.hardState !== undefined || ready.entries.length > 0;
    if (isToStore) options.probe?.("beforeStore");
    const storing = isToStore ? storeUntilDone(ready) : undefined;
    storing?.catch(() => {}); // awaited below, unless applying throws first
    for (const entry of ready.committed) applyCommitted(entry); // D6
    for (const { id } of ready.reads) {
      reads.get(id)?.resolve();
      reads.delete(id);
    }
    if (storing === undefined) return;
    await storing;
    options.probe?.("afterStore");
    const tail = ready.entries.at(-1);
    stored = {
      term: ready.hardState?.term ?? stored.term,
      index: tail?.index ?? stored.index,
      lastTerm: tail?.term ?? stored.lastTerm,
    };
    core.step({ type: "stored", ...stored });
  }

  /** D4: those who wait are told; the entry itself must reach the disk before any later one. */
  async function storeUntilDone(ready: Ready): Promise<void> {
    for (;;) {
      try {
        await logStore.append(ready.hardState, ready.entries);
        if (isDiskFull) log.info({}, "the disk takes writes again");
        isDiskFull = false;
        return;
      } catch (error) {
        const fault =
          error instanceof GantryError
            ? error
            : new GantryError("io_error", "The log cannot be written", { cause: error });
        if (!isDiskFull)
          log.error({ code: fault.code, message: fault.message }, "the log cannot be written");
        isDiskFull = true;
        failAll(fault);
        if (isClosing) throw fault;
        await clock.sleep(DISK_RETRY_MS, stopped.signal);
      }
    }
  }

  function failAll(fault: GantryError): void {
    for (const batch of proposed.values()) for (const { settle } of batch) settle(fault);
    for (const { settle } of waiting) settle(fault);
    proposed.clear();
    waiting = [];
  }

  function applyCommitted(entry: Entry): void {
    assert(entry.index === appliedIndex + 1, "entries are applied in order, each once");
    const batch = proposed.get(entry.index);
    proposed.delete(entry.index);
    const commands =
      batch === undefined
        ? decodeEntry(entry.index, entry.data)
        : batch.map(({ command }) => command);
    const { replies, events } = applyEntry(ledger, commands);
    appliedIndex = entry.index;
    loggedBytes += entry.data.length;
    options.probe?.("afterApply");
    batch?.forEach(({ settle }, place) => {
      const reply = replies[place];
      if (reply !== undefined) settle(reply); // D2
    });
    options.probe?.("afterReply");
    if (events.length > 0) options.onEvents(events);
    if (rows.dirtyCount >= CHECKPOINT_ROWS) void startCheckpoint();
  }

  /** D5. One at a time: who comes while one runs waits for it, and then for what came since. */
  async function checkpoint(): Promise<void> {
    if (checkpointing !== undefined) await checkpointing;
    await startCheckpoint();
  }

  function startCheckpoint(): Promise<void> {
    checkpointing ??= writeCheckpoint().finally(() => {
      checkpointing = undefined;
    });
    return checkpointing;
  }

  let unstored:
    | { changes: ReturnType<typeof rows.takeBatch>; mark: { index: number; position: number } }
    | undefined;
  async function writeCheckpoint(): Promise<void> {
    if (unstored === undefined) {
      if (rows.dirtyCount === 0) return;
      unstored = {
        changes: rows.takeBatch(),
        mark: { index: appliedIndex, position: ledger.position },
      };
    }
    try {
      await storeCheckpoint(ledgerStore, unstored.changes, unstored.mark, clock);
    } catch (error) {
      log.error({ error: toErrorRecord(error) }, "the checkpoint failed; it is tried again");
      return;
    }
    unstored = undefined;
    rows.batchStored();
  }

  /** D7. One at a time; a failure is logged, and tried again after the next checkpoint. */
  function maintain(): Promise<void> {
    if (folder === undefined || !isSnapshotDue()) return maintaining ?? Promise.resolve();
    maintaining ??= takeSnapshot(folder)
      .catch((error: unknown) =>
        log.error({ error: toErrorRecord(error) }, "no snapshot could be taken"),
      )
      .finally(() => {
        maintaining = undefined;
      });
    return maintaining;
  }

  /** Half the size of a snapshot at least: writing them costs at most twice what the log does. */
  function isSnapshotDue(): boolean {
    const { logBytes = SNAPSHOT_LOG_BYTES, logEntries = SNAPSHOT_LOG_ENTRIES } =
      options.snapshots ?? {};
    const newest = snapshots[0];
    const since = appliedIndex - (newest?.index ?? 0);
    return (
      since > 0 &&
      (loggedBytes >= Math.max(logBytes, (newest?.sizeBytes ?? 0) / 2) || since >= logEntries)
    );
  }

  async function takeSnapshot(folder: string): Promise<void> {
    await checkpoint();
    const bytesBefore = loggedBytes;
    const taken = await writeSnapshot(folder, ledgerStore);
    snapshots = await listSnapshots(folder);
    loggedBytes -= bytesBefore;
    const older: Snapshot | undefined = snapshots[1];
    if (older !== undefined) await logStore.trim(older.index);
    const { index, sizeBytes } = taken;
    log.info({ index, sizeBytes, logFrom: logStore.firstIndex }, "took a snapshot");
  }

  function startPump(): void {
    if (isPumping) return;
    pumping = pump().catch((error: unknown) => {
      if (isClosing) return;
      // A bug or an unreadable store: the process must not go on with half a truth.
      queueMicrotask(() => {
        throw error;
      });
    });
  }

  async function keepTime(): Promise<void> {
    let sinceCheckpointMs = 0;
    for (;;) {
      const isLeading = core.status().role === "leader";
      const waitMs = isLeading ? options.checkpointMs : TICK_MS;
      await clock.sleep(waitMs, stopped.signal);
      sinceCheckpointMs += waitMs;
      core.step({ type: "tick" });
      startPump();
      if (sinceCheckpointMs < options.checkpointMs) continue;
      sinceCheckpointMs = 0;
      await checkpoint();
      await maintain();
    }
  }
  keepTime().catch(() => {}); // ends only by `stopped`

  return {
    ledger,
    propose(command, signal) {
      if (isClosing) return Promise.reject(new GantryError("stopping", "The hub is stopping"));
      if (core.status().role !== "leader") {
        return Promise.reject(
          new GantryError("no_leader", "This hub is not leading yet", {
            details: { retryAfterS: 1 },
          }),
        );
      }
      if (waiting.length >= LIMIT.proposalsWaiting.max) {
        return Promise.reject(
          new GantryError("busy", "Too many changes are waiting for the disk", {
            details: { retryAfterS: 1 },
          }),
        ); // D3
      }
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const settle = (result: Reply | GantryError): void =>
          result instanceof GantryError ? reject(result) : resolve(result);
        waiting.push({ command, encoded: JSON.stringify(command), settle });
        startPump();
      });
    },
    barrier(signal) {
      if (isClosing) return Promise.reject(new GantryError("stopping", "The hub is stopping"));
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const id = nextRead;
        nextRead += 1;
        const onAbort = (): void => {
          reads.delete(id);
          reject(reasonOf(signal));
        };
        signal.addEventListener("abort", onAbort, { once: true });
        reads.set(id, {
          resolve() {
            signal.removeEventListener("abort", onAbort);
            resolve();
          },
          reject,
        });
        core.step({ type: "read", id });
        startPump();
      });
    },
    status: () => ({ ...core.status(), appliedIndex, isDiskFull }),
    checkpoint,
    maintain,
    async close() {
      isClosing = true;
      await pumping; // a disk that stays full ends it with the next failed write
      stopped.abort();
      for (const { reject } of reads.values()) {
        reject(new GantryError("stopping", "The hub is stopping"));
      }
      reads.clear();
      await maintaining;
      await checkpoint();
    },
  };
}
