// Turns of agents: what a model, or a program, does step by step with tools.
//
// AG1. Steps are numbered without a gap, and at most one is open: who goes on with a turn after a crash
//      finds one thing that may have been begun, or none.
// AG2. A step is on record before it is begun, and its end after; it ends once.
// AG3. A step whose hazard class needs a confirmation, or that has an effect after something suspicious
//      was read, is not ready before people have agreed: whoever proposes it cannot leave that out.
// AG4. No step is taken beyond the budget of steps, tokens and money.
// AG5. What is agreed to is the hash of tool, arguments, person, device, expiry and a nonce (H4): the
//      step cannot change under its confirmation.
// AG6. What a turn has cost is the sum of its voices' costs, to the token.
// AG7. Tools of other servers are approved by the hash of what a person read.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { AgentStep, AgentTurnRow, StepDraft } from "@gantry/shared/contract/agents.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { appendOrder, checkNew, type Context } from "../context.ts";
import {
  addStep,
  checkNext,
  checkStep,
  keepTurn,
  NO_USAGE,
  openStep,
  openTurn,
  spent,
  type ToolAction,
} from "./agent-rows.ts";
import { closeConfirmation, openConfirmation } from "./confirmation-rows.ts";

export function agentTurnBegan(context: Context, command: CommandOf<"agentTurnBegan">): unknown {
  const { rows, nowMs } = context;
  const { turn: id, first, role, goal, mode, voices, rounds, budget, actor, requestId } = command;
  checkNew(context, "agentTurn", id, "turn of an agent");
  if (rows.hot("agentTurn").size >= LIMIT.agentTurns.max) {
    throw new GantryError("busy", "Too many agents are at work", { details: { retryAfterS: 10 } });
  }
  const { model, tools, question, conversation } = command;
  const row: AgentTurnRow = {
    id,
    person: actor,
    role,
    requestId,
    goal,
    mode,
    voices,
    rounds,
    budget,
    ...(model === undefined ? {} : { model }),
    ...(tools === undefined ? {} : { tools }),
    ...(question === undefined ? {} : { question }),
    ...(conversation === undefined ? {} : { conversation }),
    state: "running",
    steps: [],
    usage: NO_USAGE,
    costs: {},
    spentMs: 0,
    sinceMs: nowMs,
    createdAtMs: nowMs,
  };
  if (first !== undefined) checkStep(context, row, first);
  forgetOldest(context);
  appendOrder(context, "agentTurns", id);
  if (first === undefined) keepTurn(context, row);
  else takeStep(context, row, first);
  context.audit("agent.began", id, { mode, role });
  return { turn: id };
}

/** What has ended longest ago; one that is still open is kept. */
function forgetOldest({ rows }: Context): void {
  const place = (rows.get("count", "agentTurns") ?? 0) - LIMIT.agentHistory.max;
  const id = place < 0 ? undefined : rows.get("order", `agentTurns/${place}`);
  if (id === undefined || rows.get("agentTurn", id)?.endedAtMs === undefined) return;
  rows.remove("agentTurn", id);
  rows.remove("order", `agentTurns/${place}`);
}

export function agentStepPlanned(
  context: Context,
  { turn, step }: CommandOf<"agentStepPlanned">,
): unknown {
  const row = openTurn(context, turn);
  checkBudget(row);
  checkStep(context, row, step);
  const { state } = takeStep(context, row, step);
  context.audit("agent.step", turn, { n: step.n, tool: step.tool, hazardClass: step.hazardClass });
  return { turn, n: step.n, state };
}

/** AG2, and AG5 where people must agree to it. */
function takeStep(context: Context, row: AgentTurnRow, draft: StepDraft): AgentTurnRow {
  const after = addStep(context, row, draft);
  const { confirmation, device, n, tool } = draft;
  if (confirmation === undefined) return after;
  const { nonce, people, ...asked } = confirmation;
  const action: ToolAction = {
    type: "tool",
    turn: row.id,
    step: n,
    tool,
    argumentsSha256: digestOf(draft.arguments),
    person: row.person,
    ...(device === undefined ? {} : { device }),
    expiresAtMs: asked.expiresAtMs,
    nonce,
  };
  openConfirmation(context, asked, action, row.person, row.conversation, people);
  return after;
}

/** AG4. The step that goes over is the last: what it cost is known only when it is there. */
function checkBudget({ usage, budget }: AgentTurnRow): void {
  if (usage.promptTokens + usage.completionTokens >= budget.tokensMax) {
    throw new GantryError("budget_spent", "Its tokens are spent");
  }
  if (usage.costMicroUsd > budget.costMaxMicroUsd) {
    throw new GantryError("budget_spent", "Its money is spent");
  }
}

/** A voice said something: a step without a tool. */
export function agentSaid(context: Context, command: CommandOf<"agentSaid">): unknown {
  const { turn, n, agent, text, usage } = command;
  const row = openTurn(context, turn);
  checkBudget(row);
  checkNext(row, n);
  const { nowMs } = context;
  const step: AgentStep = {
    n,
    agent,
    kind: "say",
    state: "done",
    result: text.slice(0, LIMIT.agentResultChars.max),
    usage,
    plannedAtMs: nowMs,
    endedAtMs: nowMs,
  };
  keepTurn(context, { ...spent(row, agent, usage), steps: [...row.steps, step] }, step);
  return { turn, n };
}

/** AG2. */
export function agentStepEnded(context: Context, command: CommandOf<"agentStepEnded">): unknown {
  const { turn, n, outcome } = command;
  const row = openTurn(context, turn);
  const step = openStep(row);
  if (step?.n !== n || step.state !== "ready") {
    throw new GantryError("conflict", `Step ${n} of ${turn} is not at work`);
  }
  const ended = {
    ...step,
    ...(outcome.state === "done"
      ? { ...outcome, result: outcome.result.slice(0, LIMIT.agentResultChars.max) }
      : outcome),
    endedAtMs: context.nowMs,
  };
  keepTurn(context, { ...row, steps: row.steps.with(n, ended) }, ended);
  context.audit("agent.stepEnded", turn, { n, state: outcome.state });
  return { turn, n, state: outcome.state };
}

export function agentTurnEnded(context: Context, command: CommandOf<"agentTurnEnded">): unknown {
  const { turn, agent, text, error, usage } = command;
  const row = openTurn(context, turn);
  if (openStep(row) !== undefined) throw new GantryError("conflict", "A step of it is still open");
  end(context, spent(row, agent, usage), {
    state: error === undefined ? "done" : "failed",
    ...(text === undefined ? {} : { answer: text }),
    ...(error === undefined ? {} : { error }),
  });
  return { turn };
}

function end(
  context: Context,
  row: AgentTurnRow,
  facts: Pick<AgentTurnRow, "state"> & Partial<AgentTurnRow>,
): void {
  const { nowMs } = context;
  const atWorkMs = row.state === "waiting" ? 0 : nowMs - row.sinceMs;
  keepTurn(context, { ...row, ...facts, spentMs: row.spentMs + atWorkMs, endedAtMs: nowMs });
  context.audit("agent.ended", row.id, { state: facts.state });
}

/** What was begun is not undone; a confirmation that waits is withdrawn. */
export function agentTurnCancelled(
  context: Context,
  { turn }: CommandOf<"agentTurnCancelled">,
): unknown {
  const row = openTurn(context, turn);
  const step = openStep(row);
  const error = { code: "cancelled" as const, message: "The turn was cancelled" };
  const state = step?.state === "waiting" ? "refused" : "unknown";
  const ended = step && ({ ...step, state, error, endedAtMs: context.nowMs } as const);
  const steps = ended === undefined ? row.steps : row.steps.with(ended.n, ended);
  end(context, { ...row, steps }, { state: "cancelled", error });
  closeConfirmation(context, step?.confirmation);
  return { turn };
}

// ── tools of other servers ──────────────────────────────────────────────────────────────────────

const approvalId = (server: string, tool: string): string => `${server}.${tool}`;

/** AG7. */
export function toolApproved(context: Context, command: CommandOf<"toolApproved">): unknown {
  const { server, tool, sha256, hazardClass, actor } = command;
  const { rows, nowMs } = context;
  const id = approvalId(server, tool);
  const full = LIMIT.mcpServers.max * LIMIT.mcpTools.max;
  if (rows.get("toolApproval", id) === undefined && rows.hot("toolApproval").size >= full) {
    throw new GantryError("busy", "Too many tools are approved; remove some");
  }
  rows.put("toolApproval", id, { id, server, tool, sha256, hazardClass, by: actor, atMs: nowMs });
  context.audit("tool.approved", id, { sha256, hazardClass });
  return { ok: true };
}

export function toolForgotten(context: Context, command: CommandOf<"toolForgotten">): unknown {
  const { server, tool } = command;
  const { rows } = context;
  const all = [...rows.hot("toolApproval").values()].filter(
    (row) => row.server === server && (tool === undefined || row.tool === tool),
  );
  if (all.length === 0) throw new GantryError("not_found", "Nothing of it was agreed to");
  for (const { id } of all.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    rows.remove("toolApproval", id);
    context.audit("tool.forgotten", id);
  }
  return { ok: true };
}
