// Use cases: turns of agents, and tools one by one.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { AgentStep, AgentTurnRow, AgentVoice } from "@gantry/shared/contract/agents.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import type {
  AgentStart,
  StepView,
  ToolReply,
  ToolView,
  TurnView,
} from "@gantry/shared/contract/schemas/agents.ts";
import type { LoopTool } from "../agents/tool.ts";
import { act, newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { actorOf, byOf, type DeskParts, pageOf, paramOf, seesAll } from "./context.ts";
import type { AgentTurns } from "../hands/agent-turns.ts";
import { confirmationView, isoTime } from "./views.ts";

const MICRO = 1_000_000;
/** A council without names. */
const COUNCIL: readonly AgentVoice[] = [
  { name: "careful", temperature: 0.2, role: "Look for what may go wrong." },
  { name: "plain", temperature: 0.7, role: "Look for the simplest answer." },
  { name: "bold", temperature: 1, role: "Look for what others would not think of." },
];

function handsOf({ agents }: DeskParts): AgentTurns {
  if (agents === undefined) throw new GantryError("capability_missing", "This hub has no agents");
  return agents;
}

export async function agentStarted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<TurnView> {
  const { hub } = parts;
  const agents = handsOf(parts);
  const body = request.body as AgentStart;
  const { budget, mode, model, tools } = body;
  for (const name of tools ?? []) agents.tools.find(name);
  const isAlone = mode === "solo";
  if (mode === "pipeline" && body.voices.length === 0)
    throw new GantryError("bad_request", "A pipeline needs voices, in their order");
  const voices = isAlone ? [] : body.voices.length > 0 ? body.voices : COUNCIL;
  if (new Set(voices.map(({ name }) => name)).size < voices.length)
    throw new GantryError("bad_request", "Two voices have one name");
  const row = await agents.begin(
    {
      turn: newId(hub, "trn"),
      role: actorOf(request).role,
      goal: body.goal,
      mode,
      ...(model === undefined ? {} : { model }),
      ...(tools === undefined ? {} : { tools }),
      voices: voices as readonly AgentVoice[],
      rounds: body.rounds,
      budget: {
        stepsMax: budget.steps,
        tokensMax: budget.tokens,
        timeMs: budget.timeS * 1_000,
        costMaxMicroUsd: Math.round(budget.costUsd * MICRO),
      },
    },
    byOf(request),
    signal,
  );
  return turnView(parts, body.wait ? await agents.settled(row.id, signal) : row);
}

export function agentTurns(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { items, next } = pageOf(request, rows.get("count", "agentTurns") ?? 0, (place) => {
    const id = rows.get("order", `agentTurns/${place}`);
    const row = id === undefined ? undefined : rows.get("agentTurn", id);
    return row === undefined || !isVisible(request, row) ? undefined : turnView(parts, row);
  });
  return { turns: items, ...(next === undefined ? {} : { next }) };
}

const isVisible = (request: DeskRequest, { person }: AgentTurnRow): boolean => {
  const actor = actorOf(request);
  return actor.person === person || seesAll(actor.role);
};

/** Somebody else's turn is not there. */
function turnOf({ hub }: DeskParts, request: DeskRequest): AgentTurnRow {
  const id = paramOf(request, "id");
  const row = hub.rows.get("agentTurn", id);
  if (row === undefined || !isVisible(request, row))
    throw new GantryError("not_found", `There is no turn ${id}`);
  return row;
}

export const agentTurn = (parts: DeskParts, request: DeskRequest): TurnView =>
  turnView(parts, turnOf(parts, request));

export async function agentCancelled(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<TurnView> {
  const { id, person } = turnOf(parts, request);
  const actor = actorOf(request);
  if (actor.person !== person && !mayAct(actor.role, "operator"))
    throw new GantryError("forbidden", `${id} is ${person}'s`);
  await act(parts.hub, { type: "agentTurnCancelled", turn: id }, byOf(request), signal);
  return turnView(parts, turnOf(parts, request));
}

// ── tools ───────────────────────────────────────────────────────────────────────────────────────

export function tools(parts: DeskParts, request: DeskRequest): { tools: ToolView[] } {
  const offered = handsOf(parts).tools.offered(actorOf(request).role);
  return { tools: offered.map(toolView) };
}

function toolView(tool: LoopTool): ToolView {
  const { name, title, description, inputSchema, hazardClass, effect, role, server } = tool;
  return {
    name,
    title,
    description,
    inputSchema: { ...inputSchema },
    hazardClass,
    effect,
    role: role === "wall" ? "viewer" : role,
    destructive: tool.isDestructive,
    idempotent: tool.isIdempotent,
    openWorld: tool.isOpenWorld,
    ...(server === undefined ? {} : { server }),
  };
}

/** What only reads is answered at once; what has an effect is a turn of one step, with its policy. */
export async function toolCalled(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<ToolReply> {
  const agents = handsOf(parts);
  const name = paramOf(request, "tool");
  const { arguments: given, waitS } = request.body as {
    arguments: Record<string, unknown>;
    waitS: number;
  };
  const { person, role } = actorOf(request);
  const tool = agents.tools.find(name);
  if (!mayAct(role, tool.role))
    throw new GantryError("forbidden", `${name} needs the role ${tool.role}`);
  if (tool.effect === "read" && tool.hazardClass === "none") {
    const caller = { person, role, requestId: request.requestId };
    return { result: await agents.tools.call(name, given, caller, signal) };
  }
  const row = await agents.order({ tool: name, arguments: given, role }, byOf(request), signal);
  const limit = parts.hub.clock.timeout(waitS * 1_000, signal);
  return replyOf(parts, await agents.settled(row.id, limit));
}

function replyOf({ hub }: DeskParts, row: AgentTurnRow): ToolReply {
  const [step] = row.steps;
  const turn = row.id;
  if (step?.state === "done") return { turn, result: resultOf(step) };
  if (step?.error !== undefined) return { turn, error: errorOf(step) };
  const asked =
    step?.confirmation === undefined ? undefined : hub.rows.get("confirmation", step.confirmation);
  return {
    turn,
    ...(asked === undefined ? {} : { confirmation: confirmationView(asked, hub.stampMs()) }),
  };
}

const errorOf = ({ error }: AgentStep): ToolReply["error"] =>
  error === undefined ? undefined : { code: error.code, message: error.message };

/** As JSON where it is whole. */
function resultOf({ result = "" }: AgentStep): unknown {
  try {
    return JSON.parse(result);
  } catch {
    return result;
  }
}

// ── views ───────────────────────────────────────────────────────────────────────────────────────

export function turnView({ hub }: DeskParts, row: AgentTurnRow): TurnView {
  const nowMs = hub.stampMs();
  const running = row.state === "running" ? nowMs - row.sinceMs : 0;
  return {
    id: row.id,
    by: row.person,
    goal: row.goal,
    mode: row.mode,
    state: row.state,
    steps: row.steps.map((step) => stepView(hub, step, nowMs)),
    ...(row.answer === undefined ? {} : { answer: row.answer }),
    ...(row.error === undefined
      ? {}
      : { error: { code: row.error.code, message: row.error.message } }),
    usage: row.usage,
    costs: { ...row.costs },
    tookMs: row.spentMs + running,
    at: isoTime(row.createdAtMs),
  };
}

function stepView(hub: DeskParts["hub"], step: AgentStep, nowMs: number): StepView {
  const { n, agent, kind, tool, state, hazardClass, result, suspicion, usage } = step;
  const asked =
    step.confirmation === undefined ? undefined : hub.rows.get("confirmation", step.confirmation);
  const error = errorOf(step);
  return {
    n,
    agent,
    kind,
    ...(tool === undefined ? {} : { tool }),
    ...(step.arguments === undefined ? {} : { arguments: { ...step.arguments } }),
    state,
    ...(hazardClass === undefined ? {} : { hazardClass }),
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
    ...(suspicion === undefined ? {} : { suspicion }),
    ...(asked === undefined ? {} : { confirmation: confirmationView(asked, nowMs) }),
    usage,
    at: isoTime(step.plannedAtMs),
    ...(step.endedAtMs === undefined ? {} : { tookMs: step.endedAtMs - step.plannedAtMs }),
  };
}

export const AGENT_USE_CASES = {
  agentTurns,
  agentStarted,
  agentTurn,
  agentCancelled,
  tools,
  toolCalled,
} as const;
