// Workflows: what is kept, under which names.

import { z } from "zod";
import { FIDELITIES } from "../run-rows.ts";
import { documentSchema, okSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";
import { differenceSchema, patchFaultSchema } from "./differences.ts";

export const workflowNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "use letters, digits, . _ -");
/** `main`, `exp/fast` ... */
export const tagSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/, "use letters, digits, . _ - /");
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");

const stampSchema = z.object({ sha256: z.string(), at: z.iso.datetime(), by: z.string() });

export const workflowViewSchema = z.object({
  name: z.string(),
  fidelity: z.enum(FIDELITIES),
  /** The newest last. */
  versions: z.array(stampSchema),
  tags: z.record(z.string(), stampSchema),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  /** Of the newest version: what a patch for it may send as If-Match. */
  revision: z.number().int(),
  /** Patches that are not in it yet. */
  waiting: z.number().int(),
  /** Of the version asked for; not in lists. */
  sha256: z.string().optional(),
  graph: documentSchema.optional(),
});
export type WorkflowView = z.infer<typeof workflowViewSchema>;

export const LIBRARY_STATES = ["waiting", "made", "refused"] as const;

export const libraryPatchSchema = z.object({
  workflow: z.string(),
  number: z.number().int(),
  state: z.enum(LIBRARY_STATES),
  by: z.string(),
  reason: z.string(),
  at: z.iso.datetime(),
  /** Of the workflow with it: the log position at which it was taken. */
  revision: z.number().int(),
  operations: z.array(z.unknown()),
  /** What takes it back, right after it. */
  inverse: z.array(z.unknown()),
  tag: z.string().optional(),
  reverts: z.number().int().optional(),
  revertedBy: z.number().int().optional(),
  decidedAt: z.iso.datetime().optional(),
  /** The version that has it. */
  version: z.string().optional(),
  faults: z.array(patchFaultSchema).optional(),
  /** Of one; left out where the graphs are not known any more, or not yet. */
  difference: differenceSchema.optional(),
});
export type LibraryPatchView = z.infer<typeof libraryPatchSchema>;

const lagSchema = z.object({
  waiting: z.number().int(),
  /** Since the oldest of them came in; 0: none waits. */
  lagMs: z.number().int(),
});

const libraryAsk = {
  reason: z.string().min(1).max(1_000),
  /** What the version with it is to be named; left out: tags stay as they are. */
  tag: tagSchema.optional(),
};

const takenSchema = z.object({
  workflow: z.string(),
  patch: z.number().int(),
  state: z.literal("waiting"),
  revision: z.number().int(),
  /** Where to look what became of it. */
  status: z.string(),
  /** When it is made at the latest, by the hub's clock. */
  dueAt: z.iso.datetime(),
});

export const WORKFLOW_SCHEMAS = {
  workflowPatches: {
    query: pageQuerySchema,
    reply: pageOf("patches", libraryPatchSchema).extend({ lag: lagSchema }),
  },
  workflowPatch: { reply: libraryPatchSchema },
  workflowPatched: {
    body: z.strictObject({ operations: z.array(z.unknown()).min(1), ...libraryAsk }),
    reply: takenSchema,
  },
  workflowPatchReverted: {
    body: z.strictObject({ patch: z.number().int().positive(), ...libraryAsk }),
    reply: takenSchema,
  },
  library: {
    reply: lagSchema.extend({
      /** A batch is made when so many wait, or so long after the first. */
      batch: z.object({ patchesMax: z.number().int(), waitMs: z.number().int() }),
      workflows: z.array(lagSchema.extend({ workflow: z.string() })),
      batches: z.number().int(),
      made: z.number().int(),
      refused: z.number().int(),
      last: z
        .object({
          workflow: z.string(),
          patches: z.number().int(),
          waitedMs: z.number().int(),
          at: z.iso.datetime(),
        })
        .optional(),
    }),
  },
  workflows: { query: pageQuerySchema, reply: pageOf("workflows", workflowViewSchema) },
  workflow: {
    query: z.object({ tag: tagSchema.optional(), version: sha256Schema.optional() }),
    reply: workflowViewSchema,
  },
  workflowKept: {
    body: z.strictObject({
      /** Left out: the graph alone is kept, to be started as sha256:HEX. */
      name: workflowNameSchema.optional(),
      /** shared/contract/workflow.ts; what is wrong with it is told with pointers. */
      graph: z.unknown(),
      tag: tagSchema.optional(),
      fidelity: z.enum(FIDELITIES).optional(),
      /** Say what is wrong with it, and keep nothing. */
      check: z.boolean().default(false),
    }),
    reply: z.object({
      name: z.string().optional(),
      sha256: z.string(),
      nodes: z.number().int(),
      kept: z.boolean(),
    }),
  },
  workflowTagged: {
    body: z.strictObject({ sha256: sha256Schema }),
    reply: workflowViewSchema,
  },
  workflowUntagged: { reply: okSchema },
} satisfies SomeRoutes;
