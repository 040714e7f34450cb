// Planted bugs on the way of a print, for the simulation of the workshop; see ../mutants/.

import type { ReplicaMutant } from "../replica/mutants.ts";

export const WORKSHOP_MUTANTS: readonly ReplicaMutant[] = [
  {
    name: "first-byte-before-the-disk",
    why: "the bridge lets the first byte leave before `started` is on its disk",
    edits: [
      {
        file: "firmware-bridge/bridge/preparation.ts",
        from: "const row = await book.start(preparing.job, preparing.token, remoteFile);",
        to: "void book.start(preparing.job, preparing.token, remoteFile);\n      const row = { printer: stage.printer, job: preparing.job, token: preparing.token, phase: 'started' as const, progress: 0, startedCount: 1, isAcknowledged: false };",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "interrupted-is-started-again",
    why: "a job that the bridge's book calls interrupted is started again",
    edits: [
      {
        file: "firmware-bridge/bridge/preparation.ts",
        from: "if (known !== undefined) return recall(known, token);\n    if (work",
        to: "if (known !== undefined && known.phase !== 'interrupted') return recall(known, token);\n    if (work",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "lost-answer-is-a-refusal",
    why: "a node tells a start as refused of which only the answer was lost",
    edits: [
      {
        file: "node-agent/agent/prints.ts",
        from: "if (!wasSent(error)) throw error;",
        to: "if (wasSent(error)) throw new GantryError('unreachable', 'lost');",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "bed-stays-clear",
    why: "the ledger does not mark the bed when a print begins",
    edits: [
      {
        file: "hub/ledger/domains/prints.ts",
        from: "if (startedCount > row.startedCount) markBed(context, row);",
        to: "if (startedCount > row.startedCount && command.phase === 'started') markBed(context, row);",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "any-part-is-cleared",
    why: "a late word that a bed was cleared counts for whatever lies there now",
    edits: [
      {
        file: "hub/ledger/domains/prints.ts",
        from: "if (job !== undefined && device.bedJob !== job) {",
        to: "if (job !== undefined && device.bedJob === undefined) {",
      },
      {
        file: "hub/ledger/domains/prints.ts",
        from: "if (holder !== undefined && holder.startedCount > 0) {",
        to: "if (holder !== undefined && holder.startedCount > 1) {",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "refusals-are-forgotten",
    why: "a node takes an order again that it has refused for good",
    edits: [
      {
        file: "node-agent/agent/print-fences.ts",
        from: "    return fence?.token === token && fence.job === refusedMark(job);",
        to: "    return fence?.token === -token && fence.job === refusedMark(job);",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "reports-are-not-fenced",
    why: "a report counts whatever its token says, and a job is leased that has begun",
    edits: [
      {
        file: "hub/ledger/domains/prints.ts",
        from: 'const passes = ["device_offline", "unreachable", "busy", "bed_not_clear"].includes(error.code);',
        to: "const passes = true;",
      },
      {
        file: "hub/ledger/domains/prints.ts",
        from: "  if (row.startedCount > 0 || isEnded(row.state)) return asIs(row);\n",
        to: "",
      },
    ],
    seedsMax: 200,
  },
  {
    name: "cancel-is-not-marked",
    why: "an order that comes after its own cancel is taken as a new one",
    edits: [
      {
        file: "node-agent/agent/prints.ts",
        from: "    const marked = fences.refuseForGood(wish, cancelled());",
        to: "    const marked = Promise.resolve();",
      },
    ],
    seedsMax: 300,
  },
];
