// Who may come in: people, tokens, sessions of the console, join codes of nodes.

import { z } from "zod";
import { ROLES } from "../roles.ts";
import { idSchema, okSchema, type SomeRoutes } from "./common.ts";

export const meSchema = z.object({ person: z.string(), role: z.enum(ROLES), token: z.string() });

export const ACCESS_SCHEMAS = {
  me: { reply: meSchema },
  sessionOpened: { body: z.strictObject({ token: z.string().min(1).max(200) }), reply: meSchema },
  sessionClosed: { reply: okSchema },
  tokens: {
    reply: z.object({
      tokens: z.array(
        z.object({
          id: z.string(),
          person: z.string(),
          role: z.enum(ROLES),
          createdAt: z.iso.datetime(),
          expiresAt: z.iso.datetime().optional(),
          revoked: z.boolean(),
        }),
      ),
    }),
  },
  tokenMade: {
    body: z.strictObject({
      person: z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,79}$/u),
      role: z.enum(ROLES),
      expiresInS: z.number().int().positive().max(315_360_000).optional(),
    }),
    reply: z.object({ id: z.string(), token: z.string(), person: z.string(), role: z.enum(ROLES) }),
  },
  tokenRevoked: { reply: okSchema },
  joinCodeMade: {
    body: z.strictObject({ name: idSchema }),
    reply: z.object({
      code: z.string(),
      name: z.string(),
      expiresAt: z.iso.datetime(),
      /** Of the hub whose key is in the code: another one would not let the machine in. */
      hub: z.string().optional(),
    }),
  },
} satisfies SomeRoutes;
