// POST /v1/messages, whole and streamed, and its count of tokens, as Anthropic's clients read them.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import {
  makeToolTextReader,
  readToolText,
  type ToolTextPart,
} from "@gantry/shared/contract/tool-text.ts";
import { within } from "../deadline.ts";
import type { DoorContext, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { askModel, type ModelDoor } from "../openai/ask-model.ts";
import { type LiveStream, liveStream, placeComment } from "../openai/live-stream.ts";
import { anthropicErrorOf } from "../problem.ts";
import { jsonReply } from "../routes/plain.ts";
import { sseEvent } from "../sse.ts";
import type { DeskRequest } from "../../ports.ts";
import { type MessageRequest, readMessage, readPrompt } from "./message-request.ts";

export const messages =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "messageMade");
    const asked = readMessage(read.body);
    const reply = asked.isStream
      ? await streamed(door, c, read, asked)
      : jsonReply(
          messageOf(
            read,
            asked,
            await askModel(door, read, asked.request, { signal: c.req.raw.signal }),
          ),
          200,
        );
    reply.headers.set("request-id", read.requestId);
    return reply;
  };

/** Tokens of a prompt as the model counts them, without an answer. */
export const countTokens =
  ({ desk, clock, rates }: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "tokensCounted");
    const body = readPrompt(read.body);
    const tokens = await rates.run(read.actor?.token ?? "", () =>
      within(clock, TIMEOUT.commandMs, c.req.raw.signal, (signal) =>
        desk.call("tokensCounted", { ...read, body }, { signal }),
      ),
    );
    return jsonReply({ input_tokens: tokens }, 200);
  };

const callId = ({ requestId }: DeskRequest, call: number): string =>
  `toolu_${requestId.replace(/^req_/, "")}_${call}`;

const hasTools = ({ request }: MessageRequest): boolean =>
  request.tools !== undefined && request.toolChoice !== "none";

function messageOf(read: DeskRequest, asked: MessageRequest, reply: CompletionReply): unknown {
  const { text, calls } = hasTools(asked)
    ? readToolText(reply.text)
    : { text: reply.text, calls: [] };
  const words = text === "" && calls.length > 0 ? [] : [{ type: "text", text }];
  const uses = calls.map((call, index) => ({
    type: "tool_use",
    id: callId(read, index),
    name: call.name,
    input: inputOf(call.arguments),
  }));
  return {
    id: reply.id,
    type: "message",
    role: "assistant",
    model: reply.routing.model,
    content: [...words, ...uses],
    ...stopOf(reply, calls.length),
    usage: usageOf(reply),
  };
}

/** Of a cut off call nothing can be given. */
function inputOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function stopOf(
  { finishReason, routing }: CompletionReply,
  calls: number,
): Record<string, unknown> {
  const stop = routing.metadata["stoppedBy"];
  if (finishReason === "length") return { stop_reason: "max_tokens", stop_sequence: null };
  if (calls > 0) return { stop_reason: "tool_use", stop_sequence: null };
  if (typeof stop === "string") return { stop_reason: "stop_sequence", stop_sequence: stop };
  return { stop_reason: "end_turn", stop_sequence: null };
}

/** Anthropic counts what came from the cache apart. */
const usageOf = ({ usage }: CompletionReply): Record<string, number> => ({
  input_tokens: usage.promptTokens - usage.cachedTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: usage.cachedTokens,
  output_tokens: usage.completionTokens,
});

function streamed(
  door: ModelDoor,
  c: DoorContext,
  read: DeskRequest,
  asked: MessageRequest,
): Promise<Response> {
  const reader = hasTools(asked) ? makeToolTextReader() : undefined;
  const blocks = makeBlocks((call) => callId(read, call));
  let isBegun = false;
  let heard = false;

  const begin = (): string => {
    if (isBegun) return "";
    isBegun = true;
    const message = {
      id: `msg_${read.requestId.replace(/^req_/, "")}`,
      type: "message",
      role: "assistant",
      model: asked.request.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 0, output_tokens: 0 },
    };
    return (
      sseEvent("message_start", { type: "message_start", message }) +
      sseEvent("ping", { type: "ping" })
    );
  };

  const feed = (text: string): string => {
    const parts = reader === undefined ? [{ kind: "text" as const, text }] : reader.feed(text);
    return parts.map(blocks.write).join("");
  };

  const work: LiveStream["work"] = async (signal, say, pace) => {
    const reply = await askModel(door, read, asked.request, {
      signal,
      pace,
      onPlace: (place) => say(placeComment(place)),
      onText(text) {
        heard = true;
        say(begin() + feed(text));
      },
    });
    const rest = heard || reply.text === "" ? "" : feed(reply.text);
    const left = (reader?.end() ?? []).map(blocks.write).join("");
    const delta = {
      type: "message_delta",
      delta: stopOf(reply, blocks.calls()),
      usage: usageOf(reply),
    };
    const ends =
      sseEvent("message_delta", delta) + sseEvent("message_stop", { type: "message_stop" });
    return `${begin()}${rest}${left}${blocks.close()}${ends}`;
  };

  const failure = (error: unknown): string =>
    sseEvent("error", anthropicErrorOf(toErrorRecord(error), read.requestId));
  return liveStream({ work, failure }, door.clock, c.req.raw.signal);
}

interface Blocks {
  readonly write: (part: ToolTextPart) => string;
  readonly close: () => string;
  readonly calls: () => number;
}

/** Content blocks one after the other: each is opened, filled and closed before the next. */
function makeBlocks(idOf: (call: number) => string): Blocks {
  let index = -1;
  let open: "text" | "tool_use" | undefined;
  let calls = 0;

  const close = (): string => {
    if (open === undefined) return "";
    open = undefined;
    return sseEvent("content_block_stop", { type: "content_block_stop", index });
  };
  const start = (kind: "text" | "tool_use", content_block: unknown): string => {
    const closed = close();
    index += 1;
    open = kind;
    return (
      closed +
      sseEvent("content_block_start", { type: "content_block_start", index, content_block })
    );
  };
  const delta = (value: unknown): string =>
    sseEvent("content_block_delta", { type: "content_block_delta", index, delta: value });

  return {
    close,
    calls: () => calls,
    write(part) {
      switch (part.kind) {
        case "text": {
          const opened = open === "text" ? "" : start("text", { type: "text", text: "" });
          return opened + delta({ type: "text_delta", text: part.text });
        }
        case "call":
          calls += 1;
          return start("tool_use", {
            type: "tool_use",
            id: idOf(part.index),
            name: part.name,
            input: {},
          });
        case "arguments":
          return delta({ type: "input_json_delta", partial_json: part.text });
      }
    },
  };
}
