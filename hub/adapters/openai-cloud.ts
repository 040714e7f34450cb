// A provider that speaks OpenAI's chat completions, streamed. Its answer is whole when it has said why it
// ended and what it took; anything less broke off.

import type { CloudAnswer, CloudProvider, CloudRequest } from "../ask/cloud-types.ts";
import { brokenOff, eventsOf, openCall } from "./cloud-http.ts";
import type { ProviderParts } from "./anthropic-cloud.ts";

export function makeOpenAiCloud(parts: ProviderParts): CloudProvider {
  const { name, baseUrl, models, streams, readKey, hasKey } = parts;

  async function complete(
    request: CloudRequest,
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CloudAnswer> {
    const call = {
      provider: name,
      url: `${baseUrl}/chat/completions`,
      headersFor: (key: string) => ({
        authorization: `Bearer ${key}`,
        "x-client-request-id": request.callId,
      }),
      body: JSON.stringify(bodyOf(request)),
    };
    const reply = await openCall(streams, readKey, call, signal);
    let text = "";
    let finish: string | undefined;
    let usage: OpenAiUsage | undefined;
    for await (const raw of eventsOf(name, reply)) {
      const event = raw as OpenAiChunk; // every member is checked where it is used
      if (event.error !== undefined) throw brokenOff(name);
      const choice = event.choices?.[0];
      const piece = choice?.delta?.content;
      if (typeof piece === "string" && piece !== "") {
        text += piece;
        onText(piece);
      }
      if (typeof choice?.finish_reason === "string") finish = choice.finish_reason;
      if (typeof event.usage === "object" && event.usage !== null) usage = event.usage;
    }
    const took = usage === undefined ? undefined : tookOf(usage);
    if (finish === undefined || took === undefined) throw brokenOff(name);
    return { text, finishReason: finish === "length" ? "length" : "stop", ...took };
  }

  return { name, models, hasKey, complete };
}

interface OpenAiUsage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
}

interface OpenAiChunk {
  readonly error?: unknown;
  readonly choices?: readonly {
    readonly delta?: { readonly content?: unknown };
    readonly finish_reason?: unknown;
  }[];
  readonly usage?: OpenAiUsage | null;
}

/** Undefined for counts that are none. */
function tookOf(usage: OpenAiUsage): Omit<CloudAnswer, "text" | "finishReason"> | undefined {
  const promptTokens = count(usage.prompt_tokens);
  const completionTokens = count(usage.completion_tokens);
  const cached = count(usage.prompt_tokens_details?.cached_tokens) ?? 0;
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  return { promptTokens, completionTokens, cachedTokens: Math.min(cached, promptTokens) };
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

function bodyOf(request: CloudRequest): object {
  const { model, messages, pictures, maxTokens, temperature, topP, seed, stop, jsonSchema } =
    request;
  const last = messages.length - 1;
  return {
    model,
    messages: messages.map(({ role, content }, at) => ({
      role,
      content:
        at === last && pictures.length > 0
          ? [
              { type: "text", text: content },
              ...pictures.map(({ mediaType, base64 }) => ({
                type: "image_url",
                image_url: { url: `data:${mediaType};base64,${base64}` },
              })),
            ]
          : content,
    })),
    max_completion_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(jsonSchema === undefined
      ? {}
      : {
          response_format: {
            type: "json_schema",
            json_schema: { name: "answer", schema: jsonSchema, strict: true },
          },
        }),
  };
}
