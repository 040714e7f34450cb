// What may be asked of a model, and the check of it before anything is sent to the child.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { JsonAnswer } from "./json-answer.ts";
import type { ChatMessage, PromptOptions } from "./llama-protocol.ts";

export interface GenerateRequest {
  readonly requestId: string;
  /** At least one. */
  readonly messages: readonly ChatMessage[];
  /** Default and most: LIMIT.answerTokens. */
  readonly maxTokens?: number;
  /** 0 (default, the same answer every time) to 2. */
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** The answer is JSON that this schema accepts; see rules/json-schema-grammar.ts for its bounds. */
  readonly jsonSchema?: unknown;
}

const TEMPERATURE_MAX = 2;

/** The request as the child gets it, with its defaults. Throws bad_request with `details.field`. */
export function promptOf(request: GenerateRequest, answer: JsonAnswer | undefined): PromptOptions {
  const { messages, maxTokens = LIMIT.answerTokens.max, temperature = 0, topP = 1, seed } = request;
  if (messages.length === 0) refuseField("messages", "is empty");
  const chars = messages.reduce((sum, { content }) => sum + content.length, 0);
  if (chars > LIMIT.promptChars.max) refuseField("messages", `has ${chars} characters, too many`);
  if (!Number.isInteger(maxTokens) || maxTokens < 1) refuseField("maxTokens", "must be 1 or more");
  if (!(temperature >= 0 && temperature <= TEMPERATURE_MAX))
    refuseField("temperature", "must be 0..2");
  if (!(topP > 0 && topP <= 1)) refuseField("topP", "must be over 0 and at most 1");
  if (seed !== undefined && !Number.isInteger(seed)) refuseField("seed", "must be a whole number");
  const stop = (request.stop ?? []).filter((text) => text !== "");
  return {
    messages,
    maxTokens: Math.min(maxTokens, LIMIT.answerTokens.max),
    temperature,
    topP,
    stop,
    ...(seed === undefined ? {} : { seed }),
    ...(answer === undefined ? {} : { grammar: answer.grammar }),
  };
}

function refuseField(field: string, message: string): never {
  throw new GantryError("bad_request", `${field} ${message}`, { details: { field } });
}
