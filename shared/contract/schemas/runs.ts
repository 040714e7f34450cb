// Runs of workflows, and the approvals they wait for.

import { z } from "zod";
import { ROLES } from "../roles.ts";
import { FIDELITIES, REPLAY_MODES, RUN_PHASES, TICKET_STATES } from "../run-rows.ts";
import { runBudgetSchema } from "../workflow.ts";
import { documentSchema, idSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";
import { differenceSchema, patchFaultSchema } from "./differences.ts";

/** As hub/workflow/engine-types.ts has them. */
export const RUN_NODE_STATES = [
  "pending",
  "ready",
  "running",
  "waiting",
  "done",
  "failed",
  "skipped",
  "cancelled",
  "unknown",
] as const;

export const RUN_TIERS = ["memory", "hot", "history", "archive"] as const;

const faultSchema = z.object({
  code: z.string(),
  message: z.string(),
  place: z.string().optional(),
});

export const runNodeSchema = z.object({
  /** Path through maps and loops: `each[3]/step`. */
  place: z.string(),
  type: z.string(),
  state: z.enum(RUN_NODE_STATES),
  attempt: z.number().int(),
  output: z.unknown().optional(),
  fault: faultSchema.optional(),
  take: z.string().optional(),
  dueAt: z.iso.datetime().optional(),
});

const summary = {
  id: z.string(),
  workflow: z.string().optional(),
  /** sha256 of the base graph. */
  version: z.string(),
  state: z.enum(RUN_PHASES),
  /** Patches so far. */
  revision: z.number().int(),
  by: z.string(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  error: faultSchema.optional(),
  parent: z.string().optional(),
  replayOf: z.string().optional(),
  /** It began in the middle of that run. */
  forkOf: z.string().optional(),
  /** Log positions: its events are between them, both included. */
  positions: z.object({ first: z.number().int(), last: z.number().int().optional() }).optional(),
  costUsd: z.number().optional(),
  /** Where it is kept: `memory` while it runs, then rows, then compressed packs. */
  tier: z.enum(RUN_TIERS),
};
export const runSummarySchema = z.object(summary);
export type RunSummary = z.infer<typeof runSummarySchema>;

export const runViewSchema = z.object({
  ...summary,
  fidelity: z.enum(FIDELITIES),
  inputs: documentSchema,
  budget: runBudgetSchema.optional(),
  /** Of its budget, those below it included. */
  spent: z
    .object({ costUsd: z.number(), tokens: z.number().int(), tasks: z.number().int() })
    .optional(),
  nodes: z.array(runNodeSchema),
  edges: z.array(z.object({ from: z.string(), to: z.string(), on: z.string().optional() })),
  /** Open approvals by place. */
  approvals: z.record(z.string(), z.string()),
  children: z.record(z.string(), z.string()),
  /** Of a run that is done. */
  result: z.unknown().optional(),
});
export type RunView = z.infer<typeof runViewSchema>;

export const approvalViewSchema = z.object({
  id: z.string(),
  run: z.string(),
  place: z.string(),
  workflow: z.string().optional(),
  state: z.enum(TICKET_STATES),
  question: z.string(),
  roles: z.array(z.enum(ROLES)),
  people: z.array(z.string()),
  approvals: z.number().int(),
  votes: z.array(
    z.object({
      by: z.string(),
      approve: z.boolean(),
      reason: z.string(),
      at: z.iso.datetime(),
    }),
  ),
  escalated: z.boolean(),
  /** It is about a patch: GET .../patch says what that would change. */
  isPatch: z.literal(true).optional(),
  dueAt: z.iso.datetime(),
  createdAt: z.iso.datetime(),
});
export type ApprovalView = z.infer<typeof approvalViewSchema>;

/** `NAME`, `NAME@TAG` or `sha256:HEX`. */
const workflowRefSchema = z
  .string()
  .regex(
    /^(?:sha256:[0-9a-f]{64}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:@[A-Za-z0-9][A-Za-z0-9._/-]{0,99})?)$/,
    "use NAME, NAME@TAG or sha256:HEX",
  );

export const runStartSchema = z.strictObject({
  workflow: workflowRefSchema.optional(),
  /** Instead of `workflow`: a graph of its own. */
  graph: z.unknown().optional(),
  inputs: z.record(z.string().max(200), z.json()).default({}),
  fidelity: z.enum(FIDELITIES).optional(),
  /** Besides that of the workflow: the narrower bound counts. */
  budget: runBudgetSchema.optional(),
});
export type RunStart = z.infer<typeof runStartSchema>;

const runStateSchema = z.object({ id: z.string(), state: z.enum(RUN_PHASES) });
const acceptedSchema = z.object({ run: runStateSchema });
const patchedSchema = z.object({
  run: runStateSchema,
  revision: z.number().int(),
  /** It needs a person's word: not applied yet. */
  approval: z.string().optional(),
});
const reason = z.string().max(1_000);
const whySchema = z.strictObject({ reason: reason.default("") });
const whyNotSchema = z.strictObject({ reason: reason.min(1) });

const runPatchSchema = z.object({
  number: z.number().int(),
  by: z.string(),
  reason: z.string(),
  at: z.iso.datetime(),
  operations: z.array(z.unknown()),
  reverts: z.number().int().optional(),
  approvedBy: z.string().optional(),
});

const comparedSchema = z.object({
  id: z.string(),
  version: z.string(),
  state: z.enum(RUN_PHASES),
  patches: z.array(z.object({ number: z.number().int(), reason: z.string() })),
  tookMs: z.number().int().optional(),
  costUsd: z.number().optional(),
  error: faultSchema.optional(),
});

export const runComparisonSchema = z.object({
  runs: z.tuple([comparedSchema, comparedSchema]),
  /** They were started of one version: what differs comes of patches and of the world. */
  sameBase: z.boolean(),
  sameInputs: z.boolean(),
  sameResult: z.boolean(),
  /** From the first one's graph, as it is now, to the second one's. */
  difference: differenceSchema,
  /** Where they differ, the first 500. null: it is not in that run. */
  places: z.array(
    z.object({
      place: z.string(),
      states: z.tuple([z.string().nullable(), z.string().nullable()]),
      attempts: z.tuple([z.number().int(), z.number().int()]),
      sameOutput: z.boolean(),
    }),
  ),
  placesDiffering: z.number().int(),
});
export type RunComparison = z.infer<typeof runComparisonSchema>;

export const RUN_SCHEMAS = {
  runStarted: { body: runStartSchema, reply: acceptedSchema },
  /** The body is NDJSON of `runStartSchema`, the reply NDJSON of these. */
  runsStarted: {
    reply: z.object({
      run: runStateSchema.optional(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
    }),
  },
  runs: {
    query: pageQuerySchema.extend({
      state: z.enum(RUN_PHASES).optional(),
      workflow: z.string().max(64).optional(),
      /** Who started it. */
      by: z.string().max(120).optional(),
      /** Started at or after, and before. */
      from: z.iso.datetime({ offset: true }).optional(),
      to: z.iso.datetime({ offset: true }).optional(),
      /** Ended at or after, and before: the last end first. */
      endedFrom: z.iso.datetime({ offset: true }).optional(),
      endedTo: z.iso.datetime({ offset: true }).optional(),
      /** Of runs that are over: all of these words are in name, inputs, result or fault. */
      text: z.string().max(200).optional(),
      /** `cost`: one page of those that are over, the dearest first, without a cursor. */
      sort: z.enum(["time", "cost"]).default("time"),
      /** The subworkflows of this run. */
      parent: idSchema.optional(),
    }),
    reply: pageOf("runs", runSummarySchema),
  },
  run: { reply: runViewSchema },
  runTimeline: {
    query: pageQuerySchema,
    reply: pageOf(
      "entries",
      z.object({
        position: z.number().int(),
        at: z.iso.datetime(),
        by: z.string(),
        /** Patches that the graph had: this is what version BASE+N did. Left out: none. */
        revision: z.number().int().optional(),
        items: z.array(
          z.object({
            what: z.string(),
            place: z.string().optional(),
            attempt: z.number().int().optional(),
            note: z.string().optional(),
          }),
        ),
      }),
    ),
  },
  runOutput: {
    query: z.object({ place: z.string().min(1).max(1_000) }),
    reply: z.object({
      place: z.string(),
      output: z.unknown(),
      /** Where it is kept as a blob. */
      sha256: z.string().optional(),
    }),
  },
  runCompared: { query: z.object({ with: idSchema }), reply: runComparisonSchema },
  runPatches: { reply: z.object({ patches: z.array(runPatchSchema) }) },
  runPatch: { reply: runPatchSchema.extend({ difference: differenceSchema }) },
  runEvents: {
    query: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      types: z.string().max(1_000).optional(),
    }),
    reply: z.object({ events: z.array(z.unknown()) }),
  },
  runCancelled: { body: whySchema, reply: acceptedSchema },
  runPaused: { reply: acceptedSchema },
  runResumed: { reply: acceptedSchema },
  runRetried: {
    body: z.strictObject({ node: z.string().max(64).optional() }),
    reply: acceptedSchema,
  },
  runResolved: {
    body: z.strictObject({
      place: z.string().min(1).max(1_000),
      outcome: z.enum(["done", "failed", "again"]),
      output: z.json().optional(),
      reason: reason.min(1),
    }),
    reply: acceptedSchema,
  },
  runPatched: {
    body: z.strictObject({ operations: z.array(z.unknown()).min(1), reason: reason.min(1) }),
    reply: patchedSchema,
  },
  runPatchProposed: {
    body: z.strictObject({
      sentence: z.string().trim().min(1).max(1_000),
      /** false: say what it would be, and change nothing. */
      apply: z.boolean().default(true),
    }),
    reply: z.discriminatedUnion("kind", [
      z.object({
        kind: z.literal("patch"),
        /** `grammar`: it was understood without a model. */
        by: z.enum(["grammar", "model"]),
        /** Answers of the model until one fitted. */
        tries: z.number().int(),
        operations: z.array(z.unknown()),
        difference: differenceSchema.optional(),
        applied: z.boolean(),
        needsApproval: z.boolean(),
        revision: z.number().int().optional(),
        /** It waits for a person's word. */
        approval: z.string().optional(),
      }),
      /** Say it again, and more exactly. */
      z.object({
        kind: z.literal("question"),
        question: z.string(),
        choices: z.array(z.string()),
      }),
    ]),
  },
  runPatchReverted: {
    body: z.strictObject({ patch: z.number().int().positive(), reason: reason.min(1) }),
    reply: patchedSchema,
  },
  runRestored: { reply: acceptedSchema },
  runReplayed: {
    body: z.strictObject({
      mode: z.enum(REPLAY_MODES).default("freeze"),
      /** shadow: another version, or other inputs. */
      workflow: workflowRefSchema.optional(),
      inputs: z.record(z.string().max(200), z.json()).optional(),
      /** What comes before this node of its graph is as it was, and is not done again. */
      from: z.string().max(64).optional(),
      /** The same by time: what had ended by this log position is as it was. */
      at: z.number().int().nonnegative().optional(),
    }),
    reply: acceptedSchema,
  },
  approvals: {
    query: pageQuerySchema.extend({ state: z.enum(["open", "all"]).default("open") }),
    reply: pageOf("approvals", approvalViewSchema),
  },
  approval: { reply: approvalViewSchema },
  approvalPatch: {
    reply: z.object({
      approval: z.string(),
      run: z.string(),
      by: z.string(),
      reason: z.string(),
      operations: z.array(z.unknown()),
      difference: differenceSchema.optional(),
      /** Instead of it: the run has changed, and the patch does not fit any more. */
      faults: z.array(patchFaultSchema).optional(),
    }),
  },
  approvalGiven: { body: whySchema, reply: approvalViewSchema },
  approvalDenied: { body: whyNotSchema, reply: approvalViewSchema },
} satisfies SomeRoutes;
