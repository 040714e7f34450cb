import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { CloudFault, type CloudRequest } from "../ask/cloud-types.ts";
import { makeAnthropicCloud } from "./anthropic-cloud.ts";
import { statusFault } from "./cloud-http.ts";
import { makeOpenAiCloud } from "./openai-cloud.ts";
import type { OutboundStreams } from "./outbound-stream.ts";
import { makeProviders, parseProviders, providerFileSchema } from "./provider-file.ts";

const NEVER = new AbortController().signal;
const REQUEST: CloudRequest = {
  model: "m",
  messages: [{ role: "user", content: "hi" }],
  pictures: [],
  maxTokens: 10,
  callId: "rsv_1",
};

/** A provider whose answer is these bytes, in these pieces. */
const streams = (pieces: readonly Uint8Array[]): OutboundStreams => ({
  open: () =>
    Promise.resolve({
      status: 200,
      headers: {},
      pieces: (async function* () {
        yield* pieces;
      })(),
    }),
});
const parts = (pieces: readonly Uint8Array[]) => ({
  name: "p",
  baseUrl: "http://127.0.0.1:1/v1",
  models: [],
  streams: streams(pieces),
  readKey: () => Promise.resolve("key"),
  hasKey: () => true,
});

const scraps = fc.constantFrom(
  'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
  'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
  'data: {"choices":null,"usage":{"prompt_tokens":-1}}\n\n',
  'data: {"type":"message_start","message":{"usage":{"input_tokens":3}}}\n\n',
  'data: {"type":"content_block_delta","delta":{"text":"b"}}\n\n',
  'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n',
  'data: {"type":"message_stop"}\n\n',
  'data: {"type":"error","error":{"message":"x"}}\n\n',
  "data: [DONE]\n\n",
  "data: null\n\ndata: 3\n\ndata: []\n\n",
  "event: x\n\n",
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  scraps.map((text) => new TextEncoder().encode(text)),
);

describe("what a provider sends", () => {
  it("is an answer with counts, or a fault: nothing else comes of any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 12 }), async (pieces) => {
        for (const make of [makeOpenAiCloud, makeAnthropicCloud]) {
          const said: string[] = [];
          const outcome: unknown = await make(parts(pieces))
            .complete(REQUEST, (text) => void said.push(text), NEVER)
            .catch((error: unknown) => error);
          const isFault = outcome instanceof CloudFault && outcome.isCharged === undefined;
          const answer = outcome as {
            text: string;
            promptTokens: number;
            completionTokens: number;
          };
          const isAnswer =
            !(outcome instanceof Error) &&
            answer.text === said.join("") &&
            answer.promptTokens >= 0 &&
            answer.completionTokens >= 0;
          expect(isFault || isAnswer).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [429, "7", "rate_limited", 7],
    [429, "soon", "rate_limited", undefined],
    [429, "999999999", "rate_limited", 3_600],
    [500, undefined, "model_failed", undefined],
    [503, "0", "model_failed", 1],
    [401, undefined, "provider_off", undefined],
    [400, undefined, "bad_request", undefined],
    [418, undefined, "bad_request", undefined],
  ])("status %s with Retry-After %s is %s", (status, retryAfter, code, retryAfterS) => {
    const fault = statusFault("p", status, retryAfter);
    expect({ code: fault.code, retryAfterS: fault.details["retryAfterS"] }).toEqual({
      code,
      retryAfterS,
    });
    expect(fault.isCharged).toBe(false);
  });
});

describe("the file of providers", () => {
  const provider = {
    name: "p",
    api: "openai",
    baseUrl: "https://api.example.org/v1",
    models: [{ name: "m", contextTokens: 1_000, inputUsdPerMillion: 1, outputUsdPerMillion: 2 }],
  };
  it.each([
    ["no JSON", "{"],
    ["an unknown member", JSON.stringify({ providers: [], apiKey: "canary" })],
    ["a key in it", JSON.stringify({ providers: [{ ...provider, key: "canary" }] })],
    ["two of one name", JSON.stringify({ providers: [provider, provider] })],
    ["one named local", JSON.stringify({ providers: [{ ...provider, name: "local" }] })],
    [
      "a model without a price",
      JSON.stringify({ providers: [{ ...provider, models: [{ name: "m", contextTokens: 1 }] }] }),
    ],
    [
      "an address that is none",
      JSON.stringify({ providers: [{ ...provider, baseUrl: "ftp://x" }] }),
    ],
  ])("with %s is refused, and its text is not repeated", (_, text) => {
    let fault: unknown;
    try {
      parseProviders(text);
    } catch (error) {
      fault = error;
    }
    expect(fault).toMatchObject({ code: "bad_config" });
    expect(String(fault)).not.toContain("canary");
  });

  it("is read or refused, whatever it holds", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        let code: string | undefined;
        try {
          parseProviders(text);
        } catch (error) {
          code = error instanceof GantryError ? error.code : String(error);
        }
        expect([undefined, "bad_config"]).toContain(code);
      }),
    );
  });

  it("lets nobody out but to the provider's own host and port (PF1)", async () => {
    const file = providerFileSchema.parse({
      providers: [{ ...provider, baseUrl: "http://localhost:9/v1" }],
    });
    const made = makeProviders(file, { openai: "key-of-nobody" }, systemClock);
    const fault: unknown = await made.providers[0]
      ?.complete(REQUEST, () => {}, NEVER)
      .catch((error: unknown) => error);
    // The name leads to this machine, which is not listed among `addresses`.
    expect(fault).toMatchObject({ code: "egress_denied", isCharged: false });
  });
});
