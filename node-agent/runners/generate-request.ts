// What may be asked of a model, and the check of it before anything is sent to the child.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { BoundAnswer } from "./bound-answer.ts";
import type { ChatMessage, PromptOptions } from "./llama-protocol.ts";
import type { OfferedTool } from "./tool-answer.ts";

export interface GenerateRequest {
  readonly requestId: string;
  /** At least one. */
  readonly messages: readonly ChatMessage[];
  /** The conversation, for the slot that has read it. */
  readonly session?: string;
  /** Default: LIMIT.answerTokens; most: LIMIT.answerTokensAsked. */
  readonly maxTokens?: number;
  /** 0 (default, the same answer every time) to 2. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** The answer is JSON that this schema accepts; see rules/json-schema-grammar.ts for its bounds. */
  readonly jsonSchema?: unknown;
  /** -2 to 2. */
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** By number of a token: -100 to 100. */
  readonly logitBias?: Readonly<Record<string, number>>;
  /** 0 to 20. */
  readonly topLogprobs?: number;
  /** The answer may call these, in the form of contract/tool-text.ts. */
  readonly tools?: readonly OfferedTool[];
  readonly mustCall?: boolean;
  readonly hasParallelCalls?: boolean;
  readonly isRaw?: boolean;
  readonly isCount?: boolean;
}

const TEMPERATURE_MAX = 2;
const PENALTY_MAX = 2;
const BIAS_MAX = 100;
const BIASES_MAX = 1_024;
const TOP_LOGPROBS_MAX = 20;

/** The request as the child gets it, with its defaults. Throws bad_request with `details.field`. */
export function promptOf(request: GenerateRequest, answer: BoundAnswer | undefined): PromptOptions {
  const { messages, maxTokens = LIMIT.answerTokens.max, temperature = 0, topP = 1, seed } = request;
  if (messages.length === 0) refuseField("messages", "is empty");
  const chars = messages.reduce((sum, { content }) => sum + content.length, 0);
  if (chars > LIMIT.promptChars.max) refuseField("messages", `has ${chars} characters, too many`);
  if (!Number.isInteger(maxTokens) || maxTokens < 1) refuseField("maxTokens", "must be 1 or more");
  if (!(temperature >= 0 && temperature <= TEMPERATURE_MAX))
    refuseField("temperature", "must be 0..2");
  if (!(topP > 0 && topP <= 1)) refuseField("topP", "must be over 0 and at most 1");
  if (seed !== undefined && !Number.isInteger(seed)) refuseField("seed", "must be a whole number");
  for (const field of ["presencePenalty", "frequencyPenalty"] as const) {
    if (Math.abs(request[field] ?? 0) > PENALTY_MAX) refuseField(field, "must be -2..2");
  }
  assertBias(request.logitBias);
  const stop = (request.stop ?? []).filter((text) => text !== "");
  return {
    messages,
    maxTokens: Math.min(maxTokens, LIMIT.answerTokensAsked.max),
    temperature,
    topP,
    stop,
    ...(seed === undefined ? {} : { seed }),
    ...answer?.bounds,
    ...extrasOf(request),
  };
}

type Extras = Pick<
  PromptOptions,
  | "presencePenalty"
  | "frequencyPenalty"
  | "logitBias"
  | "topLogprobs"
  | "isRaw"
  | "isCount"
  | "session"
>;

/** Members that are undefined, or off, are left out. */
function extrasOf(request: GenerateRequest): Extras {
  const { presencePenalty = 0, frequencyPenalty = 0, logitBias, topLogprobs, isRaw } = request;
  const hasPenalty = presencePenalty !== 0 || frequencyPenalty !== 0;
  return {
    ...(hasPenalty ? { presencePenalty, frequencyPenalty } : {}),
    ...(logitBias === undefined || Object.keys(logitBias).length === 0 ? {} : { logitBias }),
    ...(topLogprobs === undefined
      ? {}
      : { topLogprobs: Math.min(Math.max(0, Math.trunc(topLogprobs)), TOP_LOGPROBS_MAX) }),
    ...(isRaw === true ? { isRaw } : {}),
    ...(request.isCount === true ? { isCount: true } : {}),
    ...(request.session === undefined ? {} : { session: request.session }),
  };
}

function assertBias(bias: GenerateRequest["logitBias"]): void {
  const entries = Object.entries(bias ?? {});
  if (entries.length > BIASES_MAX) refuseField("logitBias", `has over ${BIASES_MAX} tokens`);
  for (const [token, value] of entries) {
    if (!/^\d{1,7}$/.test(token)) refuseField("logitBias", "must name tokens by their numbers");
    if (!(Math.abs(value) <= BIAS_MAX)) refuseField("logitBias", "must be -100..100");
  }
}

function refuseField(field: string, message: string): never {
  throw new GantryError("bad_request", `${field} ${message}`, { details: { field } });
}
