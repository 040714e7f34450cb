// Drives the consensus core: hears what comes in, and in one turn does all that it asks for.
//
//   proposals -> [batch] core -> other hubs
//                             -> disk queue (sync) -> core -> applier
//
// D1. Group commit without a timer: while one batch is on its way, the next one gathers. At low
//     load a batch is one command and costs one sync.
// D6. Messages to other hubs never wait for our own disk; answers that promise something do.
// D9. While a snapshot takes the place of the log, or the log is opened anew, the core hears and is
//     asked nothing: what is lost meanwhile is what a network may lose at any time.
// D10. While the rows are opened anew nothing is done: what the fold would read is not there. Who has
//      them written wakes the driver again.

import type {
  Core,
  Entry,
  Input,
  Message,
  Ready,
  Restored,
  Status,
  StepOutcome,
} from "../consensus/types.ts";
import type { PeerLink } from "../ports.ts";
import type { DiskQueue } from "./disk-queue.ts";
import { encodeEntry } from "./entry-codec.ts";
import type { ReplicaStep } from "./options.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";

export type Offer = NonNullable<Ready["install"]>;
type KeptSnapshot = Extract<Input, { type: "snapshotKept" }>;

export interface DriverParts {
  readonly core: Core;
  /** What the core began with. */
  readonly restored: Restored;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly disk: DiskQueue;
  readonly logStore: { readonly isReopening: boolean };
  readonly ledgerStore: { readonly isReopening: boolean };
  readonly peers: Pick<PeerLink, "send"> | undefined;
  /** What the replica does in a turn besides; nothing of it is asked before the first turn. */
  readonly work: {
    /** Applies what it can now, and gives the last index applied. */
    readonly apply: (committed: readonly Entry[]) => number;
    readonly install: (offer: Offer) => void;
    /** The core asks for nothing more. */
    readonly afterTurn: (status: Status) => void;
  };
  readonly signal: AbortSignal;
  readonly probe: ((step: ReplicaStep) => void) | undefined;
}

export interface Driver {
  /** As the last turn saw it: what the rest of the replica was told of. */
  readonly status: Status;
  /** As the core has it at this moment. */
  statusNow(): Status;
  /** Tells the core, and does what it then asks for in the next turn. Refused meanwhile (D9). */
  step(input: Input): StepOutcome;
  /** There is something to do. */
  wake(): void;
  snapshotKept(snapshot: KeptSnapshot): void;
  readonly isHeld: boolean;
  /** D9: until `resume`. */
  hold(): void;
  resume(): void;
  /** What was offered is in place, or is not. */
  installed(offer: Offer, isDone: boolean): void;
}

export function makeDriver(parts: DriverParts): Driver {
  const { core, restored, proposals, reads, disk, peers, work, signal, probe } = parts;
  const { logStore, ledgerStore } = parts;
  let status = core.status();
  let onDisk = {
    term: restored.hardState.term,
    index: restored.lastIndex,
    lastTerm: restored.lastTerm,
  };
  let keptSnapshot: KeptSnapshot | undefined;
  let lastBatchSize = 0;
  let isTurning = false;
  let isHeld = false;

  function step(input: Input): StepOutcome {
    if (isHeld || logStore.isReopening) return "refused"; // D9
    const outcome = core.step(input);
    wake();
    return outcome;
  }

  function wake(): void {
    if (isTurning) return;
    isTurning = true;
    queueMicrotask(turn);
  }

  /** All inputs are in: now what they ask for is done. */
  function turn(): void {
    isTurning = false;
    if (signal.aborted || isHeld || logStore.isReopening || ledgerStore.isReopening) return; // D10
    for (;;) {
      status = core.status();
      proposeBatch();
      const ready = core.ready();
      if (ready === undefined) break;
      status = core.status();
      handle(ready);
    }
    work.afterTurn(status);
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
    const appliedIndex = work.apply(ready.committed);
    for (const { id, index } of ready.reads) reads.confirmed(id, index);
    reads.applied(appliedIndex);
    if (ready.install !== undefined) work.install(ready.install);
  }

  function send(messages: readonly Message[]): void {
    const lost = peers === undefined ? [] : peers.send(messages);
    for (const hub of lost) step({ type: "unreachable", hub });
  }

  function store({ hardState, entries, after, isSync }: NonNullable<Ready["write"]>): void {
    probe?.("beforeStore");
    const tail = entries.at(-1);
    disk.push({
      hardState,
      entries,
      isSync,
      done() {
        probe?.("afterStore");
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

  return {
    get status() {
      return status;
    },
    get isHeld() {
      return isHeld;
    },
    statusNow: () => core.status(),
    step,
    wake,
    snapshotKept(snapshot) {
      keptSnapshot = snapshot;
      if (!isHeld) core.step(snapshot); // else it is told by `installed`
    },
    hold() {
      isHeld = true;
    },
    resume() {
      isHeld = false;
    },
    installed({ index, indexTerm }, isDone) {
      if (isDone) onDisk = { ...onDisk, index, lastTerm: indexTerm };
      step({ type: "installed", index, isDone });
      if (isDone && keptSnapshot !== undefined) step(keptSnapshot);
    },
  };
}
