// A provider that speaks Anthropic's messages, streamed. Its answer is whole with `message_stop`.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CloudAnswer, CloudModel, CloudProvider, CloudRequest } from "../ask/cloud-types.ts";
import { brokenOff, eventsOf, openCall, type ReadKey } from "./cloud-http.ts";
import type { OutboundStreams } from "./outbound-stream.ts";

export interface ProviderParts {
  readonly name: string;
  /** Without a slash at its end; with the version, as in https://api.openai.com/v1. */
  readonly baseUrl: string;
  readonly models: readonly CloudModel[];
  readonly streams: OutboundStreams;
  readonly readKey: ReadKey;
  readonly hasKey: () => boolean;
}

const VERSION = "2023-06-01";

export function makeAnthropicCloud(parts: ProviderParts): CloudProvider {
  const { name, baseUrl, models, streams, readKey, hasKey } = parts;

  async function complete(
    request: CloudRequest,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CloudAnswer> {
    const call = {
      provider: name,
      url: `${baseUrl}/messages`,
      headersFor: (key: string) => ({ "x-api-key": key, "anthropic-version": VERSION }),
      body: JSON.stringify(bodyOf(request)),
    };
    const reply = await openCall(streams, readKey, call, signal);
    let text = "";
    let finish: string | undefined;
    let input: Usage = {};
    let output: unknown;
    let isWhole = false;
    for await (const raw of eventsOf(name, reply)) {
      const event = raw as AnthropicEvent; // every member is checked where it is used
      if (event.type === "error") throw brokenOff(name);
      if (event.type === "message_start") input = event.message?.usage ?? {};
      if (event.type === "content_block_delta" && typeof event.delta?.text === "string") {
        text += event.delta.text;
        onText(event.delta.text);
      }
      if (event.type === "message_delta") {
        output = event.usage?.output_tokens;
        if (typeof event.delta?.stop_reason === "string") finish = event.delta.stop_reason;
      }
      if (event.type === "message_stop") isWhole = true;
    }
    const fresh = count(input.input_tokens);
    const completionTokens = count(output);
    if (!isWhole || fresh === undefined || completionTokens === undefined) throw brokenOff(name);
    // Anthropic counts what it has read before, and what it keeps for later, beside `input_tokens`.
    const cachedTokens = count(input.cache_read_input_tokens) ?? 0;
    const kept = count(input.cache_creation_input_tokens) ?? 0;
    return {
      text,
      finishReason: finish === "max_tokens" ? "length" : "stop",
      promptTokens: fresh + cachedTokens + kept,
      cachedTokens,
      completionTokens,
    };
  }

  return { name, models, hasKey, complete };
}

interface Usage {
  readonly input_tokens?: unknown;
  readonly cache_read_input_tokens?: unknown;
  readonly cache_creation_input_tokens?: unknown;
  readonly output_tokens?: unknown;
}

interface AnthropicEvent {
  readonly type?: unknown;
  readonly message?: { readonly usage?: Usage };
  readonly delta?: { readonly text?: unknown; readonly stop_reason?: unknown };
  readonly usage?: Usage;
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** System messages go apart; two turns of one role in a row become one, which the API wants. */
function bodyOf(request: CloudRequest): object {
  const { model, messages, pictures, maxTokens, temperature, topP, stop, jsonSchema } = request;
  if (jsonSchema !== undefined)
    throw new GantryError(
      "capability_missing",
      "This provider takes no JSON Schema for its answers",
    );
  const system = messages.flatMap(({ role, content }) => (role === "system" ? [content] : []));
  const turns: { role: "user" | "assistant"; content: unknown[] }[] = [];
  for (const { role, content } of messages) {
    if (role === "system") continue;
    const part = { type: "text", text: content };
    const before = turns.at(-1);
    if (before?.role === role) before.content.push(part);
    else turns.push({ role, content: [part] });
  }
  const last = turns.at(-1);
  if (last?.role === "user")
    last.content.unshift(
      ...pictures.map(({ mediaType, base64 }) => ({
        type: "image",
        source: { type: "base64", media_type: mediaType, data: base64 },
      })),
    );
  return {
    model,
    max_tokens: maxTokens,
    messages: turns,
    stream: true,
    ...(system.length === 0 ? {} : { system: system.join("\n\n") }),
    ...(temperature === undefined ? {} : { temperature: Math.min(1, temperature) }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(stop === undefined ? {} : { stop_sequences: stop }),
  };
}
