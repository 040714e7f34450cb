// What the schemas of several capabilities are made of.

import { z } from "zod";
import type { RouteName } from "../routes.ts";

/** Names that people give: shown, never used as a path. */
export const nameSchema = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._()+-]*$/u, "use letters, digits, space, . _ - ( ) +");

export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "not an id");

export const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/** RFC 9457 with the stable `code` that programs match on. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  hint: z.string(),
  requestId: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/** Pages: `after` is the cursor of the page before; the newest come first unless said otherwise. */
export const pageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  after: z.string().max(200).optional(),
});
export const pageOf = <N extends string, T extends z.ZodType>(name: N, item: T) => {
  // A computed key widens to string; this keeps its name for the types made of it.
  const list = { [name]: z.array(item) } as Record<N, z.ZodArray<T>>;
  return z.object({ ...list, next: z.string().optional() });
};

export interface RouteSchemas {
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly reply: z.ZodType;
}

/** What a file here gives to the table: some routes, and nothing that is none. */
export type SomeRoutes = Readonly<Partial<Record<RouteName, RouteSchemas>>>;

export const okSchema = z.object({ ok: z.literal(true) });
/** Any JSON object: what another standard, or the product's own description, says is in it. */
export const documentSchema = z.record(z.string(), z.unknown());
