// Runs and approvals as people and programs see them. Pure.

import { LIFE } from "@gantry/shared/base/policy.ts";
import type { RunLineRow, TicketRow } from "@gantry/shared/contract/run-rows.ts";
import type { ApprovalView, RunSummary, RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { planOf } from "../ledger/domains/plans.ts";
import type { Rows } from "../ledger/rows.ts";
import type { RunRow } from "../ledger/run-row.ts";
import { nodesOf } from "../workflow/view.ts";
import type { NodeView } from "../workflow/engine-types.ts";
import { isoTime } from "./views.ts";

export function runSummary({ state, ...row }: RunRow): RunSummary {
  return {
    id: row.id,
    ...(row.workflow === "" ? {} : { workflow: row.workflow }),
    version: row.definition,
    state: state.state,
    revision: state.revision,
    by: row.by,
    createdAt: isoTime(row.createdAtMs),
    changedAt: isoTime(row.changedAtMs),
    ...(row.position === undefined ? {} : { positions: { first: row.position } }),
    ...(state.endedMs === null ? {} : { endedAt: isoTime(state.endedMs) }),
    ...(state.fault === null ? {} : { error: state.fault }),
    ...(row.parent === undefined ? {} : { parent: row.parent.run }),
    ...(row.replayOf === undefined ? {} : { replayOf: row.replayOf.run }),
    ...(row.forkOf === undefined ? {} : { forkOf: row.forkOf.run }),
    ...(row.usage === undefined ? {} : { costUsd: row.usage.costMicroUsd / 1_000_000 }),
    tier: state.endedMs === null ? "memory" : "hot",
  };
}

/** As runSummary, of a run that is over. */
export function lineSummary(line: RunLineRow, nowMs: number): RunSummary {
  return {
    id: line.id,
    ...(line.workflow === "" ? {} : { workflow: line.workflow }),
    version: line.definition,
    state: line.state,
    revision: line.revision,
    by: line.by,
    createdAt: isoTime(line.createdAtMs),
    changedAt: isoTime(line.changedAtMs),
    endedAt: isoTime(line.endedMs),
    positions: { first: line.positions[0], last: line.positions[1] },
    ...(line.fault === null ? {} : { error: line.fault }),
    ...(line.parent === undefined ? {} : { parent: line.parent }),
    ...(line.replayOf === undefined ? {} : { replayOf: line.replayOf }),
    ...(line.usage === undefined ? {} : { costUsd: line.usage.costMicroUsd / 1_000_000 }),
    tier: tierOf(line, nowMs),
  };
}

/** Where what it did is kept now. */
function tierOf({ pack, endedMs, backAtMs }: RunLineRow, nowMs: number): RunSummary["tier"] {
  if (pack === undefined) return "hot";
  return nowMs - (backAtMs ?? endedMs) < LIFE.runHistoryMs ? "history" : "archive";
}

export function runView(rows: Rows, row: RunRow): RunView {
  const plan = planOf(rows, row.state.graph);
  return {
    ...runSummary(row),
    fidelity: row.fidelity,
    inputs: { ...row.state.inputs },
    ...(row.budget === undefined ? {} : { budget: { ...row.budget } }),
    ...(row.spent === undefined ? {} : { spent: { ...row.spent } }),
    nodes: nodesOf(plan, row.state).map(nodeView),
    edges: plan.graph.edges.map(({ from, to, on }) => ({
      from,
      to,
      ...(on === undefined ? {} : { on }),
    })),
    approvals: { ...row.tickets },
    children: { ...row.children },
    ...(row.state.state === "done" ? { result: row.state.output } : {}),
  };
}

const nodeView = ({ dueMs, output, ...node }: NodeView): RunView["nodes"][number] => ({
  ...node,
  ...(output === null ? {} : { output }),
  ...(dueMs === undefined ? {} : { dueAt: isoTime(dueMs) }),
});

export function approvalView(row: TicketRow): ApprovalView {
  return {
    id: row.id,
    run: row.run,
    place: row.place,
    ...(row.workflow === "" ? {} : { workflow: row.workflow }),
    state: row.state,
    question: row.question,
    roles: [...row.roles],
    people: [...row.people],
    approvals: row.approvals,
    votes: row.votes.map(({ atMs, ...vote }) => ({ ...vote, at: isoTime(atMs) })),
    escalated: row.isEscalated,
    ...(row.patch === undefined ? {} : { isPatch: true as const }),
    dueAt: isoTime(row.dueMs),
    createdAt: isoTime(row.createdAtMs),
  };
}
