// Bodies of Ollama's /api/chat and /api/generate as CompletionRequests.
//
// OC1. What would change the meaning of the answer and is not done here is refused by name; unknown
//      fields and options about the machine (num_ctx, num_gpu, keep_alive, ...) are ignored: the
//      operator decides about these.

import { z } from "zod";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  CallerMessage,
  CompletionOptions,
  CompletionRequest,
} from "@gantry/shared/contract/completions.ts";
import { given, parse, refuse } from "../openai/parse.ts";
import { untypedPicture } from "../openai/pictures.ts";
import { toolOptions, toolsSchema } from "../openai/tools-request.ts";

const optionsSchema = z.looseObject({
  num_predict: z.number().int().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.number().int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(16)]).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
});
const formatSchema = z.union(
  [z.literal(""), z.literal("json"), z.record(z.string(), z.unknown())],
  {
    error: 'must be "json" or a JSON schema',
  },
);
const callSchema = z.looseObject({
  function: z.looseObject({
    name: z.string(),
    arguments: z.record(z.string(), z.unknown()).nullish(),
  }),
});
const commonFields = {
  model: z.string().min(1).max(240),
  format: formatSchema.nullish(),
  options: optionsSchema.nullish(),
  stream: z.boolean().nullish(),
};
const chatSchema = z.looseObject({
  ...commonFields,
  messages: z
    .array(
      z.looseObject({
        role: z.enum(["system", "user", "assistant", "tool"]),
        content: z.string().nullish(),
        images: z.array(z.unknown()).nullish(),
        tool_calls: z.array(callSchema).nullish(),
        tool_call_id: z.string().nullish(),
      }),
    )
    .max(1_000)
    .nullish(),
  tools: toolsSchema,
});
const generateSchema = z.looseObject({
  ...commonFields,
  prompt: z.string().nullish(),
  suffix: z.string().nullish(),
  system: z.string().nullish(),
  raw: z.boolean().nullish(),
  images: z.array(z.unknown()).nullish(),
});

export interface OllamaRequest {
  readonly request: CompletionRequest;
  readonly isStream: boolean;
  /** No words at all: Ollama's way to have a model loaded. */
  readonly isEmpty: boolean;
}

/** Throws bad_request with details {param}. */
export function readOllamaChat(value: unknown): OllamaRequest {
  const body = parse(chatSchema, value);
  const tools = toolOptions(body.tools, undefined, undefined);
  const jsonSchema = schemaOf(body.format);
  if (tools.tools !== undefined && jsonSchema !== undefined)
    throw refuse("format", "a format binds the whole answer, so it cannot call tools");
  const messages = (body.messages ?? []).map((message, index): CallerMessage => {
    const content = message.content ?? "";
    if (message.role === "tool")
      return { role: "tool", content, toolCallId: message.tool_call_id ?? `call_${index}` };
    const toolCalls = (message.tool_calls ?? []).map(({ function: called }, call) => ({
      id: `call_${index}_${call}`,
      name: called.name,
      arguments: JSON.stringify(called.arguments ?? {}),
    }));
    return { role: message.role, content, ...(toolCalls.length === 0 ? {} : { toolCalls }) };
  });
  return {
    isStream: body.stream !== false, // Ollama streams unless it is told not to
    isEmpty: messages.length === 0,
    request: {
      model: modelOf(body.model),
      messages,
      ...picturesOf(body.messages ?? []),
      ...samplingOf(body.options),
      ...given("jsonSchema", jsonSchema),
      ...tools,
    },
  };
}

/** Throws bad_request with details {param}. */
export function readOllamaGenerate(value: unknown): OllamaRequest {
  const body = parse(generateSchema, value);
  if ((body.suffix ?? "") !== "")
    throw refuse("suffix", "no model here fills in between two texts");
  const { prompt, system } = body;
  const isRaw = body.raw === true;
  const hasSystem = typeof system === "string" && system !== "" && !isRaw;
  return {
    isStream: body.stream !== false,
    isEmpty: (prompt ?? "") === "",
    request: {
      model: modelOf(body.model),
      messages: [
        ...(hasSystem ? [{ role: "system" as const, content: system }] : []),
        { role: "user", content: prompt ?? "" },
      ],
      ...picturesIn(body.images ?? [], "images"),
      ...samplingOf(body.options),
      ...given("jsonSchema", schemaOf(body.format)),
      ...(isRaw ? { isRaw } : {}),
    },
  };
}

type Pictures = Pick<CompletionRequest, "pictures">;

const picturesIn = (images: readonly unknown[], param: string): Pictures =>
  images.length === 0
    ? {}
    : { pictures: images.map((image, index) => untypedPicture(image, `${param}.${index}`)) };

type ChatMessages = NonNullable<z.output<typeof chatSchema>["messages"]>;

/** Of the last message of the person; no other message may have any. */
function picturesOf(messages: ChatMessages): Pictures {
  const last = messages.findLastIndex(({ role }) => role === "user");
  for (const [at, { images }] of messages.entries()) {
    if (at !== last && (images ?? []).length > 0)
      throw refuse(`messages.${at}.images`, "pictures are read in the last message of a user");
  }
  return picturesIn(messages[last]?.images ?? [], `messages.${last}.images`);
}

/** Ollama's clients put a tag behind every name; ours have none. */
export const modelOf = (name: string): string => name.replace(/:latest$/, "");

const schemaOf = (format: z.output<typeof formatSchema> | null | undefined): unknown => {
  if (format === null || format === undefined || format === "") return undefined;
  return format === "json" ? { type: "object" } : format;
};

function samplingOf(options: z.output<typeof optionsSchema> | null | undefined): CompletionOptions {
  if (options === null || options === undefined) return {};
  const { num_predict: asked, stop } = options;
  const stops = typeof stop === "string" ? [stop] : (stop ?? []);
  const isOpenEnded = typeof asked === "number" && asked < 1; // -1: to the end, -2: of the context
  const most = LIMIT.answerTokensAsked.max;
  return {
    ...given("maxTokens", isOpenEnded ? most : asked && Math.min(asked, most)),
    ...given("temperature", options.temperature),
    ...given("topP", options.top_p === 0 ? Number.MIN_VALUE : options.top_p),
    ...given("seed", options.seed),
    ...given("stop", stops.length === 0 ? null : stops),
    ...given("presencePenalty", options.presence_penalty === 0 ? null : options.presence_penalty),
    ...given(
      "frequencyPenalty",
      options.frequency_penalty === 0 ? null : options.frequency_penalty,
    ),
  };
}
