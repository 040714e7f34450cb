// Locks, and the client sessions that hold them.

import { z } from "zod";
import { LIFE, TIMEOUT } from "../../base/policy.ts";
import { idSchema, okSchema, type SomeRoutes } from "./common.ts";

export const lockViewSchema = z.object({
  name: z.string(),
  owner: z.string(),
  by: z.string(),
  /** Fencing token: the owner of the thing refuses smaller ones. */
  token: z.number().int(),
  ttlMs: z.number().int(),
  acquiredAt: z.iso.datetime(),
  node: z.string().optional(),
  session: z.string().optional(),
  /** Who waits for it, the next one first. */
  waiting: z
    .array(
      z.object({
        owner: z.string(),
        by: z.string(),
        ticket: z.number().int(),
        since: z.iso.datetime(),
        until: z.iso.datetime(),
      }),
    )
    .optional(),
});
export type LockView = z.infer<typeof lockViewSchema>;
const deadlockViewSchema = z.object({
  at: z.iso.datetime(),
  /** Each waits for `lock`, which the next one holds or is to get first; the first was refused. */
  cycle: z.array(z.object({ owner: z.string(), by: z.string(), lock: z.string() })),
});
const lockGivenSchema = z.object({
  name: z.string(),
  owner: z.string(),
  token: z.number().int(),
  ttlMs: z.number().int(),
});

export const LOCK_SCHEMAS = {
  clientSessionOpened: {
    body: z.strictObject({}),
    reply: z.object({ session: z.string(), idleS: z.number() }),
  },
  clientSessionClosed: { reply: okSchema },
  locks: {
    reply: z.object({
      revision: z.number(),
      locks: z.array(lockViewSchema),
      /** The last ones, the newest first. */
      deadlocks: z.array(deadlockViewSchema).optional(),
    }),
  },
  lock: { reply: lockViewSchema },
  lockAcquired: {
    body: z.strictObject({
      /** Names the holder; default: the person of the token. */
      owner: z.string().min(1).max(120).optional(),
      ttlMs: z.number().int().min(1_000).max(86_400_000).default(LIFE.lockMs),
      /** It ends with this node, or with this session. */
      node: idSchema.optional(),
      session: idSchema.optional(),
      /**
       * Of a lock that is held: answer when it is this owner's turn, at the latest after `waitMs`.
       * With an Idempotency-Key the wait outlives the connection: the same request finds its place.
       */
      wait: z.boolean().default(false),
      waitMs: z.number().int().min(1).max(TIMEOUT.lockWaitMs).default(LIFE.lockWaitMs),
    }),
    reply: lockGivenSchema,
  },
  lockWaitCancelled: {
    query: z.object({
      /** As given when waiting; default: the person of the token. */
      owner: z.string().min(1).max(120).optional(),
    }),
    reply: okSchema,
  },
  lockRenewed: {
    body: z.strictObject({ token: z.number().int().positive() }),
    reply: lockGivenSchema,
  },
  lockReleased: {
    query: z.object({ token: z.coerce.number().int().positive() }),
    reply: okSchema,
  },
} satisfies SomeRoutes;
