// Workflows: what is kept, under which names.

import { z } from "zod";
import { FIDELITIES } from "../run-rows.ts";
import { documentSchema, okSchema, pageOf, pageQuerySchema, type SomeRoutes } from "./common.ts";

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
  /** Of the version asked for; not in lists. */
  sha256: z.string().optional(),
  graph: documentSchema.optional(),
});
export type WorkflowView = z.infer<typeof workflowViewSchema>;

export const WORKFLOW_SCHEMAS = {
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
