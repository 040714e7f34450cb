// What a hub and a node agent say to each other over ZeroMQ. Frames are in frames.ts.
//
// L1. A peer without a session may say `enrol` or `hello`; anything else is dropped and counted.
// L2. Work that must happen once (`print`) carries a fencing token; the node keeps the highest token
//     per printer on disk and answers a lower one with `stale_token`.
// L3. `result` and `printJob` reports are repeated by the node until the hub says `recorded`.
// L4. Only the hub that leads has sessions. Another one says `denied` with `not_leader`, and one that
//     steps down says `notLeader`; both name the leader if they know it. `hubs` may come on any
//     connection; it is how a node learns where to go.

import { z } from "zod";
import { JOB_PHASES, printerSchema } from "./bridge.ts";
import { MAKE_STEPS } from "./cad.ts";
import { EFFECTS } from "./rows.ts";
import { modelRuntimeSchema } from "./schemas/models.ts";
import { HAZARD_CLASSES } from "./roles.ts";
import { workshopAskSchema } from "./workshop.ts";

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});

const toolSchema = z.object({
  version: z.string(),
  /** Programs of people may run there: they see no file of the machine. */
  isIsolated: z.boolean(),
});

export const capabilitiesSchema = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      contextTokens: z.number().int(),
      slots: z.number().int(),
      sizeBytes: z.number(),
    }),
  ),
  embedder: z.object({ tag: z.string(), dimensions: z.number().int() }).optional(),
  commands: z.array(
    z.object({
      name: z.string(),
      summary: z.string(),
      hazard: z.enum(HAZARD_CLASSES),
      effect: z.enum(EFFECTS),
    }),
  ),
  printers: z.array(printerSchema),
  /** Programs that this node has tried: OpenSCAD and PrusaSlicer. */
  cad: toolSchema.optional(),
  slicer: toolSchema.optional(),
});

export const generateSchema = z.object({
  model: z.string(),
  messages: z.array(
    z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() }),
  ),
  maxTokens: z.number().int().positive(),
  temperature: z.number().min(0).max(2),
  topP: z.number().min(0).max(1).optional(),
  seed: z.number().int().optional(),
  stop: z.array(z.string()).optional(),
  jsonSchema: z.unknown().optional(),
  presencePenalty: z.number().min(-2).max(2).optional(),
  frequencyPenalty: z.number().min(-2).max(2).optional(),
  logitBias: z.record(z.string(), z.number()).optional(),
  topLogprobs: z.number().int().min(0).max(20).optional(),
  tools: z
    .array(z.object({ name: z.string(), parameters: z.unknown(), isStrict: z.boolean() }))
    .optional(),
  mustCall: z.boolean().optional(),
  hasParallelCalls: z.boolean().optional(),
  isRaw: z.boolean().optional(),
  /** Only count the prompt's tokens. */
  isCount: z.boolean().optional(),
  /** The conversation, for the slot that has read it. */
  session: z.string().optional(),
  /** No person waits for it: it gives way where models take turns. */
  isPatient: z.boolean().optional(),
});
export type Generate = z.infer<typeof generateSchema>;

const tokenChance = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int()).readonly().nullable(),
};

export const generatedSchema = z.object({
  text: z.string(),
  finishReason: z.enum(["stop", "length", "cancelled"]),
  promptTokens: z.number().int(),
  completionTokens: z.number().int(),
  cachedTokens: z.number().int(),
  firstTokenMs: z.number(),
  totalMs: z.number(),
  /** Mean probability of the tokens sampled; missing where the node cannot say. */
  confidence: z.number().min(0).max(1).optional(),
  /** The stop that ended it. */
  stoppedBy: z.string().optional(),
  /** Of the tokens of `text`, if they were asked for. */
  logprobs: z
    .array(z.object({ ...tokenChance, top: z.array(z.object(tokenChance)).readonly() }))
    .readonly()
    .optional(),
});
export type Generated = z.infer<typeof generatedSchema>;

/** A hub as node agents reach it. `publicKey`: CURVE, Z85. */
export const hubFactSchema = z.object({
  id: z.string(),
  address: z.string(),
  publicKey: z.string().length(40),
});
export type HubFact = z.infer<typeof hubFactSchema>;

/** Far more than may vote; a longer list is not taken. */
const HUBS_MAX = 32;
export const hubFactsSchema = z.array(hubFactSchema).max(HUBS_MAX);

/** Node to hub. */
export const nodeMessageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("enrol"),
    code: z.string(),
    name: z.string(),
    publicKey: z.string(),
    /** Made by the node; the hub keeps its hash and asks for it in `hello`. */
    secret: z.string(),
  }),
  z.object({
    type: z.literal("hello"),
    node: z.string(),
    secret: z.string(),
    bootId: z.string(),
    labels: z.record(z.string(), z.string()),
    capabilities: capabilitiesSchema,
    /** Jobs this node still holds, so that a new leader adopts them instead of leasing again. */
    holds: z.array(z.object({ job: z.string(), token: z.number().int() })),
  }),
  z.object({ type: z.literal("beat"), seq: z.number().int(), digest: z.string() }),
  z.object({ type: z.literal("capabilities"), capabilities: capabilitiesSchema }),
  /** `seq`: 0, 1, ... for one request; a hub that has a number already drops it. */
  z.object({
    type: z.literal("chunk"),
    id: z.string(),
    text: z.string(),
    seq: z.number().int().nonnegative().optional(),
  }),
  z.object({ type: z.literal("generated"), id: z.string(), result: generatedSchema }),
  z.object({
    type: z.literal("embedded"),
    id: z.string(),
    tag: z.string(),
    vectors: z.array(z.array(z.number())),
    tokens: z.number().int(),
  }),
  z.object({ type: z.literal("failed"), id: z.string(), error: errorSchema }),
  z.object({
    type: z.literal("result"),
    job: z.string(),
    token: z.number().int(),
    result: z.unknown().optional(),
    error: errorSchema.optional(),
  }),
  /** Live: how far a part is. `share`: 0 to 1 of this step. */
  z.object({
    type: z.literal("makeStep"),
    job: z.string(),
    token: z.number().int(),
    step: z.enum(MAKE_STEPS),
    share: z.number().min(0).max(1),
  }),
  /** A piece of a file that a job has made, base64; answered with `kept`. */
  z.object({
    type: z.literal("keep"),
    job: z.string(),
    token: z.number().int(),
    sha256: z.string(),
    sizeBytes: z.number().int().positive(),
    offset: z.number().int().nonnegative(),
    bytes: z.string(),
  }),
  z.object({ type: z.literal("printers"), printers: z.array(printerSchema) }),
  z.object({
    type: z.literal("printJob"),
    printer: z.string(),
    job: z.string(),
    token: z.number().int(),
    phase: z.enum(JOB_PHASES),
    progress: z.number(),
    startedCount: z.number().int(),
    error: errorSchema.optional(),
  }),
  z.object({
    type: z.literal("printRefused"),
    job: z.string(),
    token: z.number().int(),
    error: errorSchema,
  }),
  z.object({
    type: z.literal("stopped"),
    id: z.string(),
    printers: z.array(z.string()),
    error: errorSchema.optional(),
  }),
  /** Asks for a piece of a blob. */
  z.object({
    type: z.literal("fetch"),
    sha256: z.string(),
    offset: z.number().int().nonnegative(),
  }),
  z.object({
    type: z.literal("modelPieceRead"),
    id: z.string(),
    /** Base64. */
    bytes: z.string(),
    sizeBytes: z.number().int(),
  }),
  /** Live: what its models and their memory do; said when it has changed. */
  z.object({ type: z.literal("runtime"), runtime: modelRuntimeSchema }),
  /** The answer to `workshop`; what it must be is in workshop.ts. */
  z.object({ type: z.literal("workshopSaid"), id: z.string(), said: z.unknown() }),
  z.object({ type: z.literal("bye") }),
]);
export type NodeMessage = z.infer<typeof nodeMessageSchema>;

/** Hub to node. */
export const hubMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("enrolled"), node: z.string() }),
  z.object({
    type: z.literal("welcome"),
    session: z.string(),
    hub: z.string(),
    /** Never falls in one cluster: a node refuses the orders of a lower one than it was welcomed with. */
    term: z.number().int(),
    /** Missing from a hub that has always been alone. */
    cluster: z.string().optional(),
    hubs: hubFactsSchema.optional(),
  }),
  /** `not_leader`: `details.hub` is the leader's id, if it is known. */
  z.object({ type: z.literal("denied"), error: errorSchema }),
  /** All hubs that a node may say hello to; a full list. */
  z.object({ type: z.literal("hubs"), hubs: hubFactsSchema }),
  /** The session is over because this hub stepped down. `hub`: the leader's id, if it is known. */
  z.object({ type: z.literal("notLeader"), hub: z.string().optional() }),
  z.object({
    type: z.literal("beat"),
    seq: z.number().int(),
    answer: z.enum(["ok", "unknown", "mismatch"]),
  }),
  /**
   * An id that the node has in hand already is told again from its first chunk. `credit`: as in the
   * message of that name; without it the node says all as it comes.
   */
  z.object({
    type: z.literal("generate"),
    id: z.string(),
    request: generateSchema,
    credit: z.number().int().positive().optional(),
  }),
  /** Chunks with a number below `upTo` may be sent; while the next one may not, the model waits. */
  z.object({ type: z.literal("credit"), id: z.string(), upTo: z.number().int().positive() }),
  z.object({ type: z.literal("embed"), id: z.string(), texts: z.array(z.string()) }),
  z.object({ type: z.literal("cancel"), id: z.string() }),
  /** A piece of a model's file, by the hash of the whole; answered with `modelPieceRead` or `failed`. */
  z.object({
    type: z.literal("modelPiece"),
    id: z.string(),
    sha256: z.string(),
    offset: z.number().int().nonnegative(),
  }),
  z.object({
    type: z.literal("job"),
    job: z.string(),
    token: z.number().int(),
    kind: z.enum(["command", "embed", "cad", "slice"]),
    input: z.record(z.string(), z.unknown()),
    timeoutMs: z.number().int().positive(),
  }),
  /** `offset`: where to go on from. `isWhole`: the file is on disk under its hash. */
  z.object({
    type: z.literal("kept"),
    job: z.string(),
    sha256: z.string(),
    offset: z.number().int().nonnegative(),
    isWhole: z.boolean(),
    error: errorSchema.optional(),
  }),
  z.object({ type: z.literal("cancelJob"), job: z.string(), token: z.number().int() }),
  /** The hub has this report in its log. `phase` for prints. */
  z.object({
    type: z.literal("recorded"),
    job: z.string(),
    token: z.number().int(),
    phase: z.enum(JOB_PHASES).optional(),
  }),
  z.object({
    type: z.literal("print"),
    printer: z.string(),
    job: z.string(),
    token: z.number().int().positive(),
    sha256: z.string(),
    sizeBytes: z.number().int().positive(),
  }),
  z.object({
    type: z.literal("printWish"),
    printer: z.string(),
    job: z.string(),
    token: z.number().int().positive(),
    wish: z.enum(["pause", "resume", "cancel"]),
  }),
  z.object({ type: z.literal("stop"), id: z.string(), printer: z.string().optional() }),
  z.object({ type: z.literal("resetPrinter"), id: z.string(), printer: z.string() }),
  z.object({ type: z.literal("workshop"), id: z.string(), asked: workshopAskSchema }),
  /** A piece of a blob, base64; the last one has `isLast`. */
  z.object({
    type: z.literal("piece"),
    sha256: z.string(),
    offset: z.number().int(),
    bytes: z.string(),
    isLast: z.boolean(),
    error: errorSchema.optional(),
  }),
]);
export type HubMessage = z.infer<typeof hubMessageSchema>;
