// The replica: drives the consensus core, the log store, the links to other hubs and the ledger. The
// only place where a command becomes a fact.
//
//   propose -> waiting -> driver (D1, D6, D9) -> other hubs, disk queue -> applier (D2) -> reply
//              timekeeper (D5): ticks, checkpoints        hand-over (D8): to a faster disk
//              take-over: the state of another hub        reigns: who leads, told to the hub
//
// D3. Proposals that wait are bounded; over the bound they are refused with `busy`.
// D4. When the disk is full, proposals fail with `disk_full` and nothing is half done: the write is
//     tried again until it succeeds, and the rest of the hub stays up. A leader of several hubs
//     commits with the disks of the others meanwhile.
// D7. The log is trimmed only behind the older of two snapshots (upkeep.ts), and not past what a hub
//     in touch still needs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, Reply } from "@gantry/shared/contract/commands.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { HubId, Membership, MembershipChange, Message, Status } from "../consensus/types.ts";
import type { Ledger } from "../ledger/apply.ts";
import { makeApplier } from "./applier.ts";
import { type CapturedState, makeCaptures } from "./capture.ts";
import { makeChanges } from "./changes.ts";
import { makeDiskQueue } from "./disk-queue.ts";
import { makeDriver } from "./driver.ts";
import { coreOf } from "./core-of.ts";
import { crash, noLeader, stopping, tooLarge, tooMany } from "./faults.ts";
import { makeHandOver } from "./hand-over.ts";
import { loadLedger } from "./ledger-store.ts";
import { FAST_TIMING, type ReplicaOptions } from "./options.ts";
import { makeProposals } from "./proposals.ts";
import { makeReads } from "./reads.ts";
import { recoverLedger } from "./recover.ts";
import { makeReigns } from "./reigns.ts";
import { makeTakeOver } from "./take-over.ts";
import { keepTime } from "./timekeeper.ts";
import { until } from "./until.ts";
import { makeUpkeep } from "./upkeep.ts";

const CLOSE_MS = 2_000;

export interface ReplicaStatus extends Status {
  readonly appliedIndex: number;
  readonly isDiskFull: boolean;
  /** Ms since the oldest write that is not synced began; 0 when none. */
  readonly writeAgeMs: number;
  readonly damage: string | undefined;
  /** How old what a local read shows may be at most: 0 at a leader, else ms since the leader was heard. */
  readonly ageMs: number;
}

export interface Replica {
  readonly ledger: Ledger;
  /**
   * Makes a command a fact and gives the ledger's reply. Rejects with busy, no_leader, stopping (it
   * surely did not become one), or with disk_full, io_error, outcome_unknown (it may have).
   */
  propose(command: Command, signal: AbortSignal): Promise<Reply>;
  /**
   * Resolves when everything committed anywhere at the call has been applied here: a linearizable
   * read may follow (ReadIndex). Waits while no hub leads. Rejects with stopping or the signal's reason.
   */
  barrier(signal: AbortSignal): Promise<void>;
  /** Messages of other hubs, in order. */
  receive(messages: readonly Message[]): void;
  /** The connection to `hub` broke. */
  unreachable(hub: HubId): void;
  /** Leader: changes the membership; resolves when it is committed. Rejects with conflict, no_leader. */
  change(change: MembershipChange, signal: AbortSignal): Promise<void>;
  /** Leader: hands over to `to`, or to the hub that is furthest; resolves when another hub leads. */
  transfer(to: HubId | undefined, signal: AbortSignal): Promise<void>;
  status(): ReplicaStatus;
  /** The rows at exactly entry `index` (capture.ts). Throws gone, stopping, the signal's reason. */
  stateAt(index: number, signal: AbortSignal): Promise<CapturedState>;
  /** Writes every row that had changed at the call. A failure is logged and tried again later. */
  checkpoint(): Promise<void>;
  /** Snapshots the ledger and trims the log when it has grown enough, as it does by itself. */
  maintain(): Promise<void>;
  /** Refuses new proposals, finishes those that wait, writes a checkpoint. */
  close(): Promise<void>;
}

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { hubId, logStore, ledgerStore, clock, log, peers, witnesses, probe } = options;
  const { isWitness = false, timing = FAST_TIMING } = options;
  const { electionTicks } = timing;
  const snapshots = options.snapshots?.store;
  if (!isWitness) await recoverLedger(logStore, ledgerStore, snapshots, log);
  const { rows, applied } = await loadLedger(ledgerStore);
  const ledger: Ledger = { rows, position: applied.position };
  const start = isWitness ? { ...applied, index: logStore.log.offset.index } : applied;
  const { damage } = logStore;
  const isAlone = isOnlyVoter(logStore.restored.membership, hubId);
  if (damage !== undefined && isAlone) throw new GantryError("data_damaged", damage);
  if (damage !== undefined) log.error({ damage }, "the log is damaged: this hub does not vote");

  const stopped = new AbortController();
  const { signal } = stopped;
  const proposals = makeProposals();
  const changes = makeChanges();
  const reads = makeReads((id) => driver.step({ type: "read", id }));
  const { onSync } = options;
  const disk = makeDiskQueue({ logStore, clock, signal, onFault: onDiskFault, onSync });
  const driver = makeDriver({
    core: coreOf(options, start.index),
    restored: logStore.restored,
    proposals,
    reads,
    disk,
    logStore,
    ledgerStore,
    peers,
    signal,
    probe,
    work: {
      apply(committed) {
        applier.apply(committed);
        return applier.index;
      },
      install: (offer) => takeOver.start(offer),
      afterTurn,
    },
  });
  const captures = makeCaptures({
    rows,
    ledgerStore,
    clock,
    now: () => ({ index: applier.index, position: ledger.position }),
  });
  const upkeep = await makeUpkeep({
    rows,
    ledgerStore,
    logStore,
    clock,
    log,
    applied: () => applier.mark(),
    neededFrom: () => lowestMatch(driver.status, applier.index), // D7
    onSnapshot({ index, term, membership }) {
      if (term === undefined || membership === undefined) return;
      driver.snapshotKept({ type: "snapshotKept", index, indexTerm: term, membership });
    },
    onCheckpoint: () => driver.wake(),
    snapshots,
    ...options.snapshots,
  });
  const applier = makeApplier({
    ledger,
    start,
    founding: options.founding ?? logStore.restored.membership,
    isWitness,
    logStore,
    status: () => driver.status,
    proposals,
    changes,
    captures,
    upkeep,
    clock,
    isHeld: () => takeOver.isUnderWay,
    wake: () => driver.wake(),
    onEvents: options.onEvents,
    probe,
  });
  const takeOver = makeTakeOver({
    isWitness,
    peers,
    logStore,
    ledgerStore,
    ledger,
    disk,
    upkeep,
    snapshots,
    clock,
    signal,
    driver,
    applier,
    proposals,
    log,
    onInstalled: options.onInstalled,
  });
  const reigns = makeReigns({ ...options, reads, isWitness });
  const handOver = makeHandOver({ driver, disk, witnesses, electionTicks, clock, log });
  const isInstalling = (): boolean => takeOver.isUnderWay;
  const { checkpointMs } = options;
  let heardMs = clock.monotonic(); // of the leader, for the age of local reads
  let isClosing = false;

  function afterTurn(status: Status): void {
    applier.apply([]);
    reads.applied(applier.index);
    reigns.tell(status, applier.index);
    if (status.role === "leader") return;
    if (proposals.waiting > 0) proposals.failWaiting(noLeader(status.leader));
    if (changes.waiting > 0) changes.fail(noLeader(status.leader));
  }

  function onDiskFault(fault: GantryError | undefined, isNews: boolean): void {
    if (isNews) options.onDiskFault?.(fault);
    if (fault === undefined) return log.info({}, "the disk takes writes again");
    if (isNews)
      log.error({ code: fault.code, message: fault.message }, "the log cannot be written");
    if (driver.status.membership.voters.length === 1) proposals.failAll(fault); // D4
    return undefined;
  }

  keepTime(
    { driver, handOver, reads, upkeep, isInstalling, checkpointMs, electionTicks, clock },
    signal,
  ).catch((error: unknown) => {
    if (!signal.aborted) crash(error);
  });
  reigns.tellMembership(driver.status);
  if (isAlone) {
    // Nobody else could lead: there is no silence to wait for.
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) driver.step({ type: "tick" });
  }
  driver.wake();

  return {
    ledger,
    propose(command, asked) {
      const { status } = driver;
      if (isClosing) return Promise.reject(stopping());
      if (status.role !== "leader") return Promise.reject(noLeader(status.leader));
      const refusal = options.refusal?.(command);
      if (refusal !== undefined) return Promise.reject(refusal);
      if (proposals.waiting >= LIMIT.proposalsWaiting.max) return Promise.reject(tooMany()); // D3
      if (asked.aborted) return Promise.reject(reasonOf(asked));
      const encoded = JSON.stringify(command);
      const sizeBytes = Buffer.byteLength(encoded);
      if (sizeBytes > LIMIT.commandBytes.max) return Promise.reject(tooLarge(sizeBytes)); // PP5
      return new Promise((resolve, reject) => {
        const settle = (result: Reply | GantryError): void =>
          result instanceof GantryError ? reject(result) : resolve(result);
        proposals.add({ command, encoded, sizeBytes, settle });
        driver.wake();
      });
    },
    barrier: (asked) => (isClosing ? Promise.reject(stopping()) : reads.wait(asked)),
    receive(messages) {
      if (driver.isHeld) return; // D9 of driver.ts
      for (const message of messages) {
        driver.step({ type: "message", message });
        if (message.type === "append" || message.type === "heartbeat") heardMs = clock.monotonic();
      }
    },
    unreachable: (hub) => void driver.step({ type: "unreachable", hub }),
    change(change, asked) {
      const { status } = driver;
      if (status.role !== "leader") return Promise.reject(noLeader(status.leader));
      if (driver.step({ type: "change", change }) !== "taken") {
        const message = "The membership is being changed already, or this change is not possible";
        return Promise.reject(new GantryError("conflict", message));
      }
      return changes.wait(driver.statusNow().lastIndex, asked);
    },
    transfer: (to, asked) => handOver.transfer(to, asked),
    status: () => ({
      ...driver.statusNow(),
      appliedIndex: applier.index,
      isDiskFull: disk.isFailing,
      writeAgeMs: disk.busySinceMs === undefined ? 0 : clock.monotonic() - disk.busySinceMs,
      damage: logStore.damage,
      ageMs: driver.status.role === "leader" ? 0 : Math.round(clock.monotonic() - heardMs),
    }),
    stateAt: (index, asked) =>
      isClosing || isInstalling() ? Promise.reject(stopping()) : captures.at(index, asked),
    checkpoint: () => (isInstalling() ? Promise.resolve() : upkeep.checkpoint()),
    maintain: () => (isInstalling() ? Promise.resolve() : upkeep.maintain()),
    async close() {
      isClosing = true;
      const patience = clock.timeout(CLOSE_MS);
      const isDrained = (): boolean =>
        (proposals.waiting === 0 && proposals.lastIndex <= applier.index) ||
        driver.status.role !== "leader" ||
        disk.isFailing;
      await until(isDrained, clock, patience).catch(() => {});
      await disk.settled();
      stopped.abort();
      proposals.abandon(stopping());
      reads.failAll(stopping());
      captures.failAll(stopping());
      changes.fail(stopping());
      reigns.stop(stopping());
      await upkeep.settled();
      if (!isInstalling()) await upkeep.checkpoint();
    },
  };
}

/** The lowest index that every other hub in touch has. */
function lowestMatch({ role, progress }: Status, appliedIndex: number): number {
  if (role !== "leader") return appliedIndex;
  const inTouch = [...progress.values()].filter(({ isActive }) => isActive);
  return Math.min(appliedIndex, ...inTouch.map(({ match }) => match));
}

const isOnlyVoter = ({ voters, outgoing }: Membership, hub: HubId): boolean =>
  outgoing.length === 0 && voters.length === 1 && voters[0] === hub;
