// The replica: drives the consensus core, the log store, the links to other hubs and the ledger. The
// only place where a command becomes a fact.
//
//   propose -> waiting -> [batch] core -> other hubs
//                                     -> disk queue (sync) -> core -> apply -> reply
//
// D1. Group commit without a timer: while one batch is on its way, the next one gathers. At low
//     load a batch is one command and costs one sync.
// D2. A reply is given only after the entry with its command is committed and applied here.
// D3. Proposals that wait are bounded; over the bound they are refused with `busy`.
// D4. When the disk is full, proposals fail with `disk_full` and nothing is half done: the write is
//     tried again until it succeeds, and the rest of the hub stays up. A leader of several hubs
//     commits with the disks of the others meanwhile.
// D5. Checkpoints and snapshots run beside all this and never hold up a commit.
// D6. Messages to other hubs never wait for our own disk; answers that promise something do.
// D7. The log is trimmed only behind the older of two snapshots (upkeep.ts).
// D8. A leader whose own write takes longer than an election hands over to a hub with a faster disk.
// D9. While a snapshot takes the place of the log, the core hears and is asked nothing: what is lost
//     meanwhile is what a network may lose at any time.

import { assert } from "@gantry/shared/base/assert.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, Reply } from "@gantry/shared/contract/commands.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { changeMembership, decodeChange } from "../consensus/membership.ts";
import { makeRaft } from "../consensus/raft.ts";
import type {
  Entry,
  HubId,
  Input,
  MakeCore,
  Membership,
  MembershipChange,
  Message,
  Ready,
  Status,
} from "../consensus/types.ts";
import { applyEntry, type Ledger } from "../ledger/apply.ts";
import type { LogStore, OrderedStore, PeerLink } from "../ports.ts";
import { type CapturedState, makeCaptures } from "./capture.ts";
import { makeDiskQueue } from "./disk-queue.ts";
import { decodeEntry, encodeEntry } from "./entry-codec.ts";
import { HalfInstalled, installSnapshot } from "./install.ts";
import { type AppliedMark, loadLedger } from "./ledger-store.ts";
import { makeProposals } from "./proposals.ts";
import { makeReads } from "./reads.ts";
import { recoverLedger } from "./recover.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { makeUpkeep } from "./upkeep.ts";

const TICK_MS = 10;
const CHECKPOINT_ROWS = 4_000; // dirty rows that bring a checkpoint forward
const APPLY_SLICE_MS = 2;
const HAND_OVER_PAUSE_TICKS = 500;

/** In ticks of 10 ms. */
export interface RaftTiming {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
}
export const FAST_TIMING: RaftTiming = { electionTicks: 25, heartbeatTicks: 5 };
export const SLOW_TIMING: RaftTiming = { electionTicks: 100, heartbeatTicks: 10 };

export interface ReplicaOptions {
  readonly hubId: HubId;
  readonly logStore: LogStore;
  readonly ledgerStore: OrderedStore;
  readonly clock: Clock;
  /** Uniform in [0, 1), for election clocks. */
  readonly random: () => number;
  readonly log: Logger;
  /** Between checkpoints. */
  readonly checkpointMs: number;
  /** Events of one entry, in order, after it was applied. Must not throw. */
  readonly onEvents: (events: readonly LedgerEvent[]) => void;
  /** This hub leads and shows every fact of earlier terms, or leads no more. Must not throw. */
  readonly onReign?: (reign: Reign | undefined) => void;
  /** Another hub leads, or none. Must not throw. */
  readonly onLeader?: (leader: HubId | null) => void;
  /** The log cannot be written (it is tried again), or (undefined) it can be again. */
  readonly onDiskFault?: (fault: GantryError | undefined) => void;
  /** A synced write took this long, ms. */
  readonly onSync?: (tookMs: number) => void;
  /** The membership in force has changed, or is known at start. Must not throw. */
  readonly onMembership?: (membership: Membership) => void;
  /** The rows were replaced by a snapshot: what was derived from events must be made anew. */
  readonly onInstalled?: () => void;
  /** To the other hubs; without it this hub is alone. */
  readonly peers?: Pick<PeerLink, "send" | "fetch">;
  readonly timing?: RaftTiming;
  /** Votes and keeps the log; has no rows and serves nothing. */
  readonly isWitness?: boolean;
  readonly witnesses?: ReadonlySet<HubId>;
  /** The membership before the first entry; what the log store found where left out. */
  readonly founding?: Membership;
  /** Where snapshots are; without, the log is never trimmed. */
  readonly snapshots?: {
    readonly store: SnapshotStore;
    /** Log after which a snapshot is taken; 64 MiB and 50,000 entries where left out. */
    readonly logBytes?: number;
    readonly logEntries?: number;
    readonly keptEntries?: number;
  };
  /** Why a command is not taken now, e.g. a disk that is nearly full. */
  readonly refusal?: (command: Command) => GantryError | undefined;
  /** For tests: called at named steps, to cut the power there. */
  readonly probe?: (step: ReplicaStep) => void;
  /** For the simulator: tiny bounds, planted bugs. */
  readonly makeCore?: MakeCore;
  readonly bounds?: Partial<CoreBounds>;
}

interface CoreBounds {
  readonly uncommittedBytesMax: number;
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
  readonly messageBytesMax: number;
}

const BOUNDS: CoreBounds = {
  uncommittedBytesMax: 64 * 1_048_576,
  inflightMax: 256,
  inflightBytesMax: 16 * 1_048_576,
  messageBytesMax: 1_048_576,
};

export interface Reign {
  readonly term: number;
  /** Aborts when this hub leads no more. */
  readonly signal: AbortSignal;
}

export type ReplicaStep = "beforeStore" | "afterStore" | "afterApply" | "afterReply";

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

const noLeader = (leader: HubId | null): GantryError =>
  new GantryError("no_leader", leader === null ? "No hub leads now" : `${leader} leads`, {
    details: { retryAfterS: 1, ...(leader === null ? {} : { leader }) },
  });

export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { hubId, logStore, ledgerStore, clock, log, peers } = options;
  const { isWitness = false, timing = FAST_TIMING } = options;
  if (!isWitness) await recoverLedger(logStore, ledgerStore, options.snapshots?.store, log);
  const { rows, applied } = await loadLedger(ledgerStore);
  const ledger: Ledger = { rows, position: applied.position };
  let appliedIndex = isWitness ? logStore.log.offset.index : applied.index;
  const { damage } = logStore;
  const isAlone = isOnlyVoter(logStore.restored.membership, hubId);
  if (damage !== undefined && isAlone) throw new GantryError("data_damaged", damage);
  if (damage !== undefined) log.error({ damage }, "the log is damaged: this hub does not vote");

  const core = (options.makeCore ?? makeRaft)(
    {
      id: hubId,
      electionTicks: timing.electionTicks,
      heartbeatTicks: timing.heartbeatTicks,
      random: options.random,
      isWitness,
      isNewsLazy: true,
      ...(options.witnesses === undefined ? {} : { witnesses: options.witnesses }),
      get isBarred() {
        return logStore.damage !== undefined; // until it has healed
      },
      ...BOUNDS,
      ...options.bounds,
    },
    { ...logStore.restored, appliedIndex },
    logStore.log,
  );
  let status = core.status();
  let toldMembershipIndex = -1;
  let toldLeader: HubId | null = null;
  let heardMs = clock.monotonic(); // of the leader, for the age of local reads
  const stopped = new AbortController();
  const proposals = makeProposals();
  const reads = makeReads((id) => step({ type: "read", id }));
  const disk = makeDiskQueue({
    logStore,
    clock,
    signal: stopped.signal,
    onFault: onDiskFault,
    onSync: options.onSync,
  });
  const captures = makeCaptures({
    rows,
    ledgerStore,
    clock,
    now: () => ({ index: appliedIndex, position: ledger.position }),
  });
  let appliedTerm = applied.term ?? 0;
  /** In force at `appliedIndex`. */
  let shown = membershipOf(applied) ?? {
    membership: options.founding ?? logStore.restored.membership,
    membershipIndex: 0,
  };
  let toApply: Entry[] = [];
  let isApplying = false;
  let reign: AbortController | undefined;
  let changes: { readonly index: number; settle: (error?: GantryError) => void }[] = [];
  let handOverTicks = 0;
  let readTicks = 0;
  let isTurning = false;
  let lastBatchSize = 0;
  let isClosing = false;
  let isInstalling = false;
  let isSwapping = false; // the log is being replaced: the core must not look (D9)
  let onDisk = {
    term: logStore.restored.hardState.term,
    index: logStore.restored.lastIndex,
    lastTerm: logStore.restored.lastTerm,
  };
  let keptSnapshot: Extract<Input, { type: "snapshotKept" }> | undefined;

  const upkeep = await makeUpkeep({
    rows,
    ledgerStore,
    logStore,
    snapshots: options.snapshots?.store,
    clock,
    log,
    applied: () => ({
      index: appliedIndex,
      term: logStore.log.termAt(appliedIndex) ?? appliedTerm,
      position: ledger.position,
      ...shown, // the core may be ahead: it changes when a change is committed, not applied
    }),
    neededFrom,
    onSnapshot({ index, term, membership }) {
      if (term === undefined || membership === undefined) return;
      keptSnapshot = { type: "snapshotKept", index, indexTerm: term, membership };
      if (!isSwapping) core.step(keptSnapshot);
    },
    ...options.snapshots,
  });

  // ── one turn: all inputs are in, now do what they ask for ─────────────────────────────────────

  function step(input: Input): ReturnType<typeof core.step> {
    if (isSwapping) return "refused";
    const outcome = core.step(input);
    startTurn();
    return outcome;
  }

  function startTurn(): void {
    if (isTurning) return;
    isTurning = true;
    queueMicrotask(turn);
  }

  function turn(): void {
    isTurning = false;
    if (stopped.signal.aborted || isSwapping) return;
    for (;;) {
      status = core.status();
      proposeBatch();
      const ready = core.ready();
      if (ready === undefined) break;
      status = core.status();
      handle(ready);
    }
    afterTurn();
  }

  /**
   * Takes what waits into one entry (D1). While one is on its way another leaves only if our disk is
   * idle and it is no smaller: an entry costs every hub the same, however much is in it.
   */
  function proposeBatch(): void {
    if (proposals.waiting === 0 || status.role !== "leader") return;
    const isUnderWay = proposals.lastIndex > status.commitIndex;
    if (isUnderWay && (!disk.isIdle || proposals.waiting < lastBatchSize)) return;
    const batch = proposals.nextBatch();
    const data = encodeEntry(batch.map(({ encoded }) => encoded));
    if (core.step({ type: "propose", data }) !== "taken") return; // at its bound, or handing over
    status = core.status();
    proposals.sent(batch, status.lastIndex, status.term);
    lastBatchSize = batch.length;
  }

  function handle(ready: Ready): void {
    if (ready.messages.length > 0) send(ready.messages); // D6
    if (ready.write !== undefined) store(ready.write);
    if (ready.committed.length > 0) toApply.push(...ready.committed);
    applySlice();
    for (const { id, index } of ready.reads) reads.confirmed(id, index);
    reads.applied(appliedIndex);
    if (ready.install !== undefined) install(ready.install).catch(crash);
  }

  function send(messages: readonly Message[]): void {
    const lost = peers === undefined ? [] : peers.send(messages);
    for (const hub of lost) step({ type: "unreachable", hub });
  }

  function store({ hardState, entries, after, isSync }: NonNullable<Ready["write"]>): void {
    options.probe?.("beforeStore");
    const tail = entries.at(-1);
    disk.push({
      hardState,
      entries,
      isSync,
      done() {
        options.probe?.("afterStore");
        if (after.length > 0) send(after);
        onDisk = {
          term: hardState?.term ?? onDisk.term,
          index: tail?.index ?? onDisk.index,
          lastTerm: tail?.term ?? onDisk.lastTerm,
        };
        step({ type: "stored", ...onDisk });
      },
    });
  }

  // ── applying ──────────────────────────────────────────────────────────────────────────────────

  /** A batch at once; more than that gives way to other work every APPLY_SLICE_MS. */
  function applySlice(): void {
    if (isApplying || isInstalling || toApply.length === 0) return;
    const endMs = clock.monotonic() + APPLY_SLICE_MS;
    let count = 0;
    for (const entry of toApply) {
      applyCommitted(entry);
      captures.applied();
      count += 1;
      if (entry.kind === "commands" && clock.monotonic() >= endMs) break;
    }
    toApply = count === toApply.length ? [] : toApply.slice(count);
    if (toApply.length === 0) return;
    isApplying = true;
    setImmediate(() => {
      isApplying = false;
      startTurn();
    });
  }

  function applyCommitted(entry: Entry): void {
    assert(entry.index === appliedIndex + 1, "entries are applied in order, each once");
    const batch = proposals.committed(entry);
    appliedIndex = entry.index;
    appliedTerm = entry.term;
    upkeep.logged(entry.data.length);
    if (entry.kind === "membership" && !isWitness) {
      const { membership } = shown;
      const outcome = changeMembership(membership, decodeChange(entry.data));
      assert(outcome.kind === "changed", "what the core committed is a change");
      shown = { membership: outcome.membership, membershipIndex: entry.index };
    }
    if (entry.kind === "membership" || isWitness) return settleChanges();
    const commands =
      batch === undefined
        ? decodeEntry(entry.index, entry.data)
        : batch.map(({ command }) => command);
    const { replies, events } = applyEntry(ledger, commands);
    options.probe?.("afterApply");
    batch?.forEach(({ settle }, place) => {
      const reply = replies[place];
      if (reply !== undefined) settle(reply); // D2
    });
    options.probe?.("afterReply");
    if (events.length > 0) options.onEvents(events);
    if (rows.dirtyCount >= CHECKPOINT_ROWS && !isInstalling) void upkeep.startCheckpoint();
  }

  function settleChanges(): void {
    const isJoint = (isWitness ? status : shown).membership.outgoing.length > 0;
    if (isJoint) return; // done when the joint configuration is left
    const done = changes.filter(({ index }) => index <= appliedIndex);
    changes = changes.filter(({ index }) => index > appliedIndex);
    for (const { settle } of done) settle();
  }

  // ── what follows from a turn ──────────────────────────────────────────────────────────────────

  function afterTurn(): void {
    applySlice();
    reads.applied(appliedIndex);
    tellMembership();
    tellReign();
    tellLeader();
    if (status.role !== "leader" && proposals.waiting > 0)
      proposals.failWaiting(noLeader(status.leader));
    if (status.role !== "leader" && changes.length > 0) failChanges(noLeader(status.leader));
  }

  function tellMembership(): void {
    if (status.membershipIndex === toldMembershipIndex) return;
    toldMembershipIndex = status.membershipIndex;
    logStore.setMembership(status.membership, status.membershipIndex);
    options.onMembership?.(status.membership);
  }

  function tellLeader(): void {
    if (status.leader === toldLeader) return;
    toldLeader = status.leader;
    if (toldLeader !== null) reads.ask();
    options.onLeader?.(toldLeader);
  }

  function tellReign(): void {
    const isLeading = status.role === "leader" && status.isReadable && !isWitness;
    if (isLeading && reign === undefined && appliedIndex >= status.commitIndex) {
      reign = new AbortController();
      log.info({ term: status.term }, "this hub leads");
      options.onReign?.({ term: status.term, signal: reign.signal });
    } else if (!isLeading && reign !== undefined) {
      const ended = reign;
      reign = undefined;
      log.warn({ term: status.term, leader: status.leader }, "this hub leads no more");
      ended.abort(noLeader(status.leader));
      options.onReign?.(undefined);
    }
  }

  function failChanges(fault: GantryError): void {
    const failed = changes;
    changes = [];
    for (const { settle } of failed) settle(fault);
  }

  function onDiskFault(fault: GantryError | undefined, isNews: boolean): void {
    if (isNews) options.onDiskFault?.(fault);
    if (fault === undefined) return log.info({}, "the disk takes writes again");
    if (isNews)
      log.error({ code: fault.code, message: fault.message }, "the log cannot be written");
    if (status.membership.voters.length === 1) proposals.failAll(fault); // D4
    return undefined;
  }

  /** The lowest index that every other hub in touch has. */
  function neededFrom(): number {
    let lowest = appliedIndex;
    if (status.role !== "leader") return lowest;
    for (const { match, isActive } of status.progress.values()) {
      if (isActive) lowest = Math.min(lowest, match);
    }
    return lowest;
  }

  async function install(offer: NonNullable<Ready["install"]>): Promise<void> {
    if (isInstalling || peers === undefined) return;
    isInstalling = true;
    const installed = await installSnapshot({
      offer,
      isWitness,
      peers,
      logStore,
      ledgerStore,
      ledger,
      disk,
      upkeep,
      snapshots: options.snapshots?.store,
      clock,
      signal: stopped.signal,
      onSwap() {
        isSwapping = true;
      },
    }).catch((error: unknown) => {
      if (error instanceof HalfInstalled && !stopped.signal.aborted) throw error.cause; // IN4
      if (!stopped.signal.aborted)
        log.warn({ error: toErrorRecord(error), from: offer.from }, "no snapshot installed");
      return undefined;
    });
    isInstalling = false;
    isSwapping = false;
    const { index, indexTerm, from } = offer;
    const isDone = installed !== undefined;
    if (isDone) {
      shown = membershipOf(installed) ?? shown;
      toApply = toApply.filter((entry) => entry.index > index);
      appliedIndex = index;
      appliedTerm = indexTerm;
      onDisk = { ...onDisk, index, lastTerm: indexTerm };
      proposals.installed(index);
      log.info({ index, from }, "installed a snapshot");
      options.onInstalled?.();
    }
    step({ type: "installed", index, isDone });
    if (isDone && keptSnapshot !== undefined) step(keptSnapshot);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────

  async function keepTime(): Promise<void> {
    let sinceCheckpointMs = 0;
    let lastMs = clock.monotonic();
    let dueMs = lastMs;
    for (;;) {
      const isLone = status.role === "leader" && status.progress.size === 0;
      // Timers are late, under load by several ms: a tick that was is followed by a shorter one. Without
      // this no leader that fell silent was replaced within 424 ms on a busy machine, 25 ticks or not.
      dueMs += TICK_MS;
      const dueInMs = Math.max(1, dueMs - lastMs);
      await clock.sleep(isLone ? options.checkpointMs : dueInMs, stopped.signal);
      const nowMs = clock.monotonic();
      if (nowMs - dueMs >= TICK_MS) dueMs = nowMs; // V5 of election.ts: what was missed is not caught up
      const lateTicks = isLone ? 0 : Math.max(0, Math.floor((nowMs - lastMs) / TICK_MS) - 1);
      sinceCheckpointMs += nowMs - lastMs;
      lastMs = nowMs;
      step({ type: "tick", lateTicks });
      leaveSlowDisk();
      readTicks = (readTicks + 1) % timing.electionTicks;
      if (readTicks === 0) reads.askAgain();
      if (sinceCheckpointMs < options.checkpointMs || isInstalling) continue; // IN3 of install.ts
      sinceCheckpointMs = 0;
      void upkeep.checkpoint().then(() => upkeep.maintain());
    }
  }

  /** D8. */
  function leaveSlowDisk(): void {
    handOverTicks = Math.max(0, handOverTicks - 1);
    if (status.role !== "leader" || status.progress.size === 0 || handOverTicks > 0) return;
    const { busySinceMs } = disk;
    if (busySinceMs === undefined) return;
    const ageMs = clock.monotonic() - busySinceMs;
    if (ageMs < timing.electionTicks * TICK_MS) return;
    const to = furthest();
    if (to === undefined) return;
    handOverTicks = HAND_OVER_PAUSE_TICKS;
    log.warn({ to, ageMs: Math.round(ageMs) }, "our disk is slow: handing over");
    step({ type: "transfer", to });
  }

  /**
   * The voter that has most of the log, of those in touch; never a witness. `isActive` is false for all
   * of them between a check of the quorum and the next heartbeat: then the one with most of the log.
   */
  function furthest(): HubId | undefined {
    const { voters } = status.membership;
    const able = [...status.progress].filter(
      ([hub]) => voters.includes(hub) && options.witnesses?.has(hub) !== true,
    );
    const inTouch = able.filter(([, { isActive }]) => isActive);
    const among = inTouch.length > 0 ? inTouch : able;
    return among.toSorted(([, a], [, b]) => b.match - a.match)[0]?.[0];
  }

  keepTime().catch((error: unknown) => {
    if (!stopped.signal.aborted) crash(error);
  });
  tellMembership();
  if (isAlone) {
    // Nobody else could lead: there is no silence to wait for.
    for (let tick = 0; tick < 2 * timing.electionTicks; tick += 1) core.step({ type: "tick" });
  }
  startTurn();

  async function until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isDone()) await clock.sleep(1, signal);
  }

  return {
    ledger,
    propose(command, signal) {
      if (isClosing) return Promise.reject(stopping());
      if (status.role !== "leader") return Promise.reject(noLeader(status.leader));
      const refusal = options.refusal?.(command);
      if (refusal !== undefined) return Promise.reject(refusal);
      if (proposals.waiting >= LIMIT.proposalsWaiting.max) return Promise.reject(tooMany()); // D3
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const settle = (result: Reply | GantryError): void =>
          result instanceof GantryError ? reject(result) : resolve(result);
        proposals.add({ command, encoded: JSON.stringify(command), settle });
        startTurn();
      });
    },
    barrier(signal) {
      if (isClosing) return Promise.reject(stopping());
      return reads.wait(signal);
    },
    receive(messages) {
      if (isSwapping) return; // D9
      for (const message of messages) {
        core.step({ type: "message", message });
        if (message.type === "append" || message.type === "heartbeat") heardMs = clock.monotonic();
      }
      startTurn();
    },
    unreachable: (hub) => void step({ type: "unreachable", hub }),
    change(change, signal) {
      if (status.role !== "leader") return Promise.reject(noLeader(status.leader));
      if (core.step({ type: "change", change }) !== "taken") {
        const message = "The membership is being changed already, or this change is not possible";
        return Promise.reject(new GantryError("conflict", message));
      }
      const { lastIndex } = core.status();
      startTurn();
      return new Promise((resolve, reject) => {
        const settle = (error?: GantryError): void => {
          signal.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        };
        const onAbort = (): void => {
          changes = changes.filter((each) => each !== waiting);
          reject(reasonOf(signal));
        };
        const waiting = { index: lastIndex, settle };
        changes.push(waiting);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    async transfer(to, signal) {
      if (status.role !== "leader") throw noLeader(status.leader);
      const target = to ?? furthest();
      const isVoter = target !== undefined && status.membership.voters.includes(target);
      if (!isVoter) throw new GantryError("conflict", "There is no other hub that could lead");
      if (core.step({ type: "transfer", to: target }) !== "taken")
        throw new GantryError("conflict", `Leadership cannot go to ${target}`);
      startTurn();
      await until(() => isHandedOver(core.status()), signal);
      if (status.role === "leader")
        throw new GantryError("timeout", `${target} did not take over in time`);
      await until(() => status.leader !== null || status.role === "leader", signal);
    },
    status: () => ({
      ...core.status(),
      appliedIndex,
      isDiskFull: disk.isFailing,
      writeAgeMs: disk.busySinceMs === undefined ? 0 : clock.monotonic() - disk.busySinceMs,
      damage: logStore.damage,
      ageMs: status.role === "leader" ? 0 : Math.round(clock.monotonic() - heardMs),
    }),
    stateAt: (index, signal) =>
      isClosing || isInstalling ? Promise.reject(stopping()) : captures.at(index, signal),
    checkpoint: () => (isInstalling ? Promise.resolve() : upkeep.checkpoint()),
    maintain: () => (isInstalling ? Promise.resolve() : upkeep.maintain()),
    async close() {
      isClosing = true;
      const patience = clock.timeout(CLOSE_MS);
      const isDrained = (): boolean =>
        (proposals.waiting === 0 && proposals.lastIndex <= appliedIndex) ||
        status.role !== "leader" ||
        disk.isFailing;
      await until(isDrained, patience).catch(() => {});
      await disk.settled();
      stopped.abort();
      proposals.abandon(stopping());
      reads.failAll(stopping());
      captures.failAll(stopping());
      failChanges(stopping());
      reign?.abort(stopping());
      await upkeep.settled();
      if (!isInstalling) await upkeep.checkpoint();
    },
  };
}

/** A bug or an unreadable store: the process must not go on with half a truth. */
function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

const isHandedOver = ({ role, transferTo }: Status): boolean =>
  role !== "leader" || transferTo === null;

function membershipOf({
  membership,
  membershipIndex,
}: Partial<AppliedMark>): { membership: Membership; membershipIndex: number } | undefined {
  return membership === undefined || membershipIndex === undefined
    ? undefined
    : { membership, membershipIndex };
}

const isOnlyVoter = ({ voters, outgoing }: Membership, hub: HubId): boolean =>
  outgoing.length === 0 && voters.length === 1 && voters[0] === hub;

const CLOSE_MS = 2_000;
const stopping = (): GantryError => new GantryError("stopping", "The hub is stopping");
const tooMany = (): GantryError =>
  new GantryError("busy", "Too many changes are waiting for the disk", {
    details: { retryAfterS: 1 },
  });
