// Makes committed entries facts: folds them into the ledger, in order, each once, and says what came
// of them. Owns how far that has come.
//
// D2. A reply is given only after the entry with its command is committed and applied here.

import { assert } from "@gantry/shared/base/assert.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { changeMembership, decodeChange } from "../consensus/membership.ts";
import type { Entry, Membership, Status } from "../consensus/types.ts";
import { applyEntry, type Ledger } from "../ledger/apply.ts";
import type { LogStore } from "../ports.ts";
import type { Captures } from "./capture.ts";
import type { Changes } from "./changes.ts";
import { decodeEntry } from "./entry-codec.ts";
import type { AppliedMark } from "./ledger-store.ts";
import type { ReplicaStep } from "./options.ts";
import type { Proposals } from "./proposals.ts";
import type { Upkeep } from "./upkeep.ts";

const APPLY_SLICE_MS = 2;
const CHECKPOINT_ROWS = 16_000; // dirty rows that bring a checkpoint forward

export interface ApplierParts {
  readonly ledger: Ledger;
  /** What the ledger shows; of a witness, which has none, what its log begins after. */
  readonly start: AppliedMark;
  /** In force where the mark does not say. */
  readonly founding: Membership;
  readonly isWitness: boolean;
  readonly logStore: Pick<LogStore, "log">;
  readonly status: () => Status;
  readonly proposals: Proposals;
  readonly changes: Changes;
  readonly captures: Captures;
  readonly upkeep: Upkeep;
  readonly clock: Clock;
  /** The rows are about to be replaced: nothing is applied meanwhile. */
  readonly isHeld: () => boolean;
  /** There is more to apply. */
  readonly wake: () => void;
  readonly onEvents: (events: readonly LedgerEvent[]) => void;
  readonly probe: ((step: ReplicaStep) => void) | undefined;
}

export interface Applier {
  /** Of the last entry applied. */
  readonly index: number;
  /** What the rows show now. */
  mark(): AppliedMark;
  /** A batch at once; more than that gives way to other work every APPLY_SLICE_MS, and then wakes. */
  apply(committed: readonly Entry[]): void;
  /** The rows are those of a snapshot now. */
  installed(
    at: { readonly index: number; readonly term: number },
    mark: Partial<AppliedMark>,
  ): void;
}

export function makeApplier(parts: ApplierParts): Applier {
  const { ledger, isWitness, proposals, changes, captures, upkeep, clock, probe } = parts;
  let { index, term = 0 } = parts.start;
  /** In force at `index`. */
  let shown = membershipOf(parts.start) ?? { membership: parts.founding, membershipIndex: 0 };
  let toApply: Entry[] = [];
  let isWaiting = false; // for its next slice

  function applySlice(): void {
    if (isWaiting || parts.isHeld() || toApply.length === 0) return;
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
    isWaiting = true;
    setImmediate(() => {
      isWaiting = false;
      parts.wake();
    });
  }

  function applyCommitted(entry: Entry): void {
    assert(entry.index === index + 1, "entries are applied in order, each once");
    const batch = proposals.committed(entry);
    index = entry.index;
    term = entry.term;
    upkeep.logged(entry.data.length);
    if (entry.kind === "membership" && !isWitness) show(entry);
    if (entry.kind === "membership" || isWitness) return settleChanges();
    const commands =
      batch === undefined
        ? decodeEntry(entry.index, entry.data)
        : batch.map(({ command }) => command);
    const { replies, events } = applyEntry(ledger, commands);
    probe?.("afterApply");
    batch?.forEach(({ settle }, place) => {
      const reply = replies[place];
      if (reply !== undefined) settle(reply); // D2
    });
    probe?.("afterReply");
    if (events.length > 0) parts.onEvents(events);
    if (ledger.rows.dirtyCount >= CHECKPOINT_ROWS) void upkeep.startCheckpoint();
  }

  function show(entry: Entry): void {
    const outcome = changeMembership(shown.membership, decodeChange(entry.data));
    assert(outcome.kind === "changed", "what the core committed is a change");
    shown = { membership: outcome.membership, membershipIndex: entry.index };
  }

  function settleChanges(): void {
    const { membership } = isWitness ? parts.status() : shown;
    if (membership.outgoing.length === 0) changes.settle(index); // else when that is left
  }

  return {
    get index() {
      return index;
    },
    mark: () => ({
      index,
      term: parts.logStore.log.termAt(index) ?? term,
      position: ledger.position,
      ...shown, // the core may be ahead: it changes when a change is committed, not applied
    }),
    apply(committed) {
      if (committed.length > 0) toApply.push(...committed);
      applySlice();
    },
    installed(at, mark) {
      shown = membershipOf(mark) ?? shown;
      toApply = toApply.filter((entry) => entry.index > at.index);
      ({ index, term } = at);
    },
  };
}

function membershipOf({
  membership,
  membershipIndex,
}: Partial<AppliedMark>): { membership: Membership; membershipIndex: number } | undefined {
  return membership === undefined || membershipIndex === undefined
    ? undefined
    : { membership, membershipIndex };
}
