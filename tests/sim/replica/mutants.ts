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
];
