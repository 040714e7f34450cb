// What a patch changes, as people and programs read it.

import { z } from "zod";

const field = {
  /** `url`, or `with.text`. */
  field: z.string(),
  /** Left out: it was not there. */
  before: z.json().optional(),
  /** Left out: it is gone. */
  after: z.json().optional(),
};

export const differenceSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.string(),
      type: z.string(),
      change: z.enum(["added", "removed", "changed"]),
      fields: z.array(z.object(field)),
    }),
  ),
  edges: z.array(
    z.object({
      change: z.enum(["added", "removed"]),
      from: z.string(),
      to: z.string(),
      on: z.string().optional(),
    }),
  ),
  /** Of the graph's own output. */
  output: z.object(field).optional(),
});
export type DifferenceView = z.infer<typeof differenceSchema>;

/** `pointer` is into the patch or into the graph; `hint` says what to do. */
export const patchFaultSchema = z.object({
  code: z.string(),
  pointer: z.string(),
  message: z.string(),
  hint: z.string(),
});
