// The planted bugs: each is one that somebody has had, or that the notes name. A simulator that does
// not find them proves nothing by finding nothing else.
//
// `edits` change the text of the real core; each must match exactly once, so that a mutant that no
// longer fits the code fails loudly instead of passing as found by nobody. `driver` plants the bug in
// the simulator's own driver, where the deed belongs to the driver.

import type { DriverFault } from "../hub/types.ts";

export interface Mutant {
  readonly name: string;
  readonly why: string;
  readonly driver?: DriverFault;
  readonly edits?: readonly {
    readonly file: string;
    readonly from: string;
    readonly to: string;
  }[];
  /** It must be found within this many seeds. */
  readonly seedsMax: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "acknowledge-before-sync",
    why: "votes and acknowledgements leave before the disk has what they promise",
    driver: "ackBeforeSync",
    seedsMax: 100,
  },
  {
    name: "vote-not-kept",
    why: "a hub that restarts may vote twice in one term",
    driver: "voteNotKept",
    seedsMax: 2_000,
  },
  {
    name: "applied-apart",
    why: "applied index and data are written apart (etcd v3.5 post-mortem)",
    driver: "appliedApart",
    seedsMax: 100,
  },
  {
    name: "read-without-quorum",
    why: "a leader serves reads without asking whether it still leads",
    edits: [
      {
        file: "leading.ts",
        from: "  for (const { index, requests } of takeConfirmed(reads, counter)) {",
        to: "  for (const { index, requests } of takeConfirmed(reads, Math.max(counter, reads.counter))) {",
      },
    ],
    seedsMax: 1_500,
  },
  {
    name: "read-before-own-term",
    why: "a new leader serves reads before it knows what is committed (etcd #7331)",
    edits: [
      {
        file: "leading.ts",
        from: "if (isReadable && startRound(",
        to: "if (startRound(",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "commit-of-old-term",
    why: "an entry of an earlier term is committed by counting (Raft figure 8)",
    edits: [
      {
        file: "leading.ts",
        from: "if (index <= log.commit || termAt(log, index) !== raft.term) return;",
        to: "if (index <= log.commit || index === Infinity) return;",
      },
    ],
    seedsMax: 8_000,
  },
  {
    name: "truncate-on-any-append",
    why: "an append that arrives late cuts off what was acknowledged since",
    edits: [
      {
        file: "following.ts",
        from: "  const first = firstNew(log, entries);\n  if (first === undefined) return;",
        to: "  const first = entries[0]?.index;\n  if (first === undefined) return;",
      },
    ],
    seedsMax: 100,
  },
  {
    name: "vote-for-any-log",
    why: "a vote goes to a log that lacks what is committed",
    edits: [
      {
        file: "log.ts",
        from: "  term > log.lastTerm || (term === log.lastTerm && index >= log.last);",
        to: "  log.last >= 0 || term > log.lastTerm || index >= 0;",
      },
    ],
    seedsMax: 100,
  },
  {
    name: "no-prevote",
    why: "a hub that was cut off comes back with a higher term and ends a reign",
    edits: [
      {
        file: "election.ts",
        from: '  begin(raft, "preCandidate");\n',
        to: "  if (raft.term >= 0) {\n    raft.isCampaignForced = false;\n    return campaignInNextTerm(raft);\n  }\n",
      },
    ],
    seedsMax: 100,
  },
  {
    name: "no-check-of-quorum",
    why: "a leader that is cut off goes on leading, and a deaf one keeps the others from electing",
    edits: [
      {
        file: "election.ts",
        from: "if (!takeActivity(raft)) {",
        to: "if (!takeActivity(raft) && raft.term < 0) {",
      },
    ],
    seedsMax: 100,
  },
];
