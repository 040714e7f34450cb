// Workflows as people and agents write them: a graph of named nodes as plain data. What runs is this
// base with patches on top; the base itself never changes and is named by its content's sha256.
//
// Expressions are CEL, written "${...}": alone in a text they give their value, within a text they
// become text, and "$${" is a plain "${". A field that is an expression as a whole (`when`, `while`,
// `over`, `until`) needs no "${}". They see `inputs`; `nodes.ID.output`, `.state` and `.error` of nodes
// that came before; in a body also `item`, `index` (map) or `state`, `round` (loop, from 0), and what is
// seen around it.
//
// A node begins when all edges that lead to it are known: each is taken or it is not. A run ends when
// nothing in it can move any more. A node that fails fails its graph, unless an edge goes on from it
// (`failed` or `always`); a rejection likewise (`rejected` or `always`).

import { z } from "zod";
import { DOCUMENT_FORMATS } from "./documents.ts";
import { JOB_CLASSES } from "./rows.ts";
import { PERSON_ROLES } from "./roles.ts";
import type { RunBudget } from "./run-rows.ts";

/** 1 to 64 letters, digits, `.` `_` `-`; the first is a letter or a digit. */
export const nodeIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);

const expression = z.string().min(1).max(10_000);
const values = z.record(z.string().max(200), z.json());
const durationMs = z
  .int()
  .min(1)
  .max(365 * 86_400_000);

/**
 * First try included; between tries the pause doubles from `delayMs`, with jitter, up to `delayMaxMs`.
 * Of http, agent, task and subworkflow nodes.
 */
export const retrySchema = z.strictObject({
  attempts: z.int().min(1).max(100),
  delayMs: z.int().min(0).max(86_400_000).default(1_000),
  delayMaxMs: z.int().min(0).max(86_400_000).default(60_000),
});

const common = {
  title: z.string().max(200).optional(),
  retry: retrySchema.optional(),
  /** Of one attempt. */
  timeoutMs: durationMs.optional(),
  /** `once`: its intent is in the log before it begins, and a loss in the middle is for a person. */
  effect: z.enum(["pure", "idempotent", "once"]).optional(),
  /** An equal call (type, settings, values) within this time gets the stored output. Pure ones only. */
  cache: z.strictObject({ ttlMs: durationMs }).optional(),
  /**
   * Done, in reverse order, when the run fails or is cancelled after this node was done. That node has
   * no edges, undoes this one alone, and is of type function, http, agent or task.
   */
  undo: nodeIdSchema.optional(),
  /** `all` edges that come in must be taken (default), or `any` of them; else the node is skipped. */
  needs: z.enum(["all", "any"]).optional(),
};

const functionNode = z.strictObject({
  ...common,
  type: z.literal("function"),
  /** A name of FUNCTIONS (hub/workflow/functions.ts). */
  function: z.string().min(1).max(100),
  with: values.default({}),
});

const httpNode = z.strictObject({
  ...common,
  type: z.literal("http"),
  method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]).default("GET"),
  url: z.string().min(1).max(4_000),
  headers: z.record(z.string().max(200), z.string().max(4_000)).default({}),
  body: z.json().optional(),
  responseBytesMax: z.int().min(1).max(8_388_608).default(1_048_576),
});

const agentNode = z.strictObject({
  ...common,
  type: z.literal("agent"),
  prompt: z.string().min(1).max(100_000),
  system: z.string().max(100_000).optional(),
  model: z.string().max(200).optional(),
  maxTokens: z.int().min(1).max(32_768).optional(),
  /** The output is JSON of this schema; without it, {text}. */
  schema: z.record(z.string(), z.json()).optional(),
  /** It may propose a patch to this run; `ask`: a person decides. */
  patches: z.enum(["no", "ask", "apply"]).default("no"),
});

/** Work for a node agent, or for a program that leases from a queue. */
const taskNode = z.strictObject({
  ...common,
  type: z.literal("task"),
  queue: z.string().min(1).max(100).default("tasks"),
  /** What the worker must be able to do: `command:NAME`, `embed`, or any name of a program's own. */
  capability: z.string().min(1).max(200),
  class: z.enum(JOB_CLASSES).default("normal"),
  with: values.default({}),
});

const joinNode = z.strictObject({
  ...common,
  type: z.literal("join"),
  /**
   * Done as soon as this many incoming edges are taken: the rest no longer count, and nodes after it
   * read the outputs of those here, as {taken: [ID], outputs: {ID: output}}. Left out: done once all
   * are known and one is taken, as {taken: [ID]}.
   */
  count: z.int().min(1).max(10_000).optional(),
});

const branchNode = z.strictObject({
  ...common,
  type: z.literal("branch"),
  /** The first that is true names the edges that are taken; `otherwise` if none is. */
  cases: z
    .array(z.strictObject({ when: expression, take: z.string().min(1).max(64) }))
    .min(1)
    .max(100),
  otherwise: z.string().min(1).max(64).optional(),
});

const approvalNode = z.strictObject({
  ...common,
  type: z.literal("approval"),
  question: z.string().min(1).max(4_000),
  role: z.enum(PERSON_ROLES).default("maker"),
  people: z.array(z.string().max(200)).max(100).optional(),
  /** How many different people must say yes. */
  approvals: z.int().min(1).max(10).default(1),
  waitMs: durationMs.default(86_400_000),
  /** Who is asked as well once `waitMs` is over; then it waits as long again. */
  escalateTo: z.enum(PERSON_ROLES).optional(),
  /** What silence means in the end. */
  onTimeout: z.enum(["approve", "reject", "fail"]).default("reject"),
});

const timerNode = z.strictObject({
  ...common,
  type: z.literal("timer"),
  delayMs: durationMs.optional(),
  /** Gives ms since 1970, or an ISO 8601 time with its zone. */
  until: expression.optional(),
});

const subworkflowNode = z.strictObject({
  ...common,
  type: z.literal("subworkflow"),
  /** `NAME`, `NAME@TAG` or `sha256:HEX`; fixed when the run starts. */
  workflow: z.string().min(1).max(200),
  with: values.default({}),
});

const artifactNode = z.strictObject({
  ...common,
  type: z.literal("artifact"),
  name: z.string().min(1).max(200),
  mediaType: z.string().max(200).default("application/json"),
  /** What is kept: text as it is, all else as JSON. */
  value: z.json(),
});

/** A report for people, kept as files; its output names them. */
const documentNode = z.strictObject({
  ...common,
  type: z.literal("document"),
  title: z.string().min(1).max(200),
  author: z.string().max(200).default(""),
  formats: z.array(z.enum(DOCUMENT_FORMATS)).min(1).max(4).default(["md"]),
  /**
   * Text is Markdown; `{blocks: [...]}` is a document as shared/contract/documents.ts has them; anything
   * else is written out by its members. Left out: what the run has come to so far.
   */
  content: z.json().optional(),
});

export interface Edge {
  readonly from: string;
  readonly to: string;
  /**
   * Taken when the node ends so: `done` (default; from an approval `approved`), `failed`, `skipped`,
   * `always`, or what a branch took, or `approved`, `rejected`.
   */
  readonly on?: string | undefined;
}

const edgeSchema = z.strictObject({
  from: nodeIdSchema,
  to: nodeIdSchema,
  on: z.string().min(1).max(64).optional(),
});

type Simple =
  | z.infer<typeof functionNode>
  | z.infer<typeof httpNode>
  | z.infer<typeof agentNode>
  | z.infer<typeof taskNode>
  | z.infer<typeof joinNode>
  | z.infer<typeof branchNode>
  | z.infer<typeof approvalNode>
  | z.infer<typeof timerNode>
  | z.infer<typeof subworkflowNode>
  | z.infer<typeof artifactNode>
  | z.infer<typeof documentNode>;

interface Common {
  readonly title?: string | undefined;
  readonly retry?: z.infer<typeof retrySchema> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly effect?: "pure" | "idempotent" | "once" | undefined;
  readonly cache?: { readonly ttlMs: number } | undefined;
  readonly undo?: string | undefined;
  readonly needs?: "all" | "any" | undefined;
}

/** Its body runs once for each item; the output is the list of the bodies' outputs, in order. */
export interface MapNode extends Common {
  readonly type: "map";
  readonly over: string;
  readonly body: Graph;
  readonly maxParallel: number;
  /** So many items may fail; their place in the output holds {error}. */
  readonly tolerate: number;
}

/**
 * Its body runs while `while` is true of `state`; each round's output is the next `state`, the last one
 * the output. It fails if that is still true after `maxRounds`.
 */
export interface LoopNode extends Common {
  readonly type: "loop";
  readonly start?: z.infer<ReturnType<typeof z.json>> | undefined;
  readonly while: string;
  readonly body: Graph;
  readonly maxRounds: number;
}

export type WorkflowNode = Simple | MapNode | LoopNode;
export type NodeType = WorkflowNode["type"];

export const runBudgetSchema = z
  .strictObject({
    costUsd: z.number().positive().max(1_000_000),
    tokens: z.int().min(1),
    timeMs: durationMs,
    tasks: z.int().min(1).max(1_000_000),
  })
  .partial()
  .refine((budget) => Object.keys(budget).length > 0, "name one bound at least");

/** What a run is given. `required` unless it has a default. */
const inputSchema = z.strictObject({
  title: z.string().max(200).optional(),
  type: z.enum(["string", "number", "boolean", "object", "list", "any"]).default("any"),
  default: z.json().optional(),
  required: z.boolean().optional(),
});
export type InputRule = z.infer<typeof inputSchema>;

export interface Graph {
  /** Left out: any inputs will do. */
  readonly inputs?: Readonly<Record<string, InputRule>> | undefined;
  /** Of each run; a start may narrow it. Of a body it means nothing. */
  readonly budget?: RunBudget | undefined;
  /** Calls, turns, jobs and documents of a run at a time; left out: as many as may, agents ten. */
  readonly maxParallel?: number | undefined;
  readonly nodes: Readonly<Record<string, WorkflowNode>>;
  readonly edges: readonly Edge[];
  /** What the graph gives; left out: an object with the output of each node that no edge leaves. */
  readonly output?: z.infer<ReturnType<typeof z.json>> | undefined;
}

const mapNode = z.strictObject({
  ...common,
  type: z.literal("map"),
  over: expression,
  get body(): z.ZodType<Graph> {
    return graphSchema;
  },
  maxParallel: z.int().min(1).max(1_000).default(10),
  tolerate: z.int().min(0).max(10_000).default(0),
});

const loopNode = z.strictObject({
  ...common,
  type: z.literal("loop"),
  start: z.json().optional(),
  while: expression,
  get body(): z.ZodType<Graph> {
    return graphSchema;
  },
  maxRounds: z.int().min(1).max(10_000).default(100),
});

const nodeSchema: z.ZodType<WorkflowNode> = z.discriminatedUnion("type", [
  functionNode,
  httpNode,
  agentNode,
  taskNode,
  joinNode,
  branchNode,
  approvalNode,
  timerNode,
  subworkflowNode,
  artifactNode,
  documentNode,
  mapNode,
  loopNode,
]);

export const graphSchema: z.ZodType<Graph> = z.lazy(() =>
  z.strictObject({
    inputs: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), inputSchema).optional(),
    budget: runBudgetSchema.optional(),
    maxParallel: z.int().min(1).max(1_000).optional(),
    nodes: z.record(nodeIdSchema, nodeSchema),
    edges: z.array(edgeSchema).max(100_000).default([]),
    output: z.json().optional(),
  }),
);
