// A response of POST /v1/responses, and the items in it.

import type { CompletionReply, TokenLogprob } from "@gantry/shared/contract/completions.ts";
import type { ResponseItem } from "@gantry/shared/contract/responses.ts";
import type { Usage } from "@gantry/shared/contract/rows.ts";
import { readToolText } from "@gantry/shared/contract/tool-text.ts";
import type { ResponseRequest } from "./response-request.ts";

export interface ResponseHead {
  readonly id: string;
  readonly createdAtMs: number;
  readonly request: ResponseRequest;
}

type Status = "in_progress" | "completed" | "incomplete" | "failed";

export interface ResponseEnd {
  readonly status: Status;
  readonly model: string;
  readonly output: readonly ResponseItem[];
  readonly usage?: Usage;
  readonly error?: { readonly code: string; readonly message: string };
}

export function responseOf(
  { id, createdAtMs, request }: ResponseHead,
  { status, model, output, usage, error }: ResponseEnd,
): Readonly<Record<string, unknown>> {
  const { body, isKept } = request;
  return {
    id,
    object: "response",
    created_at: Math.floor(createdAtMs / 1_000),
    status,
    background: false,
    error: error ?? null,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    store: isKept,
    temperature: body.temperature ?? 0,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: "disabled",
    usage: usage === undefined ? null : usageOf(usage),
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}

const usageOf = (usage: Usage): unknown => ({
  input_tokens: usage.promptTokens,
  input_tokens_details: { cached_tokens: usage.cachedTokens },
  output_tokens: usage.completionTokens,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: usage.promptTokens + usage.completionTokens,
});

export const hasTools = ({ options }: ResponseRequest): boolean =>
  options.tools !== undefined && options.toolChoice !== "none";

/** Ids of items: of the response, and of their place in it. */
export const itemId = (kind: "msg" | "fc" | "call", responseId: string, place: number): string =>
  `${kind}_${responseId.replace(/^resp_/, "")}_${place}`;

export const statusOf = ({ finishReason }: CompletionReply): Status =>
  finishReason === "length" ? "incomplete" : "completed";

/** Words first, if there are any, then one item for each call. */
export function outputOf(head: ResponseHead, reply: CompletionReply): readonly ResponseItem[] {
  const read = hasTools(head.request) ? readToolText(reply.text) : { text: reply.text, calls: [] };
  const status = statusOf(reply);
  const hasWords = read.text.trim() !== "" || read.calls.length === 0;
  const words = hasWords ? [messageItem(head.id, read.text, status, reply.logprobs)] : [];
  const calls = read.calls.map((call, index) => {
    const isLast = index === read.calls.length - 1;
    const place = words.length + index;
    return callItem(head.id, place, call.name, call.arguments, isLast ? status : "completed");
  });
  return [...words, ...calls];
}

export const messageItem = (
  responseId: string,
  text: string,
  status: Status,
  logprobs?: readonly TokenLogprob[],
): ResponseItem => ({
  type: "message",
  id: itemId("msg", responseId, 0),
  status,
  role: "assistant",
  content: status === "in_progress" ? [] : [textPart(text, logprobs)],
});

export const textPart = (text: string, logprobs: readonly TokenLogprob[] = []): ResponseItem => ({
  type: "output_text",
  text,
  annotations: [],
  logprobs: logprobsOf(logprobs),
});

export const logprobsOf = (logprobs: readonly TokenLogprob[] = []): readonly unknown[] =>
  logprobs.map(({ top, ...own }) => ({ ...own, top_logprobs: top }));

export const callItem = (
  responseId: string,
  place: number,
  name: string,
  text: string,
  status: Status,
): ResponseItem => ({
  type: "function_call",
  id: itemId("fc", responseId, place),
  call_id: itemId("call", responseId, place),
  name,
  arguments: text,
  status,
});
