// Turns of agents and tools, as people and programs ask for them and see them.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { AGENT_MODES, STEP_STATES, TOOL_EFFECTS, TURN_STATES } from "../agents.ts";
import { HAZARD_CLASSES, PERSON_ROLES } from "../roles.ts";
import {
  documentSchema,
  errorSchema,
  okSchema,
  pageOf,
  pageQuerySchema,
  type SomeRoutes,
} from "./common.ts";
import { usageSchema } from "./asking.ts";
import { confirmationViewSchema } from "./confirmations.ts";

const toolNameSchema = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, "use letters, digits, _ . -");

const voiceSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, "use a-z 0-9 _ -"),
  model: z.string().max(240).optional(),
  temperature: z.number().min(0).max(2).optional(),
  role: z.string().max(1_000).optional(),
});

const budgetSchema = z.strictObject({
  steps: z.number().int().min(1).max(LIMIT.agentSteps.max).default(16),
  tokens: z.number().int().min(1).max(10_000_000).default(50_000),
  timeS: z.number().min(1).max(3_600).default(300),
  costUsd: z.number().min(0).max(10_000).default(1),
});

export const agentStartSchema = z.strictObject({
  goal: z.string().min(1).max(LIMIT.agentGoalChars.max),
  mode: z.enum(["solo", "council", "debate", "pipeline"]).default("solo"),
  model: z.string().max(240).optional(),
  /** Left out: every tool of your role. */
  tools: z.array(toolNameSchema).max(200).optional(),
  voices: z.array(voiceSchema).max(LIMIT.agentVoices.max).default([]),
  /** Of a debate. */
  rounds: z.number().int().min(1).max(4).default(2),
  budget: budgetSchema.prefault({}),
  /** Answer when it has ended or waits for a person, not at once. */
  wait: z.boolean().default(false),
});
export type AgentStart = z.output<typeof agentStartSchema>;

export const stepViewSchema = z.object({
  n: z.number().int(),
  agent: z.string(),
  kind: z.enum(["tool", "say"]),
  tool: z.string().optional(),
  arguments: documentSchema.optional(),
  state: z.enum(STEP_STATES),
  hazardClass: z.enum(HAZARD_CLASSES).optional(),
  result: z.string().optional(),
  error: errorSchema.optional(),
  suspicion: z.string().optional(),
  confirmation: confirmationViewSchema.optional(),
  usage: usageSchema,
  at: z.string(),
  tookMs: z.number().optional(),
});
export type StepView = z.infer<typeof stepViewSchema>;

export const turnViewSchema = z.object({
  id: z.string(),
  by: z.string(),
  goal: z.string(),
  mode: z.enum(AGENT_MODES),
  state: z.enum(TURN_STATES),
  steps: z.array(stepViewSchema),
  answer: z.string().optional(),
  error: errorSchema.optional(),
  usage: usageSchema,
  /** By voice; together they are `usage`. */
  costs: z.record(z.string(), usageSchema),
  tookMs: z.number(),
  at: z.string(),
});
export type TurnView = z.infer<typeof turnViewSchema>;

export const toolViewSchema = z.object({
  name: z.string(),
  title: z.string(),
  description: z.string(),
  inputSchema: documentSchema,
  hazardClass: z.enum(HAZARD_CLASSES),
  effect: z.enum(TOOL_EFFECTS),
  role: z.enum(PERSON_ROLES),
  destructive: z.boolean(),
  idempotent: z.boolean(),
  /** It reaches things outside of this house. */
  openWorld: z.boolean(),
  /** Of another MCP server. */
  server: z.string().optional(),
});
export type ToolView = z.infer<typeof toolViewSchema>;

export const toolReplySchema = z.object({
  /** What it gave, where it was done at once or while the caller waited. */
  result: z.unknown().optional(),
  error: errorSchema.optional(),
  /** Of effects: the turn that holds the step. */
  turn: z.string().optional(),
  confirmation: confirmationViewSchema.optional(),
});
export type ToolReply = z.infer<typeof toolReplySchema>;

const mcpToolSchema = z.object({
  name: z.string(),
  description: z.string(),
  sha256: z.string(),
  /** new: nobody has agreed to it. changed: it is not what was agreed to, and is not offered. */
  state: z.enum(["approved", "new", "changed"]),
  hazardClass: z.enum(HAZARD_CLASSES).optional(),
  by: z.string().optional(),
});

export const AGENT_SCHEMAS = {
  agentTurns: { query: pageQuerySchema, reply: pageOf("turns", turnViewSchema) },
  agentStarted: { body: agentStartSchema, reply: turnViewSchema },
  agentTurn: { reply: turnViewSchema },
  agentCancelled: { reply: turnViewSchema },
  tools: { reply: z.object({ tools: z.array(toolViewSchema) }) },
  toolCalled: {
    body: z.strictObject({
      arguments: documentSchema.default({}),
      /** Longest wait for an effect to be done, s; a wait for a person's word is not waited for. */
      waitS: z.number().min(0).max(60).default(30),
    }),
    reply: toolReplySchema,
  },
  mcpServers: {
    reply: z.object({
      servers: z.array(
        z.object({
          name: z.string(),
          kind: z.enum(["stdio", "http"]),
          /** `offline` with the reason in `error`. */
          state: z.enum(["online", "offline", "resting"]),
          error: z.string().optional(),
          tools: z.array(mcpToolSchema),
        }),
      ),
    }),
  },
  mcpToolApproved: {
    body: z.strictObject({
      tool: z.string().min(1).max(128),
      /** As `mcpServers` shows it: what you have read is what you agree to. */
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      hazardClass: z.enum(HAZARD_CLASSES),
    }),
    reply: okSchema,
  },
  mcpToolRemoved: {
    query: z.object({ tool: z.string().max(128).optional() }),
    reply: okSchema,
  },
  mcpPosted: { reply: documentSchema },
  mcpStreamed: { reply: documentSchema },
  mcpEnded: { reply: documentSchema },
} satisfies SomeRoutes;
