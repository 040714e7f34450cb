// Nodes, flags, and the watch over all that is registered.

import { z } from "zod";
import { LIMIT } from "../../base/policy.ts";
import { okSchema, type SomeRoutes } from "./common.ts";

export const flagKeySchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._:-]{0,119}$/, "use a-z 0-9 . _ : -");
const flagViewSchema = z.object({
  key: z.string(),
  value: z.unknown(),
  revision: z.number().int(),
  age_ms: z.number().optional(),
});

export const REGISTRY_SCHEMAS = {
  flags: { reply: z.object({ flags: z.array(flagViewSchema) }) },
  flag: {
    query: z.object({ consistency: z.enum(["linearizable", "leader", "local"]).default("leader") }),
    reply: flagViewSchema,
  },
  flagSet: { body: z.strictObject({ value: z.json() }), reply: flagViewSchema },
  flagDeleted: { reply: okSchema },
  registryWatch: {
    query: z.object({
      /** A revision; 0, the default, for everything there is; `now` for what comes. */
      since: z.union([z.literal("now"), z.coerce.number().int().nonnegative()]).optional(),
      /** node, device, hub, lock, flag; with commas. */
      kinds: z.string().max(100).optional(),
      /** Of KIND/ID. */
      prefix: z.string().max(200).optional(),
      selector: z.string().max(LIMIT.selectorChars.max).optional(),
      /** `json`: what is next, or a progress mark, and an end, instead of a stream. */
      format: z.enum(["sse", "json"]).default("sse"),
    }),
    reply: z.object({ revision: z.number(), messages: z.array(z.unknown()) }),
  },
  registry: {
    query: z.object({ selector: z.string().max(LIMIT.selectorChars.max).optional() }),
    reply: z.object({
      revision: z.number(),
      nodes: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          bootId: z.string(),
          state: z.string(),
          labels: z.record(z.string(), z.string()),
          lastSeenMs: z.number(),
          capabilities: z.unknown(),
        }),
      ),
    }),
  },
} satisfies SomeRoutes;
