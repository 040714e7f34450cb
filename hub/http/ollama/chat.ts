// POST /api/chat and /api/generate as Ollama's clients read them: a JSON object a line, times in ns.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import { makeToolTextReader, readToolText } from "@gantry/shared/contract/tool-text.ts";
import type { DoorContext, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { askModel, type ModelDoor } from "../openai/ask-model.ts";
import { type LiveStream, liveStream } from "../openai/live-stream.ts";
import { ollamaErrorOf } from "../problem.ts";
import { jsonReply } from "../routes/plain.ts";
import type { DeskRequest } from "../../ports.ts";
import { type OllamaRequest, readOllamaChat, readOllamaGenerate } from "./chat-request.ts";

const NS_PER_MS = 1_000_000;

interface ReadCall {
  readonly name: string;
  readonly arguments: string;
}

/** What differs between the two: where the words stand. */
type Piece = (text: string, calls: readonly ReadCall[]) => Readonly<Record<string, unknown>>;

const chatPiece: Piece = (content, calls) => ({
  message: {
    role: "assistant",
    content,
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(callOf) }),
  },
});
const generatePiece: Piece = (response) => ({ response });

export const ollamaChat =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "ollamaChat");
    return answer(door, c, read, readOllamaChat(read.body), chatPiece);
  };

export const ollamaGenerate =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "ollamaGenerate");
    return answer(door, c, read, readOllamaGenerate(read.body), generatePiece);
  };

async function answer(
  door: ModelDoor,
  c: DoorContext,
  read: DeskRequest,
  asked: OllamaRequest,
  piece: Piece,
): Promise<Response> {
  const { signal } = c.req.raw;
  const model = asked.request.model ?? "gantry";
  const head = (): Record<string, unknown> => ({
    model,
    created_at: new Date(door.clock.now()).toISOString(),
  });
  if (asked.isEmpty) {
    // Models are loaded when they are first needed; there is nothing to wait for.
    return jsonReply({ ...head(), ...piece("", []), done: true, done_reason: "load" }, 200);
  }
  const hasTools = asked.request.tools !== undefined;
  if (!asked.isStream) {
    const reply = await askModel(door, read, asked.request, { signal });
    const { text, calls } = hasTools ? readToolText(reply.text) : { text: reply.text, calls: [] };
    return jsonReply({ ...head(), ...piece(text, calls), ...endOf(reply) }, 200);
  }
  const work: LiveStream["work"] = async (limited, say, pace) => {
    const words = makeWords(hasTools, (text, calls) =>
      line({ ...head(), ...piece(text, calls), done: false }),
    );
    let heard = false;
    const reply = await askModel(door, read, asked.request, {
      signal: limited,
      pace,
      onText(text) {
        heard = true;
        say(words.feed(text));
      },
    });
    const rest = heard || reply.text === "" ? "" : words.feed(reply.text);
    return `${rest}${words.end()}${line({ ...head(), ...piece("", []), ...endOf(reply) })}`;
  };
  return liveStream({ work, failure, form: "ndjson" }, door.clock, signal);
}

interface Words {
  feed(text: string): string;
  end(): string;
}

/** Words go out as they come; a call goes out whole, as Ollama gives its arguments as an object. */
function makeWords(
  hasTools: boolean,
  write: (text: string, calls: readonly ReadCall[]) => string,
): Words {
  if (!hasTools) return { feed: (text) => write(text, []), end: () => "" };
  const reader = makeToolTextReader();
  let open: { name: string; arguments: string } | undefined;

  const flush = (): string => {
    const called = open;
    open = undefined;
    return called === undefined ? "" : write("", [called]);
  };
  const lines = (parts: ReturnType<typeof reader.feed>): string => {
    let text = "";
    for (const part of parts) {
      if (part.kind === "arguments") {
        if (open !== undefined) open.arguments += part.text;
        continue;
      }
      text += flush();
      if (part.kind === "call") open = { name: part.name, arguments: "" };
      else text += write(part.text, []);
    }
    return text;
  };
  return { feed: (text) => lines(reader.feed(text)), end: () => lines(reader.end()) + flush() };
}

function callOf({ name, arguments: text }: ReadCall): unknown {
  try {
    return { function: { name, arguments: JSON.parse(text) as unknown } };
  } catch {
    return { function: { name, arguments: {} } }; // cut off in the middle
  }
}

function endOf({ finishReason, usage, routing }: CompletionReply): Record<string, unknown> {
  const firstMs = numberOf(routing.metadata["firstTokenMs"]);
  const modelMs = numberOf(routing.metadata["modelMs"]);
  return {
    done: true,
    done_reason: finishReason,
    total_duration: ns(routing.latencyMs),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: ns(firstMs),
    eval_count: usage.completionTokens,
    eval_duration: ns(Math.max(0, modelMs - firstMs)),
  };
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const failure = (error: unknown): string => line(ollamaErrorOf(toErrorRecord(error)));
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);
const ns = (ms: number): number => Math.round(ms * NS_PER_MS);
