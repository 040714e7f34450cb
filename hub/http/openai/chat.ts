// POST /v1/chat/completions, whole and streamed, in the shapes OpenAI's clients read.

import type { Pace } from "@gantry/shared/flow/pace.ts";
import { present } from "@gantry/shared/base/assert.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import type { DoorContext, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { openAiErrorOf } from "../problem.ts";
import { jsonReply } from "../routes/plain.ts";
import { sseData } from "../sse.ts";
import type { DeskRequest } from "../../ports.ts";
import { askChoices, type ModelDoor } from "./ask-model.ts";
import {
  type ChoiceOptions,
  type Delta,
  finishOf,
  logprobsOf,
  makeChoicePieces,
  messageOf,
  usageOf,
} from "./chat-pieces.ts";
import { type ChatRequest, readChat } from "./chat-request.ts";
import { liveStream, placeComment } from "./live-stream.ts";
import { routeHeaders } from "./route-headers.ts";

/** Clients compare it to learn whether the answering system changed. */
export const fingerprintOf = (version: string): string => `gantry-${version}`;

export const chatCompletions =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "chatCompletions");
    const chat = readChat(read.body);
    if (chat.isStream) return streamed(door, c, read, chat);
    const { signal } = c.req.raw;
    const replies = await askChoices(door, read, chat.request, chat.choices, () => ({ signal }));
    const reply = jsonReply(completionOf(door, read, chat, replies), 200);
    for (const [name, value] of routeHeaders(replies[0])) reply.headers.set(name, value);
    return reply;
  };

/** Ids of calls are unique among all requests and choices. */
const optionsOf = (read: DeskRequest, chat: ChatRequest, choice: number): ChoiceOptions => ({
  hasTools: chat.request.tools !== undefined && chat.request.toolChoice !== "none",
  idOf: (call) =>
    `call_${read.requestId.replace(/^req_/, "")}${choice === 0 ? "" : `_${choice}`}_${call}`,
});

function completionOf(
  { config }: ModelDoor,
  read: DeskRequest,
  chat: ChatRequest,
  replies: readonly CompletionReply[],
): unknown {
  const first = present(replies[0], "an answer");
  return {
    id: `chatcmpl-${first.id}`,
    object: "chat.completion",
    created: Math.floor(first.createdAtMs / 1_000),
    model: first.routing.model,
    system_fingerprint: fingerprintOf(config.version),
    service_tier: "default",
    choices: replies.map((reply, index) => {
      const { message, calls } = messageOf(reply, optionsOf(read, chat, index));
      const finish_reason = finishOf(reply.finishReason, calls);
      return { index, message, logprobs: logprobsOf(reply.logprobs), finish_reason };
    }),
    usage: usageOf(replies.map(({ usage }) => usage)),
  };
}

function streamed(
  door: ModelDoor,
  c: DoorContext,
  read: DeskRequest,
  chat: ChatRequest,
): Promise<Response> {
  const { requestId } = read;
  const base = {
    id: `chatcmpl-${requestId}`,
    object: "chat.completion.chunk",
    created: Math.floor(door.clock.now() / 1_000),
    model: chat.request.model ?? "gantry",
    service_tier: "default",
    system_fingerprint: fingerprintOf(door.config.version),
  };
  const usageSlot = chat.includesUsage ? { usage: null } : {};
  const chunk = (
    index: number,
    delta: Delta,
    finish_reason: string | null = null,
    logprobs: unknown = null,
  ): string =>
    sseData({ ...base, choices: [{ index, delta, logprobs, finish_reason }], ...usageSlot });

  async function work(
    signal: AbortSignal,
    say: (text: string) => void,
    pace: Pace,
  ): Promise<string> {
    const choices = Array.from({ length: chat.choices }, (_, index) =>
      makeChoicePieces(optionsOf(read, chat, index)),
    );
    const opened = new Set<number>();
    const open = (index: number): string => {
      if (opened.has(index)) return "";
      opened.add(index);
      return chunk(index, { role: "assistant", content: "", refusal: null });
    };
    const replies = await askChoices(door, read, chat.request, chat.choices, (index) => ({
      signal,
      pace,
      onPlace: (place) => say(placeComment(place)),
      onText(text) {
        const deltas = choices[index]?.feed(text) ?? [];
        say(open(index) + deltas.map((delta) => chunk(index, delta)).join(""));
      },
    }));
    const ends = replies.map((reply, index) => {
      const { deltas, finish } = present(choices[index], "a choice").end(reply);
      const chances =
        reply.logprobs === undefined ? "" : chunk(index, {}, null, logprobsOf(reply.logprobs));
      const rest = deltas.map((delta) => chunk(index, delta)).join("");
      return `${open(index)}${rest}${chances}${chunk(index, {}, finish)}`;
    });
    const usage = usageOf(replies.map((reply) => reply.usage));
    const totals = chat.includesUsage ? sseData({ ...base, choices: [], usage }) : "";
    return `${ends.join("")}${totals}data: [DONE]\n\n`;
  }

  const failure = (error: unknown): string =>
    sseData(openAiErrorOf(toErrorRecord(error), requestId));
  return liveStream({ work, failure }, door.clock, c.req.raw.signal);
}
