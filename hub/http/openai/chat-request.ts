// A body of POST /v1/chat/completions as a CompletionRequest.
//
// OR1. What would change the meaning of the answer and is not done here is refused by name; unknown
//      fields without meaning to us (user, metadata, ...) are ignored, as clients send many.
// OR2. A wrong type is refused with the parameter's path, never guessed.

import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CompletionMessage, CompletionRequest } from "@gantry/shared/contract/completions.ts";

const textPartSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.union([z.string(), z.array(textPartSchema)]).nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
});

const tokensSchema = z
  .number()
  .int()
  .min(1)
  .max(LIMIT.answerTokens.max * 1_000)
  .nullish();

const bodySchema = z.looseObject({
  model: z.string().max(240).nullish(),
  messages: z.array(messageSchema).min(1).max(1_000),
  max_tokens: tokensSchema,
  max_completion_tokens: tokensSchema,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  n: z.number().int().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  tools: z.array(z.unknown()).nullish(),
  functions: z.array(z.unknown()).nullish(),
  modalities: z.array(z.string()).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
});
type ChatBody = z.output<typeof bodySchema>;
type ChatMessage = ChatBody["messages"][number];

export interface ChatRequest {
  readonly request: CompletionRequest;
  readonly isStream: boolean;
  readonly includesUsage: boolean;
}

/** Throws bad_request with details {param}. */
export function readChat(value: unknown): ChatRequest {
  const body = parse(bodySchema, value);
  assertSupported(body);
  const jsonSchema = jsonSchemaOf(body.response_format);
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  return {
    isStream: body.stream === true,
    includesUsage: body.stream_options?.include_usage === true,
    request: {
      messages: body.messages.map(messageOf),
      ...given("model", body.model),
      ...given("maxTokens", maxTokens && Math.min(maxTokens, LIMIT.answerTokens.max)),
      ...given("temperature", body.temperature),
      ...given("topP", body.top_p),
      ...given("seed", body.seed),
      ...given("stop", typeof body.stop === "string" ? [body.stop] : body.stop),
      ...given("jsonSchema", jsonSchema),
    },
  };
}

/** `value` as the schema gives it. Throws bad_request naming the first faulty parameter. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const param = issue === undefined ? "" : issue.path.map(String).join(".");
  throw refuse(param, issue?.message ?? "is not valid");
}

export const refuse = (param: string, why: string): GantryError =>
  new GantryError("bad_request", `${param || "The body"}: ${why}`, {
    details: { param, fields: [{ path: param, message: why }] },
  });

const given = <K extends string, V>(
  key: K,
  value: V | null | undefined,
): { readonly [P in K]?: V } =>
  value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });

function assertSupported(body: ChatBody): void {
  if (notEmpty(body.tools)) throw refuse("tools", "tools are not supported by this hub");
  if (notEmpty(body.functions))
    throw refuse("functions", "functions are not supported by this hub");
  if ((body.n ?? 1) !== 1) throw refuse("n", "only one choice is given");
  if (body.logprobs === true) throw refuse("logprobs", "log probabilities are not given");
  if ((body.top_logprobs ?? 0) !== 0)
    throw refuse("top_logprobs", "log probabilities are not given");
  if (Object.keys(body.logit_bias ?? {}).length > 0) throw refuse("logit_bias", "is not supported");
  if ((body.presence_penalty ?? 0) !== 0) throw refuse("presence_penalty", "is not supported");
  if ((body.frequency_penalty ?? 0) !== 0) throw refuse("frequency_penalty", "is not supported");
  if (body.modalities?.some((modality) => modality !== "text") === true) {
    throw refuse("modalities", "only text is given");
  }
}

const notEmpty = (list: readonly unknown[] | null | undefined): boolean =>
  list !== null && list !== undefined && list.length > 0;

function messageOf(message: ChatMessage, index: number): CompletionMessage {
  const at = `messages.${index}`;
  if (message.role === "tool" || message.role === "function" || notEmpty(message.tool_calls)) {
    throw refuse(`${at}.role`, "tool messages are not supported by this hub");
  }
  const role = message.role === "developer" ? "system" : message.role;
  return { role, content: contentOf(message.content, at) };
}

function contentOf(content: ChatMessage["content"], at: string): string {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) throw refuse(`${at}.content`, "is missing");
  return content
    .map((part, index) => {
      if (part.type === "text" && part.text !== undefined) return part.text;
      const param = `${at}.content.${index}`;
      throw refuse(param, `parts of type "${part.type.slice(0, 40)}" are not read, only text`);
    })
    .join("");
}

function jsonSchemaOf(format: ChatBody["response_format"]): unknown {
  if (format === null || format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { type: "object" };
  if (format.type !== "json_schema") {
    throw refuse("response_format.type", "must be text, json_object or json_schema");
  }
  const { json_schema: named } = parse(
    z.looseObject({ json_schema: z.looseObject({ schema: z.record(z.string(), z.unknown()) }) }),
    format,
  );
  return named.schema;
}
