// Rows of turns of agents: how a step is added and how one ends. Used by agents.ts, which decides, and by
// confirmations, which let a step go or refuse it. The letters are those of agents.ts.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { type ErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { AgentStep, AgentTurnRow, StepDraft } from "@gantry/shared/contract/agents.ts";
import { HAZARD_POLICY } from "@gantry/shared/contract/roles.ts";
import type { Action, Usage } from "@gantry/shared/contract/rows.ts";
import { checkNew, type Context, rowOf } from "../context.ts";

export type ToolAction = Extract<Action, { type: "tool" }>;

export const NO_USAGE: Usage = {
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  costMicroUsd: 0,
};

export const addUsage = (a: Usage, b: Usage): Usage => ({
  promptTokens: a.promptTokens + b.promptTokens,
  completionTokens: a.completionTokens + b.completionTokens,
  cachedTokens: a.cachedTokens + b.cachedTokens,
  costMicroUsd: a.costMicroUsd + b.costMicroUsd,
});

/** Throws gone or not_found. */
export function openTurn(context: Context, id: string): AgentTurnRow {
  const row = rowOf(context, "agentTurn", id, "turn of an agent");
  if (row.endedAtMs !== undefined) throw new GantryError("conflict", `${id} has ended`);
  return row;
}

export const openStep = ({ steps }: AgentTurnRow): AgentStep | undefined => {
  const last = steps.at(-1);
  return last?.state === "ready" || last?.state === "waiting" ? last : undefined;
};

/** Writes the turn, hot or cold by its state, and tells of it and of the step that changed. */
export function keepTurn(context: Context, row: AgentTurnRow, step?: AgentStep): void {
  const { rows } = context;
  if (row.endedAtMs === undefined) rows.put("agentTurn", row.id, row);
  else rows.cool("agentTurn", row.id, row);
  if (step !== undefined) {
    context.emit("agent.step", row.id, { turn: row.id, step }, row.person);
  }
  const { steps, ...facts } = row;
  context.emit("agent.changed", row.id, { ...facts, stepCount: steps.length }, row.person);
}

/** The turn with what was spent by one voice. */
export const spent = (row: AgentTurnRow, agent: string, usage: Usage): AgentTurnRow => ({
  ...row,
  usage: addUsage(row.usage, usage),
  costs: { ...row.costs, [agent]: addUsage(row.costs[agent] ?? NO_USAGE, usage) },
});

/** AG1 to AG4, before anything is written. Throws conflict, forbidden, too_large or budget_spent. */
export function checkStep(context: Context, row: AgentTurnRow, draft: StepDraft): void {
  checkNext(row, draft.n);
  const { confirmation, hazardClass } = draft;
  if (JSON.stringify(draft.arguments).length > LIMIT.agentArgumentsBytes.max) {
    throw new GantryError("too_large", "The arguments of this step are too large");
  }
  const isTainted = row.steps.some(({ suspicion }) => suspicion !== undefined);
  const needsWord = HAZARD_POLICY[hazardClass].confirms || (isTainted && draft.effect !== "read");
  if (needsWord && confirmation === undefined) {
    throw new GantryError("forbidden", `${draft.tool} needs a person's confirmation`); // AG3
  }
  if (confirmation !== undefined)
    checkNew(context, "confirmation", confirmation.id, "confirmation");
}

/** AG1 and AG4. */
export function checkNext(row: AgentTurnRow, n: number): void {
  if (openStep(row) !== undefined) throw new GantryError("conflict", "A step of it is still open");
  if (n !== row.steps.length)
    throw new GantryError("conflict", `Its next step is ${row.steps.length}`);
  if (n >= row.budget.stepsMax) throw new GantryError("budget_spent", "Its steps are spent");
}

export function addStep(context: Context, row: AgentTurnRow, draft: StepDraft): AgentTurnRow {
  const { n, agent, tool, effect, hazardClass, usage, confirmation } = draft;
  const argumentsSha256 = digestOf(draft.arguments);
  const step: AgentStep = {
    n,
    agent,
    kind: "tool",
    tool,
    arguments: draft.arguments,
    argumentsSha256,
    effect,
    hazardClass,
    state: confirmation === undefined ? "ready" : "waiting",
    ...(confirmation === undefined ? {} : { confirmation: confirmation.id }),
    usage,
    plannedAtMs: context.nowMs,
  };
  const state = confirmation === undefined ? "running" : "waiting";
  const after = { ...spent(pausedAt(row, state, context.nowMs), agent, usage), state } as const;
  const kept = { ...after, steps: [...row.steps, step] };
  keepTurn(context, kept, step);
  return kept;
}

/** Time while a person is waited for is not the turn's. */
function pausedAt(row: AgentTurnRow, state: AgentTurnRow["state"], nowMs: number): AgentTurnRow {
  if (state !== "waiting" || row.state === "waiting") return row;
  return { ...row, spentMs: row.spentMs + (nowMs - row.sinceMs) };
}

function changeStep(
  context: Context,
  action: ToolAction,
  facts: Partial<AgentStep>,
): { id: string; state: string } {
  const row = openTurn(context, action.turn);
  const step = row.steps[action.step];
  if (step?.state !== "waiting" || step.argumentsSha256 !== action.argumentsSha256) {
    throw new GantryError("conflict", "That step does not wait any more"); // AG5
  }
  const after = { ...step, ...facts };
  const steps = row.steps.with(action.step, after);
  keepTurn(context, { ...row, state: "running", sinceMs: context.nowMs, steps }, after);
  return { id: row.id, state: after.state };
}

/** A person agreed: it may be done now, once. */
export const makeStepReady = (
  context: Context,
  action: ToolAction,
): { id: string; state: string } => changeStep(context, action, { state: "ready" });

/** Nobody agreed. The turn goes on and hears so. */
export function refuseStep(
  context: Context,
  action: ToolAction,
  state: "cancelled" | "expired",
): void {
  const row = context.rows.get("agentTurn", action.turn);
  if (row === undefined || row.endedAtMs !== undefined) return;
  if (row.steps[action.step]?.state !== "waiting") return;
  const error: ErrorRecord =
    state === "expired"
      ? { code: "confirmation_expired", message: "Nobody confirmed this in time" }
      : { code: "forbidden", message: "A person refused this" };
  changeStep(context, action, { state: "refused", error, endedAtMs: context.nowMs });
}
