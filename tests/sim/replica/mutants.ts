// Planted bugs of the ledger and the replica, for the replica-level simulation; see ../mutants/.

export interface ReplicaMutant {
  readonly name: string;
  readonly why: string;
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
  readonly seedsMax: number;
}

export const REPLICA_MUTANTS: readonly ReplicaMutant[] = [
  {
    name: "lock-revoked-by-ex-leader",
    why: "a stuck ex-leader's judgement ends a lock that was renewed since (etcd #15247)",
    edits: [
      {
        file: "hub/ledger/domains/locks.ts",
        from: "  checkReign(context, command.term); // X3\n  const row = heldBy(context, command.name, command.token);\n  if (row.revision !== command.revision || row.expiresAtMs > context.nowMs) {",
        to: "  const row = heldBy(context, command.name, command.token);\n  if (row.name === '') {",
      },
    ],
    seedsMax: 60,
  },
  {
    name: "rows-apart-from-index",
    why: "a checkpoint's rows and its applied index are two writes (etcd v3.5 post-mortem)",
    edits: [
      {
        file: "hub/replica/ledger-store.ts",
        from: "  await store.batch(operations, { sync: true });\n}",
        to: "  await store.batch(operations.slice(0, -1), { sync: true });\n  await store.batch(operations.slice(-1), { sync: true });\n}",
      },
    ],
    seedsMax: 150,
  },
  {
    name: "log-not-synced",
    why: "the log is written and acknowledged without a sync",
    edits: [
      {
        file: "hub/adapters/raft-log.ts",
        from: "    await store.batch(operations, { sync: isSync });",
        to: "    await store.batch(operations, { sync: isSync && operations.length < 0 });",
      },
    ],
    seedsMax: 100,
  },
  {
    name: "repeated-is-done-again",
    why: "a request that is repeated with its idempotency key is carried out twice",
    edits: [
      {
        file: "hub/ledger/apply.ts",
        from: "  if (replayed !== undefined) return replayed;",
        to: "  if (replayed !== undefined && position < 0) return replayed;",
      },
    ],
    seedsMax: 30,
  },
  {
    name: "fold-while-rows-away",
    why: "commands are applied while the rows are opened anew after a write that failed",
    edits: [
      {
        file: "hub/replica/driver.ts",
        from: "isHeld || logStore.isReopening || ledgerStore.isReopening) return;",
        to: "isHeld || logStore.isReopening) return;",
      },
    ],
    seedsMax: 60,
  },
  {
    name: "core-asked-while-log-away",
    why: "old entries are read for other hubs while the log is opened anew",
    edits: [
      {
        file: "hub/replica/driver.ts",
        from: "isHeld || logStore.isReopening) return",
        to: "isHeld) return",
      },
      {
        file: "hub/replica/driver.ts",
        from: "isHeld || logStore.isReopening || ledgerStore",
        to: "isHeld || ledgerStore",
      },
    ],
    seedsMax: 20,
  },
  {
    name: "read-before-applied",
    why: "a read is served before what it must see is applied here",
    edits: [
      {
        file: "hub/replica/reads.ts",
        from: "confirmed.filter((each) => each.index <= index);",
        to: "confirmed.filter((each) => each.index <= index + 3);",
      },
      {
        file: "hub/replica/reads.ts",
        from: "confirmed.filter((each) => each.index > index);",
        to: "confirmed.filter((each) => each.index > index + 3);",
      },
    ],
    seedsMax: 150,
  },
  {
    name: "damaged-log-votes",
    why: "a hub whose log lacks what it had acknowledged votes all the same",
    edits: [
      {
        file: "hub/consensus/election.ts",
        from: "isFree && raft.config.isBarred !== true && isUpToDate(",
        to: "isFree && isUpToDate(",
      },
    ],
    seedsMax: 150,
  },
  {
    name: "deletes-refused-when-low",
    why: "on a disk that is nearly full nothing is taken any more, not even what makes room",
    edits: [
      {
        file: "hub/adapters/disk-room.ts",
        from: "=> BEGINS.has(type);",
        to: "=> BEGINS.size > 0 || type === 'flagSet';",
      },
    ],
    seedsMax: 150,
  },
];
