// Approvals: who has said what, and what silence means.

import type { WorkflowNode } from "@gantry/shared/contract/workflow.ts";
import {
  type Cell,
  isDeadAt,
  moreOf,
  nodeOf,
  placeOf,
  setMore,
  spotOf,
  stateAt,
  type Work,
} from "./draft.ts";
import { dutiesOf } from "./duties.ts";
import { type Fact, NODE, type Stale, type Vote } from "./engine-types.ts";
import { endDone, endFailed } from "./moves.ts";
import type { PlanNode } from "./plan.ts";

type Approval = Extract<WorkflowNode, { type: "approval" }>;

/** Whether the person may decide is for the hub to judge before. */
export function decide(
  work: Work,
  { place, by, approve, reason }: Extract<Fact, { kind: "decided" }>,
): Stale | undefined {
  const spot = spotOf(work, place);
  if (spot === undefined) return "no_place";
  const { cell, index } = spot;
  const plan = nodeOf(cell, index);
  const { node, id } = plan;
  if (isDeadAt(cell, index)) return "place_over";
  if (node.type !== "approval" || stateAt(cell, index) !== NODE.waiting) return "not_waiting";
  const { votes = [] } = moreOf(cell, id);
  if (votes.some((vote) => vote.by === by)) return "voted_already";
  const all: readonly Vote[] = [...votes, { by, approve, reason, atMs: work.nowMs }];
  setMore(cell, id, { ...moreOf(cell, id), votes: all });
  if (!approve) reject(work, cell, plan, reason, false);
  else if (all.length >= node.approvals) conclude(work, cell, plan, true, reason, false);
  else tell(work, cell, plan);
  return undefined;
}

/** The ticket as it is now. */
function tell(work: Work, cell: Cell, node: PlanNode): void {
  work.effects.push(...dutiesOf(work.run.id, work.run.inputs, cell, node));
}

/** Nobody has decided in time. */
export function timeIsUp(work: Work, cell: Cell, plan: PlanNode): void {
  const { node, id } = plan;
  if (node.type !== "approval") return;
  const more = moreOf(cell, id);
  if (node.escalateTo !== undefined && more.escalated !== true) {
    setMore(cell, id, { ...more, escalated: true, dueMs: work.nowMs + node.waitMs });
    tell(work, cell, plan);
  } else silence(work, cell, plan, node);
}

function silence(work: Work, cell: Cell, plan: PlanNode, node: Approval): void {
  switch (node.onTimeout) {
    case "approve":
      conclude(work, cell, plan, true, "", true);
      return;
    case "reject":
      reject(work, cell, plan, "Nobody decided in time", true);
      return;
    case "fail": {
      const message = "Nobody decided in time";
      endFailed(work, cell, plan.index, { code: "approval_timeout", message });
    }
  }
}

/** It fails unless an edge goes on from the rejection. */
function reject(work: Work, cell: Cell, plan: PlanNode, reason: string, timedOut: boolean): void {
  if (plan.handlesRejection) conclude(work, cell, plan, false, reason, timedOut);
  else {
    const message = reason === "" ? `${placeOf(cell, plan.index)} was rejected` : reason;
    endFailed(work, cell, plan.index, { code: "rejected", message });
  }
}

function conclude(
  work: Work,
  cell: Cell,
  { id, index }: PlanNode,
  approved: boolean,
  reason: string,
  timedOut: boolean,
): void {
  const more = moreOf(cell, id);
  setMore(cell, id, { ...more, take: approved ? "approved" : "rejected" });
  const by = (more.votes ?? []).map((vote) => vote.by);
  endDone(work, cell, index, { approved, by, reason, timedOut });
}
