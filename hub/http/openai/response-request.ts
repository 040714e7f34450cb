// A body of POST /v1/responses as a CompletionRequest, and items of earlier responses as messages.
//
// RR1. What would change the meaning of the answer and is not done here is refused by name.
// RR2. What is kept of a request is what was asked in it, item by item, as its sender would read it back.

import { z } from "zod";
import type {
  CallerMessage,
  CompletionOptions,
  CompletionRequest,
} from "@gantry/shared/contract/completions.ts";
import type { ResponseItem } from "@gantry/shared/contract/responses.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { maxTokensOf, tokensSchema } from "./chat-request.ts";
import { given, parse, refuse } from "./parse.ts";
import { pictureAt } from "./pictures.ts";
import { named, offerOf, toolNameSchema } from "./tools-request.ts";

const partSchema = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
  image_url: z.string().nullish(),
});
const contentSchema = z.union([z.string(), z.array(partSchema)]);
const itemSchema = z.looseObject({
  type: z.string().optional(),
  role: z.enum(["system", "developer", "user", "assistant"]).optional(),
  content: contentSchema.optional(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: contentSchema.optional(),
});
const toolSchema = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
const namedSchema = z.looseObject({ type: z.literal("function"), name: toolNameSchema });
const choiceSchema = z.union(
  [
    z.enum(["none", "auto", "required"]),
    namedSchema,
    z.looseObject({
      type: z.literal("allowed_tools"),
      mode: z.enum(["auto", "required"]),
      tools: z.array(namedSchema),
    }),
  ],
  { error: "must be none, auto, required, a function or allowed_tools" },
);

const bodySchema = z.looseObject({
  model: z.string().max(240).nullish(),
  input: z.union([z.string(), z.array(itemSchema).max(1_000)], { error: "must be text or items" }),
  instructions: z.string().nullish(),
  previous_response_id: z.string().max(200).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  background: z.boolean().nullish(),
  conversation: z.unknown().optional(),
  prompt: z.unknown().optional(),
  max_output_tokens: tokensSchema,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  include: z.array(z.string()).nullish(),
  tools: z.array(toolSchema).max(LIMIT.tools.max).nullish(),
  tool_choice: choiceSchema.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }).nullish() }).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  user: z.string().nullish(),
});
export type ResponseBody = z.output<typeof bodySchema>;

export interface ResponseRequest {
  readonly body: ResponseBody;
  /** Without the messages: these depend on what came before. */
  readonly options: CompletionOptions;
  readonly input: readonly ResponseItem[];
  readonly isStream: boolean;
  readonly isKept: boolean;
}

/** Throws bad_request with details {param}. */
export function readResponse(value: unknown): ResponseRequest {
  const body = parse(bodySchema, value);
  assertSupported(body);
  const input = inputOf(body.input);
  messagesOf(input, "input"); // what cannot be read is refused before anything is asked
  const tools = toolsOf(body);
  const jsonSchema = schemaOf(body.text?.format);
  if (jsonSchema !== undefined && tools.tools !== undefined && tools.toolChoice !== "none")
    throw refuse("text.format", "a schema binds the whole answer, so it cannot call tools");
  const hasLogprobs =
    body.include?.includes("message.output_text.logprobs") === true || (body.top_logprobs ?? 0) > 0;
  return {
    body,
    input,
    isStream: body.stream === true,
    isKept: body.store !== false,
    options: {
      ...maxTokensOf(body.max_output_tokens),
      ...given("temperature", body.temperature),
      ...given("topP", body.top_p === 0 ? Number.MIN_VALUE : body.top_p),
      ...(hasLogprobs ? { topLogprobs: body.top_logprobs ?? 0 } : {}),
      ...given("jsonSchema", jsonSchema),
      ...tools,
    },
  };
}

/** `before`: the items of earlier responses, asked and answered, in their order. */
export function completionOf(
  { body, options, input }: ResponseRequest,
  before: readonly ResponseItem[],
): CompletionRequest {
  const { instructions } = body;
  const told: readonly CallerMessage[] =
    typeof instructions === "string" && instructions !== ""
      ? [{ role: "system", content: instructions }]
      : [];
  const messages = [...told, ...messagesOf([...before, ...input], "input")];
  return { ...given("model", body.model), messages, ...picturesOf(input), ...options };
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null;

function assertSupported(body: ResponseBody): void {
  if (body.background === true)
    throw refuse("background", "an answer is waited for here; send it without");
  if (isSet(body.conversation))
    throw refuse(
      "conversation",
      "is not known here; go on from a response by previous_response_id",
    );
  if (isSet(body.prompt)) throw refuse("prompt", "no prompts are kept here; send instructions");
  if (body.truncation === "auto")
    throw refuse("truncation", "nothing is left out of what was asked; send disabled");
}

function inputOf(input: ResponseBody["input"]): readonly ResponseItem[] {
  if (typeof input !== "string")
    return input.map((item) => ({ ...(item.type === undefined && { type: "message" }), ...item }));
  return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
}

function messagesOf(items: readonly ResponseItem[], param: string): readonly CallerMessage[] {
  const messages: CallerMessage[] = [];
  for (const [index, item] of items.entries()) {
    const message = messageOf(parse(itemSchema, item), `${param}.${index}`);
    if (message === undefined) continue;
    const last = messages.at(-1);
    const isSameTurn = message.toolCalls !== undefined && last?.role === "assistant";
    // Calls are items of their own here, and parts of one answer to the model.
    if (isSameTurn)
      messages[messages.length - 1] = {
        ...last,
        toolCalls: [...(last.toolCalls ?? []), ...(message.toolCalls ?? [])],
      };
    else messages.push(message);
  }
  return messages;
}

/** Of the last message of the person in this request; no other item may have any. */
function picturesOf(input: readonly ResponseItem[]): Pick<CompletionRequest, "pictures"> {
  const items = input.map((item) => parse(itemSchema, item));
  const last = items.findLastIndex(({ role }) => role === "user");
  const pictures = items.flatMap(({ content }, at) =>
    (Array.isArray(content) ? content : []).flatMap(({ type, image_url: address }, index) => {
      if (type !== "input_image") return [];
      const param = `input.${at}.content.${index}`;
      if (at !== last) throw refuse(param, "pictures are read in the last message of a user");
      return [pictureAt(address ?? "", param)];
    }),
  );
  return pictures.length === 0 ? {} : { pictures };
}

function messageOf(item: z.output<typeof itemSchema>, at: string): CallerMessage | undefined {
  const { type = "message", role, call_id: callId, name } = item;
  switch (type) {
    case "message": {
      if (role === undefined) throw refuse(`${at}.role`, "is missing");
      const content = textOf(item.content, `${at}.content`);
      return { role: role === "developer" ? "system" : role, content };
    }
    case "function_call": {
      if (callId === undefined || name === undefined)
        throw refuse(at, "a function_call needs a call_id and a name");
      const call = { id: callId, name, arguments: item.arguments ?? "{}" };
      return { role: "assistant", content: "", toolCalls: [call] };
    }
    case "function_call_output":
      if (callId === undefined) throw refuse(`${at}.call_id`, "is missing");
      return { role: "tool", toolCallId: callId, content: textOf(item.output, `${at}.output`) };
    case "reasoning":
      return undefined; // what a model thought before is no part of what it said
    default:
      throw refuse(`${at}.type`, `items of type "${type.slice(0, 40)}" are not read`);
  }
}

const TEXTS: ReadonlySet<string> = new Set(["input_text", "output_text", "text", "refusal"]);

function textOf(content: z.output<typeof contentSchema> | undefined, at: string): string {
  if (content === undefined) throw refuse(at, "is missing");
  if (typeof content === "string") return content;
  return content
    .map((part, index) => {
      const text = part.text ?? part.refusal;
      // Those of this request go along (picturesOf); those of earlier ones were looked at then.
      if (part.type === "input_image" && typeof part.image_url === "string") return "";
      if (TEXTS.has(part.type) && text !== undefined) return text;
      throw refuse(
        `${at}.${index}`,
        `parts of type "${part.type.slice(0, 40)}" are not read, only text`,
      );
    })
    .join("");
}

function toolsOf(body: ResponseBody): CompletionOptions {
  const offers = (body.tools ?? []).map((tool, index) => {
    if (tool.type !== "function")
      throw refuse(
        `tools.${index}.type`,
        `tools of type "${tool.type.slice(0, 40)}" are not here, only function`,
      );
    const name = parse(toolNameSchema, tool.name);
    return offerOf({ ...tool, name });
  });
  const choice = body.tool_choice ?? "auto";
  if (offers.length === 0) {
    if (choice !== "auto" && choice !== "none")
      throw refuse("tool_choice", "needs tools to choose from");
    return {};
  }
  const parallel = body.parallel_tool_calls === false ? { hasParallelCalls: false } : {};
  if (typeof choice === "string")
    return { tools: offers, ...(choice === "auto" ? {} : { toolChoice: choice }), ...parallel };
  if (choice.type === "function")
    return { tools: named(offers, [choice.name]), toolChoice: "required", ...parallel };
  const names = choice.tools.map(({ name }) => name);
  return { tools: named(offers, names), toolChoice: choice.mode, ...parallel };
}

function schemaOf(format: { readonly type: string } | null | undefined): unknown {
  if (format === null || format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return { type: "object" };
  if (format.type !== "json_schema")
    throw refuse("text.format.type", "must be text, json_object or json_schema");
  return parse(z.looseObject({ schema: z.record(z.string(), z.unknown()) }), format).schema;
}
