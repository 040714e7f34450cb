// A body of POST /v1/messages (Anthropic) as a CompletionRequest.
//
// AM1. What would change the meaning of the answer and is not done here is refused by name; unknown
//      fields are ignored.

import { z } from "zod";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  CallerMessage,
  CompletionOptions,
  CompletionRequest,
  ToolOffer,
} from "@gantry/shared/contract/completions.ts";
import { given, parse, refuse } from "../openai/parse.ts";
import { pictureOf } from "../openai/pictures.ts";
import { named, toolNameSchema } from "../openai/tools-request.ts";

const blockSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.record(z.string(), z.unknown()).optional(),
  tool_use_id: z.string().optional(),
  content: z.unknown().optional(),
  is_error: z.boolean().nullish(),
  source: z
    .looseObject({
      type: z.string(),
      media_type: z.string().optional(),
      data: z.string().optional(),
    })
    .optional(),
});
type Block = z.output<typeof blockSchema>;
const contentSchema = z.union([z.string(), z.array(blockSchema)]);

const toolSchema = z.looseObject({
  type: z.string().nullish(),
  name: toolNameSchema,
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()).optional(),
  strict: z.boolean().nullish(),
});
const choiceSchema = z.looseObject({
  type: z.enum(["auto", "any", "tool", "none"]),
  name: z.string().optional(),
  disable_parallel_tool_use: z.boolean().nullish(),
});

const promptFields = {
  model: z.string().max(240),
  messages: z
    .array(z.looseObject({ role: z.enum(["user", "assistant", "system"]), content: contentSchema }))
    .min(1)
    .max(1_000),
  system: contentSchema.nullish(),
  tools: z.array(toolSchema).max(LIMIT.tools.max).nullish(),
  tool_choice: choiceSchema.nullish(),
};
const countSchema = z.looseObject(promptFields);
const bodySchema = z.looseObject({
  ...promptFields,
  max_tokens: z.number().int().min(1),
  stop_sequences: z.array(z.string()).max(16).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  stream: z.boolean().nullish(),
});
type Prompt = z.output<typeof countSchema>;

export interface MessageRequest {
  readonly request: CompletionRequest;
  readonly isStream: boolean;
}

/** Throws bad_request with details {param}. */
export function readMessage(value: unknown): MessageRequest {
  const body = parse(bodySchema, value);
  return {
    isStream: body.stream === true,
    request: {
      ...promptOf(body),
      maxTokens: Math.min(body.max_tokens, LIMIT.answerTokensAsked.max),
      ...given("temperature", body.temperature),
      ...given("topP", body.top_p === 0 ? Number.MIN_VALUE : body.top_p),
      ...given("stop", body.stop_sequences?.length === 0 ? null : body.stop_sequences),
    },
  };
}

/** As `readMessage`, of a prompt that is only counted. */
export const readPrompt = (value: unknown): CompletionRequest =>
  promptOf(parse(countSchema, value));

function promptOf(body: Prompt): CompletionRequest {
  const system =
    body.system === null || body.system === undefined ? "" : textOf(body.system, "system");
  const messages = body.messages.flatMap(({ role, content }, index) =>
    messagesOf(role, content, `messages.${index}`),
  );
  return {
    model: body.model,
    ...picturesOf(body.messages),
    messages: [
      ...(system === "" ? [] : [{ role: "system" as const, content: system }]),
      ...messages,
    ],
    ...toolsOf(body),
  };
}

/** Results of tools are messages of their own, before what the person says beside them. */
function messagesOf(
  role: "user" | "assistant" | "system",
  content: string | readonly Block[],
  at: string,
): readonly CallerMessage[] {
  if (typeof content === "string") return [{ role, content }];
  const results = content.flatMap((block, index) =>
    block.type === "tool_result" ? [resultOf(block, `${at}.content.${index}`)] : [],
  );
  const calls = content.flatMap((block, index) =>
    block.type === "tool_use" ? [callOf(block, `${at}.content.${index}`)] : [],
  );
  const spoken = content.filter(({ type }) => type !== "tool_result" && type !== "tool_use");
  const text = textOf(spoken, at);
  const said: CallerMessage = {
    role,
    content: text,
    ...(calls.length === 0 ? {} : { toolCalls: calls }),
  };
  return text === "" && calls.length === 0 && results.length > 0 ? results : [...results, said];
}

/** Of the last message of the person; no other message may have any. */
function picturesOf(messages: Prompt["messages"]): Pick<CompletionRequest, "pictures"> {
  const last = messages.findLastIndex(({ role }) => role === "user");
  const pictures = messages.flatMap(({ content }, at) =>
    (typeof content === "string" ? [] : content).flatMap(({ type, source }, index) => {
      if (type !== "image" || source === undefined) return [];
      const param = `messages.${at}.content.${index}`;
      if (at !== last) throw refuse(param, "pictures are read in the last message of a user");
      return [pictureOf(source.media_type, source.data, param)];
    }),
  );
  return pictures.length === 0 ? {} : { pictures };
}

function callOf(
  { id, name, input }: Block,
  at: string,
): NonNullable<CallerMessage["toolCalls"]>[number] {
  if (id === undefined || name === undefined) throw refuse(at, "a tool_use needs an id and a name");
  return { id, name, arguments: JSON.stringify(input ?? {}) };
}

function resultOf(block: Block, at: string): CallerMessage {
  const { tool_use_id: toolCallId, content, is_error: isError } = block;
  if (toolCallId === undefined) throw refuse(`${at}.tool_use_id`, "is missing");
  const text = content === undefined ? "" : textOf(parse(contentSchema, content), at);
  return { role: "tool", toolCallId, content: isError === true ? `Error: ${text}` : text };
}

/** What a model thought before is no part of what it said; it is left out, as Anthropic does. */
function textOf(content: string | readonly Block[], at: string): string {
  if (typeof content === "string") return content;
  return content
    .map((block, index) => {
      if (block.type === "text" && block.text !== undefined) return block.text;
      if (block.type === "image" && block.source !== undefined) return ""; // picturesOf
      if (block.type === "thinking" || block.type === "redacted_thinking") return "";
      const type = block.type.slice(0, 40);
      throw refuse(`${at}.content.${index}`, `blocks of type "${type}" are not read, only text`);
    })
    .join("");
}

function toolsOf({ tools, tool_choice: choice }: Prompt): Partial<CompletionOptions> {
  const offers = (tools ?? []).map(offerOf);
  if (offers.length === 0) return {};
  const parallel = choice?.disable_parallel_tool_use === true ? { hasParallelCalls: false } : {};
  switch (choice?.type) {
    case "none":
      return { tools: offers, toolChoice: "none" };
    case "any":
      return { tools: offers, toolChoice: "required", ...parallel };
    case "tool":
      return { tools: named(offers, [choice.name ?? ""]), toolChoice: "required", ...parallel };
    case "auto":
    case undefined:
      return { tools: offers, ...parallel };
  }
}

function offerOf(tool: z.output<typeof toolSchema>, index: number): ToolOffer {
  if (tool.input_schema === undefined)
    throw refuse(`tools.${index}`, "only tools with an input_schema are known here");
  return {
    name: tool.name,
    parameters: tool.input_schema,
    ...given("description", tool.description),
    ...(tool.strict === true ? { isStrict: true } : {}),
  };
}
