// A body of POST /v1/chat/completions as a CompletionRequest.
//
// OR1. What would change the meaning of the answer and is not done here is refused by name; unknown
//      fields without meaning to us (user, metadata, ...) are ignored, as clients send many.
// OR2. A wrong type is refused with the parameter's path, never guessed.

import { z } from "zod";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import {
  type CallerMessage,
  type CompletionOptions,
  type CompletionRequest,
  type Picture,
  type ToolCall,
} from "@gantry/shared/contract/completions.ts";
import { given, parse, refuse } from "./parse.ts";
import { pictureAt } from "./pictures.ts";
import { toolChoiceSchema, toolNameSchema, toolOptions, toolsSchema } from "./tools-request.ts";

const partSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
  image_url: z.looseObject({ url: z.string() }).optional(),
});
const callSchema = z.looseObject({
  id: z.string().min(1).max(200),
  type: z.literal("function"),
  function: z.looseObject({ name: toolNameSchema, arguments: z.string() }),
});
const messageSchema = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool", "function"]),
  content: z.union([z.string(), z.array(partSchema)]).nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(callSchema).nullish(),
  tool_call_id: z.string().nullish(),
});

export const tokensSchema = z.number().int().min(1).max(1_000_000_000).nullish();
const penaltySchema = z.number().min(-2).max(2).nullish();

/** Fields that chat and text completions share. */
export const samplingFields = {
  model: z.string().max(240).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  n: z.number().int().min(1).max(LIMIT.choices.max).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,7}$/), z.number().min(-100).max(100), {
      error: "must be an object of token numbers with -100 to 100",
    })
    .nullish(),
  presence_penalty: penaltySchema,
  frequency_penalty: penaltySchema,
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
};

const bodySchema = z.looseObject({
  ...samplingFields,
  messages: z.array(messageSchema).min(1).max(1_000),
  max_tokens: tokensSchema,
  max_completion_tokens: tokensSchema,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  tools: toolsSchema,
  tool_choice: toolChoiceSchema,
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.array(z.unknown()).nullish(),
  modalities: z.array(z.string()).nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
});
type ChatBody = z.output<typeof bodySchema>;
type ChatMessage = ChatBody["messages"][number];

export interface ChatRequest {
  readonly request: CompletionRequest;
  /** 1 to LIMIT.choices. */
  readonly choices: number;
  readonly isStream: boolean;
  readonly includesUsage: boolean;
}

/** Throws bad_request with details {param}. */
export function readChat(value: unknown): ChatRequest {
  const body = parse(bodySchema, value);
  assertSupported(body);
  const tools = toolOptions(body.tools, body.tool_choice, body.parallel_tool_calls);
  const jsonSchema = jsonSchemaOf(body.response_format);
  if (jsonSchema !== undefined && tools.tools !== undefined && tools.toolChoice !== "none")
    throw refuse("response_format", "a schema binds the whole answer, so it cannot call tools");
  return {
    ...streaming(body),
    choices: body.n ?? 1,
    request: {
      messages: body.messages.map(messageOf),
      ...picturesOf(body.messages),
      ...given("model", body.model),
      ...samplingOf(body),
      ...maxTokensOf(body.max_completion_tokens ?? body.max_tokens),
      ...(body.logprobs === true ? { topLogprobs: body.top_logprobs ?? 0 } : {}),
      ...tools,
      ...given("jsonSchema", jsonSchema),
    },
  };
}

type SamplingBody = Pick<ChatBody, Exclude<keyof typeof samplingFields, "model" | "n">>;

export const streaming = (body: SamplingBody): Pick<ChatRequest, "isStream" | "includesUsage"> => ({
  isStream: body.stream === true,
  includesUsage: body.stream_options?.include_usage === true,
});

export const samplingOf = (body: SamplingBody): CompletionOptions => ({
  ...given("temperature", body.temperature),
  ...given("topP", body.top_p === 0 ? Number.MIN_VALUE : body.top_p), // 0 means the likeliest alone
  ...given("seed", body.seed),
  ...given("stop", stopsOf(body.stop)),
  ...given("presencePenalty", body.presence_penalty === 0 ? null : body.presence_penalty),
  ...given("frequencyPenalty", body.frequency_penalty === 0 ? null : body.frequency_penalty),
  ...given("logitBias", isEmpty(body.logit_bias) ? null : body.logit_bias),
});

const stopsOf = (stop: string | readonly string[] | null | undefined): readonly string[] | null => {
  const stops = typeof stop === "string" ? [stop] : (stop ?? []);
  return stops.length === 0 ? null : stops;
};

const isEmpty = (record: object | null | undefined): boolean =>
  record === null || record === undefined || Object.keys(record).length === 0;

export const maxTokensOf = (asked: number | null | undefined): CompletionOptions =>
  given("maxTokens", asked && Math.min(asked, LIMIT.answerTokensAsked.max));

function assertSupported(body: ChatBody): void {
  if ((body.functions ?? []).length > 0)
    throw refuse("functions", "functions were replaced by tools; send tools");
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true)
    throw refuse("top_logprobs", "needs logprobs: true");
  if (body.modalities?.some((modality) => modality !== "text") === true) {
    throw refuse("modalities", "only text is given");
  }
}

function messageOf(message: ChatMessage, index: number): CallerMessage {
  const at = `messages.${index}`;
  const { tool_calls: calls, tool_call_id: callId } = message;
  switch (message.role) {
    case "function":
      throw refuse(`${at}.role`, "messages of the role function were replaced by tool");
    case "tool": {
      if (typeof callId !== "string") throw refuse(`${at}.tool_call_id`, "is missing");
      return { role: "tool", content: contentOf(message, at), toolCallId: callId };
    }
    case "assistant": {
      const toolCalls = (calls ?? []).map(callOf);
      const content = toolCalls.length > 0 ? contentOf(message, at, "") : contentOf(message, at);
      return { role: "assistant", content, ...(toolCalls.length > 0 ? { toolCalls } : {}) };
    }
    case "developer":
      return { role: "system", content: contentOf(message, at) };
    case "system":
    case "user":
      return { role: message.role, content: contentOf(message, at) };
  }
}

const callOf = ({ id, function: called }: z.output<typeof callSchema>): ToolCall => ({
  id,
  name: called.name,
  arguments: called.arguments,
});

function contentOf({ content, refusal }: ChatMessage, at: string, otherwise?: string): string {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) {
    const text = refusal ?? otherwise;
    if (text === undefined) throw refuse(`${at}.content`, "is missing");
    return text;
  }
  return content
    .map((part, index) => {
      const text = part.type === "refusal" ? part.refusal : part.text;
      const isText = part.type === "text" || part.type === "refusal";
      if (part.type === "image_url" && part.image_url !== undefined) return ""; // picturesOf
      if (isText && text !== undefined) return text;
      const param = `${at}.content.${index}`;
      throw refuse(param, `parts of type "${part.type.slice(0, 40)}" are not read, only text`);
    })
    .join("");
}

/** Of the last message of the role user; nothing is fetched, and no other message may have any. */
function picturesOf(messages: readonly ChatMessage[]): { readonly pictures?: readonly Picture[] } {
  const last = messages.findLastIndex(({ role }) => role === "user");
  const pictures = messages.flatMap(({ content }, at) =>
    (Array.isArray(content) ? content : []).flatMap((part, index) => {
      if (part.type !== "image_url" || part.image_url === undefined) return [];
      const param = `messages.${at}.content.${index}`;
      if (at !== last) throw refuse(param, "pictures are read in the last message of a user");
      return [pictureAt(part.image_url.url, param)];
    }),
  );
  return pictures.length === 0 ? {} : { pictures };
}

function jsonSchemaOf(format: ChatBody["response_format"]): unknown {
  if (format === null || format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { type: "object" };
  if (format.type !== "json_schema") {
    throw refuse("response_format.type", "must be text, json_object or json_schema");
  }
  const { json_schema: namedSchema } = parse(
    z.looseObject({ json_schema: z.looseObject({ schema: z.record(z.string(), z.unknown()) }) }),
    format,
  );
  return namedSchema.schema;
}
