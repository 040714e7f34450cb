// POST /v1/chat/completions, whole and streamed, in the shapes OpenAI's clients read.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import type { Usage } from "@gantry/shared/contract/rows.ts";
import { answerStream } from "../answer-stream.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { openAiErrorOf } from "../problem.ts";
import { deadlineMsOf, jsonReply } from "../routes/plain.ts";
import { sseData } from "../sse.ts";
import { type ChatRequest, readChat } from "./chat-request.ts";

/** Clients compare it to learn whether the answering system changed. */
const FINGERPRINT = "gantry-1";

/** Takes a CompletionRequest to the desk and a CompletionReply back. */
export const chatCompletions =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const read = await readRequest(c, "chatCompletions");
    const chat = readChat(read.body);
    const ask = (signal: AbortSignal, onText?: (text: string) => void): Promise<CompletionReply> =>
      within(deps.clock, deadlineMsOf("chatCompletions"), signal, async (limited) => {
        const request = { ...read, body: chat.request };
        const options = { signal: limited, ...(onText === undefined ? {} : { onText }) };
        const reply = await deps.desk.call("chatCompletions", request, options);
        return reply as CompletionReply; // what the desk gives for this route
      });
    return chat.isStream
      ? streamed(deps, c, chat, ask)
      : jsonReply(completionOf(await ask(c.req.raw.signal)), 200);
  };

type Ask = (signal: AbortSignal, onText?: (text: string) => void) => Promise<CompletionReply>;

function streamed(deps: DoorDeps, c: DoorContext, chat: ChatRequest, ask: Ask): Response {
  const requestId = c.get("requestId");
  const base = {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion.chunk",
    created: Math.floor(deps.clock.now() / 1_000),
    model: chat.request.model ?? "gantry",
    system_fingerprint: FINGERPRINT,
  };
  const usageSlot = chat.includesUsage ? { usage: null } : {};
  const chunk = (delta: Readonly<Record<string, unknown>>, finish: string | null): string =>
    sseData({
      ...base,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...usageSlot,
    });
  let hasText = false;

  return answerStream(
    {
      work: ask,
      head: chunk({ role: "assistant", content: "", refusal: null }, null),
      piece: (text) => {
        hasText = true;
        return chunk({ content: text }, null);
      },
      end: (result) => {
        const { text, finishReason, usage } = result as CompletionReply; // what `ask` gives
        const rest = hasText || text === "" ? "" : chunk({ content: text }, null);
        const totals = sseData({ ...base, choices: [], usage: usageOf(usage) });
        const tail = chat.includesUsage ? totals : "";
        return `${rest}${chunk({}, finishReason)}${tail}data: [DONE]\n\n`;
      },
      failure: (error) => sseData(openAiErrorOf(toErrorRecord(error), requestId)),
    },
    deps.clock,
    c.req.raw.signal,
  );
}

const completionOf = (reply: CompletionReply): unknown => ({
  id: `chatcmpl-${reply.id}`,
  object: "chat.completion",
  created: Math.floor(reply.createdAtMs / 1_000),
  model: reply.routing.model,
  system_fingerprint: FINGERPRINT,
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: reply.text, refusal: null },
      logprobs: null,
      finish_reason: reply.finishReason,
    },
  ],
  usage: usageOf(reply.usage),
});

const usageOf = (usage: Usage): unknown => ({
  prompt_tokens: usage.promptTokens,
  completion_tokens: usage.completionTokens,
  total_tokens: usage.promptTokens + usage.completionTokens,
  prompt_tokens_details: { cached_tokens: usage.cachedTokens },
});
