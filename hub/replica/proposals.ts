// Commands on their way into the log: waiting for a batch, or in an entry that is not yet committed.
//
// PP1. Each command is settled exactly once: with its reply, or with an error.
// PP2. `no_leader` means that it surely did not become a fact; `outcome_unknown` and `disk_full` mean
//      that it may have.
// PP3. When an entry of a later term is committed at an index, what was proposed there, or after it,
//      in an earlier term is surely lost: terms never fall along a log. At that very index all others
//      are lost, of whichever term.
// PP4. A hub that led twice may have proposed two entries for one index, of which neither is committed
//      so far: both are kept until one is.
// PP5. An entry holds LIMIT.batchBytes, or one command that is larger: it always fits into a frame.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Command, Reply } from "@gantry/shared/contract/commands.ts";
import type { Entry } from "../consensus/types.ts";

export interface Proposal {
  readonly command: Command;
  /** The command as JSON: a batch is bounded by bytes as it grows. */
  readonly encoded: string;
  /** Of `encoded` in UTF-8; no more than LIMIT.commandBytes. */
  readonly sizeBytes: number;
  readonly settle: (result: Reply | GantryError) => void;
}

interface Sent {
  readonly term: number;
  readonly batch: readonly Proposal[];
}

export interface Proposals {
  readonly waiting: number;
  /** Index of the last entry that `sent` named; 0 if none is open. */
  readonly lastIndex: number;
  add(proposal: Proposal): void;
  /** What the next entry would hold; it stays until `sent`. */
  nextBatch(): readonly Proposal[];
  sent(batch: readonly Proposal[], index: number, term: number): void;
  /** Our batch, if this committed entry is ours; lost ones are told (PP3). */
  committed(entry: Entry): readonly Proposal[] | undefined;
  failWaiting(fault: GantryError): void;
  /** Everything up to `index` came with a snapshot: nobody here saw the replies. */
  installed(index: number): void;
  failAll(fault: GantryError): void;
  /** This hub stops: what waited was surely not done, what is in the log already may be (PP2). */
  abandon(fault: GantryError): void;
}

export function makeProposals(): Proposals {
  let waiting: Proposal[] = [];
  const open = new Map<number, Sent[]>(); // by index (PP4)
  let lastIndex = 0;

  function settleWhere(isHit: (index: number, sent: Sent) => boolean, fault: GantryError): void {
    for (const [index, all] of open) {
      if (!all.some((sent) => isHit(index, sent))) continue;
      const kept = all.filter((sent) => !isHit(index, sent));
      if (kept.length === 0) open.delete(index);
      else open.set(index, kept);
      for (const sent of all) {
        if (!kept.includes(sent)) for (const { settle } of sent.batch) settle(fault);
      }
    }
  }

  return {
    get waiting() {
      return waiting.length;
    },
    get lastIndex() {
      return open.size === 0 ? 0 : lastIndex;
    },
    add: (proposal) => void waiting.push(proposal),
    nextBatch() {
      let count = 0;
      let batchBytes = 0;
      for (const { sizeBytes } of waiting) {
        batchBytes += sizeBytes;
        const isOver = batchBytes > LIMIT.batchBytes.max && count > 0; // PP5
        if (isOver || count >= LIMIT.batchCommands.max) break;
        count += 1;
      }
      return count === waiting.length ? waiting : waiting.slice(0, count);
    },
    sent(batch, index, term) {
      waiting = batch === waiting ? [] : waiting.slice(batch.length);
      const others = open.get(index);
      if (others === undefined) open.set(index, [{ term, batch }]);
      else others.push({ term, batch });
      lastIndex = index;
    },
    committed({ index, term }) {
      if (open.size === 0) return undefined;
      const sent = open.get(index)?.find((each) => each.term === term);
      // PP3
      const isLost = (at: number, each: Sent): boolean =>
        each !== sent && (at === index || (at > index && each.term < term));
      settleWhere(isLost, LOST);
      if (sent !== undefined) open.delete(index);
      return sent?.batch;
    },
    failWaiting(fault) {
      const failed = waiting;
      waiting = [];
      for (const { settle } of failed) settle(fault);
    },
    installed(index) {
      settleWhere((at) => at <= index, UNKNOWN);
    },
    abandon(fault) {
      settleWhere(() => true, LEFT);
      this.failWaiting(fault);
    },
    failAll(fault) {
      settleWhere(() => true, fault);
      this.failWaiting(fault);
    },
  };
}

const retryAfterS = 1;
const LOST = new GantryError("no_leader", "Another hub leads now; this was surely not done", {
  details: { retryAfterS },
});
const LEFT = new GantryError(
  "outcome_unknown",
  "The hub stops and cannot say what became of it; ask again with the same Idempotency-Key",
  { details: { retryAfterS } },
);
const UNKNOWN = new GantryError(
  "outcome_unknown",
  "This hub fell behind and cannot say what became of it; ask again with the same Idempotency-Key",
  { details: { retryAfterS } },
);
