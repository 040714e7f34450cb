// Planted bugs of the hands, the reigns and the agents, for the simulation of the house; see ../mutants/.

import type { ReplicaMutant } from "../replica/mutants.ts";

export const HANDS_MUTANTS: readonly ReplicaMutant[] = [
  {
    name: "fence-forgotten",
    why: "an agent's highest token of a printer is not on its disk",
    edits: [
      {
        file: "node-agent/agent/memory.ts",
        from: "      await journal.append(entry);",
        to: "      if (entry.type !== 'fence') await journal.append(entry);",
      },
    ],
    seedsMax: 5,
  },
  {
    name: "told-before-leased",
    why: "a node is told of a job before its lease is in the log",
    edits: [
      {
        file: "hub/hands/duties.ts",
        from: "    const reply = await propose(hub, body, byHub(hub), signal).catch(",
        to: "    const early = rows.get('job', job);\n    if (early !== undefined) tellJob({ ...early, lease: { node: node.id, bootId: node.bootId, token: hub.replica.ledger.position + 1, atMs: 0 } });\n    const reply = await propose(hub, body, byHub(hub), signal).catch(",
      },
    ],
    seedsMax: 5,
  },
  {
    name: "duties-outlive-reign",
    why: "an ex-leader's duties go on after its reign has ended",
    edits: [
      {
        file: "hub/cluster/reign.ts",
        from: "keepDoing(hub, name, task, AbortSignal.any([ended, signal])));",
        to: "keepDoing(hub, name, task, name in parts.tasks ? new AbortController().signal : AbortSignal.any([ended, signal])));",
      },
    ],
    seedsMax: 8,
  },
  {
    name: "once-is-retried",
    why: "a job that must be done once is leased again after it was interrupted",
    edits: [
      {
        file: "hub/hands/duties.ts",
        from: 'const mayRetry = row !== undefined && row.effect !== "once" && ERRORS',
        to: "const mayRetry = row !== undefined && ERRORS",
      },
      {
        file: "hub/ledger/domains/jobs.ts",
        from: '  if (row.effect === "once") {\n    context.audit("job.unknown"',
        to: '  if (row.attempts > row.attemptsMax) {\n    context.audit("job.unknown"',
      },
    ],
    seedsMax: 8,
  },
  {
    name: "job-not-remembered",
    why: "an agent runs a job before it has its lease on the disk",
    edits: [
      {
        file: "node-agent/agent/jobs.ts",
        from: '        await memory.keep({ type: "accepted"',
        to: '        void memory.keep({ type: "accepted"',
      },
    ],
    seedsMax: 5,
  },
  {
    name: "lock-without-grace",
    why: "a new leader counts a lock's time from its last logged renewal, not from its own reign",
    edits: [
      {
        file: "hub/registry/leases.ts",
        from: "for (const row of rows) start(row, nowMs, electionMs); // LE1",
        to: "for (const row of rows) start({ ...row, remainingMs: 0 }, nowMs, 0);",
      },
    ],
    seedsMax: 8,
  },
];
