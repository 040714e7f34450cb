// What goes into each route and what comes out, as zod schemas under the route's name.
// Request objects are strict: an unknown field is refused with its path, except under /v1, where
// OpenAI clients send extras and expect them to be ignored.

import { z } from "zod";
import { LIFE, LIMIT, TIMEOUT } from "../base/policy.ts";
import { HAZARD_CLASSES, ROLES } from "./roles.ts";
import type { RouteName } from "./routes.ts";
import { JOB_CLASSES, PRINT_STATES, TIERS } from "./rows.ts";

/** Names that people give: shown, never used as a path. */
export const nameSchema = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._()+-]*$/u, "use letters, digits, space, . _ - ( ) +");

export const idSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "not an id");
export const flagKeySchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._:-]{0,119}$/, "use a-z 0-9 . _ : -");

const errorSchema = z.object({
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

// ── asking ──────────────────────────────────────────────────────────────────────────────────────

export const querySchema = z.strictObject({
  prompt: z.string().min(1).max(LIMIT.promptChars.max),
  conversationId: idSchema.optional(),
  userId: z.string().max(120).optional(),
  intent: z.string().max(120).optional(),
  payload: z.record(z.string(), z.unknown()).optional(),
  provider: z.string().max(120).optional(),
  model: z.string().max(240).optional(),
  freshnessRequired: z.boolean().optional(),
  useAgent: z.boolean().optional(),
  /** off: rules and the model only talk; auto and on: words may also start acts (with a confirmation). */
  toolMode: z.enum(["auto", "on", "off"]).optional(),
  stream: z.boolean().optional(),
});
export type QueryRequest = z.infer<typeof querySchema>;

export const confirmationViewSchema = z.object({
  id: z.string(),
  phrase: z.string(),
  hazardClass: z.enum(HAZARD_CLASSES),
  summary: z.string(),
  hazards: z.array(z.string()),
  tool: z.string(),
  args: z.record(z.string(), z.unknown()),
  state: z.enum(["pending", "consumed", "cancelled", "expired"]),
  person: z.string(),
  conversationId: z.string().optional(),
  expiresAt: z.iso.datetime(),
  secondsLeft: z.number().int().nonnegative(),
});
export type ConfirmationView = z.infer<typeof confirmationViewSchema>;

export const routingSchema = z.object({
  tier: z.enum(TIERS),
  model: z.string(),
  confidence: z.number().min(0).max(1),
  cached: z.boolean(),
  latencyMs: z.number().nonnegative(),
  reason: z.string(),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export const usageSchema = z.object({
  promptTokens: z.number().int().nonnegative(),
  completionTokens: z.number().int().nonnegative(),
  cachedTokens: z.number().int().nonnegative(),
  costMicroUsd: z.number().int().nonnegative(),
});

export const queryReplySchema = z.object({
  requestId: z.string(),
  conversationId: z.string(),
  messageId: z.string(),
  result: z.object({ output: z.string(), verbosity: z.number().int().min(1).max(5) }),
  routing: routingSchema,
  usage: usageSchema,
  requiresConfirmation: z.boolean(),
  pendingTool: z.string().optional(),
  hazardClass: z.enum(HAZARD_CLASSES).optional(),
  confirmation: confirmationViewSchema.optional(),
  /** The print job that this answer started, or that waits for the confirmation. */
  job: z.object({ id: z.string(), state: z.enum(PRINT_STATES) }).optional(),
});
export type QueryReply = z.infer<typeof queryReplySchema>;

/** SSE of a streamed query: `token` {text} · `reply` QueryReply · `error` problem. */
export const QUERY_STREAM_EVENTS = ["token", "reply", "error"] as const;

export const messageViewSchema = z.object({
  id: z.string(),
  seq: z.number().int(),
  role: z.enum(["user", "assistant"]),
  text: z.string(),
  at: z.iso.datetime(),
  requestId: z.string(),
  routing: routingSchema.optional(),
  usage: usageSchema.optional(),
  confirmationId: z.string().optional(),
  error: errorSchema.optional(),
});
export type MessageView = z.infer<typeof messageViewSchema>;

export const conversationViewSchema = z.object({
  id: z.string(),
  title: z.string(),
  /** Whose it is; doors that show one person's to many readers need it. */
  person: z.string().optional(),
  messages: z.number().int(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  pendingConfirmation: confirmationViewSchema.optional(),
});
export type ConversationView = z.infer<typeof conversationViewSchema>;

/** Pages: `after` is the cursor of the page before; the newest come first unless said otherwise. */
export const pageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  after: z.string().max(200).optional(),
});
const pageOf = <N extends string, T extends z.ZodType>(name: N, item: T) => {
  // A computed key widens to string; this keeps its name for the types below.
  const list = { [name]: z.array(item) } as Record<N, z.ZodArray<T>>;
  return z.object({ ...list, next: z.string().optional() });
};

// ── devices, prints, jobs ───────────────────────────────────────────────────────────────────────

export const temperaturesViewSchema = z.object({
  nozzleC: z.number(),
  nozzleTargetC: z.number(),
  bedC: z.number(),
  bedTargetC: z.number(),
});

export const deviceViewSchema = z.object({
  id: z.string(),
  kind: z.string(),
  type: z.string(),
  node: z.string(),
  /** The node's name. */
  machine: z.string(),
  online: z.boolean(),
  phase: z.string(),
  simulated: z.boolean(),
  sizeMm: z.object({ x: z.number(), y: z.number(), z: z.number() }),
  /** Hottest that the printer's own configuration allows. */
  nozzleMaxC: z.number(),
  bedMaxC: z.number(),
  temperatures: temperaturesViewSchema.optional(),
  bed: z.enum(["clear", "part"]),
  bedJob: z.string().optional(),
  job: z.string().optional(),
  progress: z.number().optional(),
  remainingS: z.number().optional(),
  fault: errorSchema.optional(),
});
export type DeviceView = z.infer<typeof deviceViewSchema>;

export const printViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  printer: z.string(),
  state: z.enum(PRINT_STATES),
  progress: z.number().min(0).max(1),
  startedCount: z.number().int(),
  by: z.string(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  finishedAt: z.iso.datetime().optional(),
  estimatedS: z.number(),
  remainingS: z.number().optional(),
  gcode: z.object({
    sha256: z.string(),
    sizeBytes: z.number(),
    commands: z.number(),
    nozzleMaxC: z.number(),
    bedMaxC: z.number(),
    filamentMm: z.number(),
    layers: z.number(),
    hazards: z.array(z.string()),
  }),
  wish: z.enum(["pause", "resume", "cancel"]).optional(),
  /** Why a ready job has not started. */
  waitsFor: z.string().optional(),
  confirmation: confirmationViewSchema.optional(),
  error: errorSchema.optional(),
});
export type PrintView = z.infer<typeof printViewSchema>;

export const printSubmitSchema = z.strictObject({
  printer: idSchema,
  name: nameSchema,
  gcode: z.string().min(1),
});
export const printAcceptedSchema = z.object({
  job: z.object({ id: z.string(), state: z.enum(PRINT_STATES) }),
  confirmation: confirmationViewSchema.optional(),
});
export type PrintAccepted = z.infer<typeof printAcceptedSchema>;

export const jobViewSchema = z.object({
  id: z.string(),
  kind: z.string(),
  class: z.enum(JOB_CLASSES),
  state: z.string(),
  needs: z.string(),
  by: z.string(),
  attempts: z.number().int(),
  createdAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
  node: z.string().optional(),
  dead: z.boolean(),
  result: z.unknown().optional(),
  error: errorSchema.optional(),
  confirmation: confirmationViewSchema.optional(),
});
export type JobView = z.infer<typeof jobViewSchema>;

export const jobAddSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("command"),
    command: z.string().min(1).max(120),
    args: z.record(z.string(), z.unknown()).default({}),
    class: z.enum(JOB_CLASSES).default("normal"),
  }),
  z.strictObject({
    kind: z.literal("embed"),
    input: z.array(z.string().min(1).max(10_000)).min(1).max(256),
    class: z.enum(JOB_CLASSES).default("normal"),
  }),
]);

// ── the table ───────────────────────────────────────────────────────────────────────────────────

export interface RouteSchemas {
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly reply: z.ZodType;
}

const okSchema = z.object({ ok: z.literal(true) });
const flagViewSchema = z.object({
  key: z.string(),
  value: z.unknown(),
  revision: z.number().int(),
  age_ms: z.number().optional(),
});

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

export const healthSchema = z.object({
  status: z.enum(["ok", "starting", "degraded", "stopping"]),
  parts: z.record(
    z.string(),
    z.object({
      state: z.enum(["starting", "ready", "degraded", "off"]),
      note: z.string().optional(),
      tookMs: z.number().optional(),
    }),
  ),
  version: z.string(),
  uptimeS: z.number(),
});
export type Health = z.infer<typeof healthSchema>;

export const meSchema = z.object({ person: z.string(), role: z.enum(ROLES), token: z.string() });

const text = z.string();
const document = z.record(z.string(), z.unknown());

// ── the cluster ─────────────────────────────────────────────────────────────────────────────────

/** GANTRY_HUB_ID of a hub. */
const hubIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "not the id of a hub");

const hubViewSchema = z.object({
  id: z.string(),
  role: z.string(),
  commitIndex: z.number(),
  appliedIndex: z.number(),
  reachable: z.boolean(),
  address: z.string().optional(),
  term: z.number().optional(),
  lastIndex: z.number().optional(),
  isVoter: z.boolean().optional(),
  /** Entries that the leader has and this hub has not; only the leader knows. */
  lag: z.number().optional(),
  damage: z.string().optional(),
  writeAgeMs: z.number().optional(),
  pulse: z
    .object({
      loopP99Ms: z.number(),
      loopMaxMs: z.number(),
      syncP50Ms: z.number(),
      syncP99Ms: z.number(),
      syncs: z.number().int(),
      stalls: z.number(),
    })
    .optional(),
  links: z
    .array(
      z.object({
        hub: z.string(),
        isConnected: z.boolean(),
        heardAgoMs: z.number().optional(),
        dropped: z.number(),
      }),
    )
    .optional(),
});
export type HubView = z.infer<typeof hubViewSchema>;

const clusterViewSchema = z.object({
  leader: z.string().nullable(),
  term: z.number(),
  clusterId: z.string().optional(),
  electionMs: z.number().optional(),
  voters: z.array(z.string()).optional(),
  learners: z.array(z.string()).optional(),
  /** Between the old and the new group of voters. */
  isChanging: z.boolean().optional(),
  /** What a person should look at, in words. */
  alarms: z.array(z.object({ hub: z.string().optional(), text: z.string() })).optional(),
  hubs: z.array(hubViewSchema),
});
export type ClusterView = z.infer<typeof clusterViewSchema>;

const clusterGroupSchema = z.object({
  voters: z.array(z.string()),
  learners: z.array(z.string()),
});

const hubExamSchema = z.object({
  hub: z.string(),
  isReachable: z.boolean(),
  role: z.string().optional(),
  term: z.number().optional(),
  version: z.string().optional(),
  appliedIndex: z.number().optional(),
  voters: z.array(z.string()).optional(),
  freeBytes: z.number().optional(),
  totalBytes: z.number().optional(),
  /** Against the leader's clock. */
  clockAheadMs: z.number().optional(),
  /** Commands so far, and the hash of all rows, at `index`. */
  position: z.number().optional(),
  sha256: z.string().optional(),
});
export type HubExam = Readonly<z.infer<typeof hubExamSchema>>;

const clusterExamSchema = z.object({
  /** The log entry at which the rows were hashed; null: the hubs did not come to one. */
  index: z.number().nullable(),
  /** Every hub that holds rows and answers has the same ones. */
  isSame: z.boolean(),
  faults: z.array(z.string()),
  warnings: z.array(z.string()),
  hubs: z.array(hubExamSchema),
});
export type ClusterExam = Readonly<z.infer<typeof clusterExamSchema>>;

const TABLE = {
  live: { reply: healthSchema },
  ready: { reply: healthSchema },
  metrics: { reply: text },
  discover: { reply: document },
  openapi: { reply: document },
  limits: { reply: document },
  me: { reply: meSchema },
  sessionOpened: { body: z.strictObject({ token: z.string().min(1).max(200) }), reply: meSchema },
  sessionClosed: { reply: okSchema },
  query: { body: querySchema, reply: queryReplySchema },
  conversations: { query: pageQuerySchema, reply: pageOf("conversations", conversationViewSchema) },
  conversation: {
    query: pageQuerySchema,
    reply: conversationViewSchema.omit({ messages: true }).extend({
      total: z.number().int(),
      messages: z.array(messageViewSchema),
      next: z.string().optional(),
    }),
  },
  cacheList: {
    query: pageQuerySchema,
    reply: z.object({ size: z.number(), hits: z.number(), misses: z.number() }),
  },
  cacheCleared: { reply: okSchema },
  confirmations: { reply: z.object({ confirmations: z.array(confirmationViewSchema) }) },
  confirmation: { reply: confirmationViewSchema },
  confirm: {
    body: z.strictObject({ phrase: z.string().max(500).nullable() }),
    reply: z.object({ job: z.object({ id: z.string(), state: z.string() }) }),
  },
  confirmationCancelled: { reply: okSchema },
  devices: {
    query: z.object({ kind: z.string().optional(), online: z.stringbool().optional() }),
    reply: z.object({ devices: z.array(deviceViewSchema) }),
  },
  device: { reply: deviceViewSchema },
  bedCleared: { body: z.strictObject({ job: idSchema.optional() }), reply: deviceViewSchema },
  deviceReset: { body: z.strictObject({}), reply: okSchema },
  printSubmitted: { body: printSubmitSchema, reply: printAcceptedSchema },
  prints: { query: pageQuerySchema, reply: pageOf("jobs", printViewSchema) },
  print: { reply: printViewSchema },
  printPaused: { reply: printViewSchema },
  printResumed: { reply: printViewSchema },
  printCancelled: { reply: printViewSchema },
  printResolved: {
    body: z.strictObject({ outcome: z.enum(["done", "failed"]) }),
    reply: printViewSchema,
  },
  stop: {
    body: z.strictObject({ printer: idSchema.optional() }),
    reply: z.object({ stopped: z.array(z.string()), unreachable: z.array(z.string()) }),
  },
  jobs: { query: pageQuerySchema, reply: pageOf("jobs", jobViewSchema) },
  jobAdded: {
    body: jobAddSchema,
    reply: z.object({
      job: z.object({ id: z.string(), state: z.string() }),
      confirmation: confirmationViewSchema.optional(),
    }),
  },
  deadJobs: { query: pageQuerySchema, reply: pageOf("jobs", jobViewSchema) },
  job: { reply: jobViewSchema },
  jobCancelled: { reply: jobViewSchema },
  jobRequeued: { reply: jobViewSchema },
  jobDropped: { reply: okSchema },
  exec: {
    body: z.strictObject({
      command: z.string().min(1).max(120),
      args: z.record(z.string(), z.unknown()).default({}),
    }),
    reply: jobViewSchema,
  },
  audit: {
    query: pageQuerySchema,
    reply: pageOf(
      "entries",
      z.object({
        seq: z.number(),
        position: z.number(),
        at: z.iso.datetime(),
        actor: z.string(),
        action: z.string(),
        object: z.string(),
        requestId: z.string(),
        detail: document,
        hash: z.string(),
      }),
    ),
  },
  costs: {
    reply: z.object({
      total_cost_usd: z.number(),
      answers: z.number(),
      cached_answers: z.number(),
      prompt_tokens: z.number(),
      completion_tokens: z.number(),
      by: z.array(
        z.object({
          day: z.string(),
          person: z.string(),
          tier: z.string(),
          model: z.string(),
          answers: z.number(),
          cached_answers: z.number(),
          prompt_tokens: z.number(),
          completion_tokens: z.number(),
          cost_usd: z.number(),
        }),
      ),
    }),
  },
  events: {
    query: z.object({
      since: z.coerce.number().int().nonnegative().optional(),
      types: z.string().max(1_000).optional(),
      /** `json`: one page of past events and an end, instead of a stream. */
      format: z.enum(["sse", "json"]).default("sse"),
      limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
    }),
    reply: z.object({ events: z.array(z.unknown()), next: z.number().optional() }),
  },
  flags: { reply: z.object({ flags: z.array(flagViewSchema) }) },
  flag: {
    query: z.object({ consistency: z.enum(["linearizable", "leader", "local"]).default("leader") }),
    reply: flagViewSchema,
  },
  flagSet: { body: z.strictObject({ value: z.json() }), reply: flagViewSchema },
  flagDeleted: { reply: okSchema },
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
    reply: z.object({ code: z.string(), name: z.string(), expiresAt: z.iso.datetime() }),
  },
  clientSessionOpened: {
    body: z.strictObject({}),
    reply: z.object({ session: z.string(), idleS: z.number() }),
  },
  clientSessionClosed: { reply: okSchema },
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
  cluster: { reply: clusterViewSchema },
  clusterHubAdded: {
    body: z.strictObject({
      id: hubIdSchema,
      address: z.string().min(1).max(255),
      witness: z.boolean().optional(),
    }),
    reply: z.object({
      id: z.string(),
      address: z.string(),
      witness: z.boolean(),
      code: z.string(),
    }),
  },
  clusterHubsRemoved: {
    body: z.strictObject({ hubs: z.array(hubIdSchema).min(1).max(16) }),
    reply: clusterGroupSchema,
  },
  clusterHubPromoted: { body: z.strictObject({ hub: hubIdSchema }), reply: clusterGroupSchema },
  clusterTransferred: {
    body: z.strictObject({ to: hubIdSchema.optional() }),
    reply: z.object({ leader: z.string(), term: z.number() }),
  },
  /** A tar archive, as shared/contract/backup.ts says. */
  backup: { reply: text },
  clusterExam: { reply: clusterExamSchema },
  chatCompletions: {
    body: z.looseObject({ model: z.string().optional(), messages: z.array(z.unknown()) }),
    reply: document,
  },
  embeddings: { body: z.looseObject({ input: z.unknown() }), reply: document },
  models: { reply: document },
  model: { reply: document },
} satisfies Readonly<Record<RouteName, RouteSchemas>>;
export const SCHEMAS: Readonly<Record<RouteName, RouteSchemas>> = TABLE;

// The same table as types: importing these costs a client nothing when it starts.

type Part<N extends RouteName, P extends string> = (typeof TABLE)[N] extends {
  readonly [K in P]: infer S extends z.ZodType;
}
  ? S
  : undefined;
type InputOf<S> = S extends z.ZodType ? z.input<S> : undefined;
/** What a caller sends; undefined for a route without a body. */
export type BodyOf<N extends RouteName> = InputOf<Part<N, "body">>;
/** What a caller may put after the `?`; undefined for a route that reads nothing there. */
export type QueryOf<N extends RouteName> = InputOf<Part<N, "query">>;
/** What the hub answers. */
export type ReplyOf<N extends RouteName> = z.output<(typeof TABLE)[N]["reply"]>;
