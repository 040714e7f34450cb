// Turns of the agent loop: a goal, the steps towards it, and what bounds them. Rows and commands; the
// schemas of the routes are in schemas/agents.ts.

import type { ErrorRecord } from "../base/errors.ts";
import type { ConfirmationDraft } from "./commands.ts";
import type { HazardClass, Role } from "./roles.ts";
import type { Usage } from "./rows.ts";

/**
 * solo: one model thinks and acts. council: several say what they think, a judge merges it. debate: they
 * answer each other in rounds, then the judge. pipeline: each goes on with what the one before it said.
 * call: one tool, asked for by a person or a program, and no model.
 */
export const AGENT_MODES = ["solo", "council", "debate", "pipeline", "call"] as const;
export type AgentMode = (typeof AGENT_MODES)[number];

/** One voice of a council, debate or pipeline. */
export interface AgentVoice {
  readonly name: string;
  readonly model?: string;
  readonly temperature?: number;
  /** What it is to care about, or its part of a pipeline. */
  readonly role?: string;
}

export interface AgentBudget {
  readonly stepsMax: number;
  /** Prompt and completion together. */
  readonly tokensMax: number;
  /** From its beginning, waiting for people not counted. */
  readonly timeMs: number;
  readonly costMaxMicroUsd: number;
}

/** `read` changes nothing; `replayed` is done once under its key, however often it is sent; `once` may not be sent twice. */
export const TOOL_EFFECTS = ["read", "replayed", "once"] as const;
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/**
 * waiting: for a person's word. ready: it may be done, and perhaps was begun. unknown: it was begun and
 * nobody saw its end. refused: no person agreed.
 */
export const STEP_STATES = ["waiting", "ready", "done", "failed", "refused", "unknown"] as const;
export type StepState = (typeof STEP_STATES)[number];

export interface AgentStep {
  /** From 0, without a gap. */
  readonly n: number;
  /** Which voice; `solo`, `judge` or the caller otherwise. */
  readonly agent: string;
  readonly kind: "tool" | "say";
  readonly tool?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly argumentsSha256?: string;
  readonly effect?: ToolEffect;
  readonly hazardClass?: HazardClass;
  readonly state: StepState;
  readonly confirmation?: string;
  /** Of JSON or text; cut at LIMIT.agentResultChars. */
  readonly result?: string;
  readonly error?: ErrorRecord;
  /** Text in the result that reads like an order: from here on every effect needs a person's word. */
  readonly suspicion?: string;
  readonly usage: Usage;
  readonly plannedAtMs: number;
  readonly endedAtMs?: number;
}

export const TURN_STATES = ["running", "waiting", "done", "failed", "cancelled"] as const;
export type TurnState = (typeof TURN_STATES)[number];

export interface AgentTurnRow {
  readonly id: string;
  readonly person: string;
  /** The loop never does more than this role may. */
  readonly role: Role;
  readonly requestId: string;
  readonly goal: string;
  readonly mode: AgentMode;
  readonly model?: string;
  /** Names of the tools it may use; left out: every one of the role. */
  readonly tools?: readonly string[];
  readonly voices: readonly AgentVoice[];
  readonly rounds: number;
  readonly budget: AgentBudget;
  readonly question?: string;
  readonly conversation?: string;
  readonly state: TurnState;
  readonly steps: readonly AgentStep[];
  /** Of all steps and of the answer. */
  readonly usage: Usage;
  /** By voice; the sum is `usage`. */
  readonly costs: Readonly<Record<string, Usage>>;
  /** Spent in earlier reigns and before a wait; `sinceMs` is when it went on. */
  readonly spentMs: number;
  readonly sinceMs: number;
  readonly createdAtMs: number;
  readonly endedAtMs?: number;
  readonly answer?: string;
  readonly error?: ErrorRecord;
}

/** A tool of another MCP server, as a person agreed to it. */
export interface ToolApprovalRow {
  /** `SERVER.TOOL`. */
  readonly id: string;
  readonly server: string;
  readonly tool: string;
  /** Of its name, description, schemas and annotations. */
  readonly sha256: string;
  readonly hazardClass: HazardClass;
  readonly by: string;
  readonly atMs: number;
}

export interface StepDraft {
  readonly n: number;
  readonly agent: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly effect: ToolEffect;
  readonly hazardClass: HazardClass;
  /** The printer, queue or machine that it acts on. */
  readonly device?: string;
  readonly usage: Usage;
  /** What the hub's policy asks for; `people` of them, each another one. */
  readonly confirmation?: ConfirmationDraft & { readonly nonce: string; readonly people: 1 | 2 };
}

export type AgentCommand =
  | ({ readonly type: "agentTurnBegan"; readonly turn: string } & Pick<
      AgentTurnRow,
      | "role"
      | "goal"
      | "mode"
      | "model"
      | "tools"
      | "voices"
      | "rounds"
      | "budget"
      | "question"
      | "conversation"
    > & { readonly first?: StepDraft })
  | { readonly type: "agentStepPlanned"; readonly turn: string; readonly step: StepDraft }
  | {
      readonly type: "agentSaid";
      readonly turn: string;
      readonly n: number;
      readonly agent: string;
      readonly text: string;
      readonly usage: Usage;
    }
  | {
      readonly type: "agentStepEnded";
      readonly turn: string;
      readonly n: number;
      readonly outcome:
        | { readonly state: "done"; readonly result: string; readonly suspicion?: string }
        | { readonly state: "failed" | "unknown"; readonly error: ErrorRecord };
    }
  | {
      readonly type: "agentTurnEnded";
      readonly turn: string;
      readonly agent: string;
      readonly text?: string;
      readonly error?: ErrorRecord;
      readonly usage: Usage;
    }
  | { readonly type: "agentTurnCancelled"; readonly turn: string }
  | ({ readonly type: "toolApproved" } & Pick<
      ToolApprovalRow,
      "server" | "tool" | "sha256" | "hazardClass"
    >)
  | { readonly type: "toolForgotten"; readonly server: string; readonly tool?: string };
