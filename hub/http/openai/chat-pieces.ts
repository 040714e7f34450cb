// The text of an answer as the pieces of OpenAI's chat: words, and calls of tools cut out of it.

import type { CompletionReply, TokenLogprob } from "@gantry/shared/contract/completions.ts";
import type { Usage } from "@gantry/shared/contract/rows.ts";
import {
  makeToolTextReader,
  readToolText,
  type ToolTextPart,
} from "@gantry/shared/contract/tool-text.ts";

export type Delta = Readonly<Record<string, unknown>>;

/** `idOf`: the id of the n-th call of this choice. */
export interface ChoiceOptions {
  readonly hasTools: boolean;
  readonly idOf: (call: number) => string;
}

export interface ChoicePieces {
  feed(text: string): readonly Delta[];
  /** What is left, also of an answer that came whole; and how it ended. */
  end(reply: CompletionReply): { readonly deltas: readonly Delta[]; readonly finish: string };
}

export function makeChoicePieces({ hasTools, idOf }: ChoiceOptions): ChoicePieces {
  const reader = hasTools ? makeToolTextReader() : undefined;
  let hasText = false;
  let calls = 0;

  function deltaOf(part: ToolTextPart): Delta {
    switch (part.kind) {
      case "text":
        return { content: part.text };
      case "call": {
        calls += 1;
        const { index, name } = part;
        // The id and the name come once, in the first piece.
        const called = {
          index,
          id: idOf(index),
          type: "function",
          function: { name, arguments: "" },
        };
        return { tool_calls: [called] };
      }
      case "arguments":
        return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
    }
  }

  function feed(text: string): readonly Delta[] {
    if (text === "") return [];
    hasText = true;
    return reader === undefined ? [{ content: text }] : reader.feed(text).map(deltaOf);
  }

  return {
    feed,
    end({ text, finishReason }) {
      const deltas = [...(hasText ? [] : feed(text)), ...(reader?.end() ?? []).map(deltaOf)];
      return { deltas, finish: finishOf(finishReason, calls) };
    },
  };
}

export const finishOf = (finish: CompletionReply["finishReason"], calls: number): string =>
  calls > 0 && finish === "stop" ? "tool_calls" : finish;

/** The whole message. */
export function messageOf(
  { text }: CompletionReply,
  { hasTools, idOf }: ChoiceOptions,
): { readonly message: Delta; readonly calls: number } {
  const read = hasTools ? readToolText(text) : { text, calls: [] };
  const tool_calls = read.calls.map((call, index) => ({
    id: idOf(index),
    type: "function",
    function: { name: call.name, arguments: call.arguments },
  }));
  const content = tool_calls.length > 0 && read.text.trim() === "" ? null : read.text;
  const called = tool_calls.length > 0 ? { tool_calls } : {};
  return {
    message: { role: "assistant", content, refusal: null, ...called },
    calls: tool_calls.length,
  };
}

export const logprobsOf = (logprobs: readonly TokenLogprob[] | undefined): unknown =>
  logprobs === undefined
    ? null
    : {
        content: logprobs.map(({ top, ...own }) => ({ ...own, top_logprobs: top })),
        refusal: null,
      };

/** Of all choices: the prompt counts once. */
export function usageOf(usages: readonly Usage[]): Readonly<Record<string, unknown>> {
  const prompt = Math.max(0, ...usages.map(({ promptTokens }) => promptTokens));
  const cached = Math.max(0, ...usages.map(({ cachedTokens }) => cachedTokens));
  const completion = usages.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
