// The contract with OpenAI's own client, over a real socket.

import OpenAI, { APIError, type ClientOptions } from "openai";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionReply, CompletionRequest } from "@gantry/shared/contract/completions.ts";
import { eventually, makeRig, type Rig } from "../testing/rig.ts";

const REPLY: CompletionReply = {
  id: "msg_1",
  createdAtMs: 1_700_000_000_500,
  text: "Grüße 🦉",
  finishReason: "stop",
  routing: {
    tier: "local",
    model: "qwen",
    confidence: 1,
    cached: false,
    latencyMs: 1,
    reason: "",
    metadata: {},
  },
  usage: { promptTokens: 9, completionTokens: 4, cachedTokens: 5, costMicroUsd: 0 },
};

interface Spoken extends AsyncDisposable {
  readonly rig: Rig;
  readonly openai: OpenAI;
  readonly base: string;
  /** What the desk was asked last. */
  readonly request: () => CompletionRequest;
}

async function makeSpoken(options: ClientOptions = {}): Promise<Spoken> {
  const rig = await makeRig();
  const { port } = await rig.serve();
  const base = `http://127.0.0.1:${port}`;
  return {
    rig,
    base,
    openai: new OpenAI({
      baseURL: `${base}/v1`,
      apiKey: "viewer-token",
      maxRetries: 0,
      ...options,
    }),
    request: () => rig.desk.asked.at(-1)?.request.body as CompletionRequest,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

const tool = (name: string) => ({ type: "function" as const, function: { name } });
const named = (name: string) => ({ type: "function" as const, function: { name } });
const user = (content: string) => [{ role: "user" as const, content }];

async function refusal(work: Promise<unknown>): Promise<APIError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(APIError);
  return error as APIError;
}

describe("chat completions", () => {
  it("answers in OpenAI's shape", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => REPLY);
    const reply = await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: user("hi"),
    });
    expect(reply).toMatchObject({
      id: "chatcmpl-msg_1",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "qwen",
      system_fingerprint: expect.any(String) as string,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Grüße 🦉", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 9,
        completion_tokens: 4,
        total_tokens: 13,
        prompt_tokens_details: { cached_tokens: 5 },
      },
    });
  });

  it("passes the parameters on under our names and ignores fields without meaning here", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => REPLY);
    await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: [
        { role: "developer", content: "be brief" },
        {
          role: "user",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
      ],
      max_completion_tokens: 5_000,
      temperature: 0,
      top_p: 0.5,
      seed: 7,
      stop: "END",
      n: 1,
      user: "u",
      metadata: { a: "b" },
      tools: [],
      response_format: {
        type: "json_schema",
        json_schema: { name: "x", strict: true, schema: { type: "object" } },
      },
    });
    expect(spoken.request()).toEqual({
      model: "qwen",
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "ab" },
      ],
      maxTokens: 5_000,
      temperature: 0,
      topP: 0.5,
      seed: 7,
      stop: ["END"],
      jsonSchema: { type: "object" },
    });
    await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: user("x"),
      response_format: { type: "json_object" },
    });
    expect(spoken.request().jsonSchema).toEqual({ type: "object" });
  });

  it.each([
    ["tools.0.function.name", { tools: [{ type: "function", function: { name: "a b" } }] }],
    ["tools.0.type", { tools: [{ type: "custom", custom: { name: "f" } }] }],
    ["tool_choice", { tool_choice: "required" }],
    ["tool_choice", { tools: [tool("f")], tool_choice: named("g") }],
    ["tools", { tools: [tool("f"), tool("f")] }],
    ["functions", { functions: [{ name: "f" }] }],
    ["response_format", { tools: [tool("f")], response_format: { type: "json_object" } }],
    ["n", { n: 17 }],
    ["n", { n: 0 }],
    ["logprobs", { logprobs: 5 }],
    ["top_logprobs", { top_logprobs: 5 }],
    ["top_logprobs", { logprobs: true, top_logprobs: 21 }],
    ["logit_bias.word", { logit_bias: { word: 10 } }],
    ["logit_bias.5", { logit_bias: { "5": 101 } }],
    ["presence_penalty", { presence_penalty: 3 }],
    ["modalities", { modalities: ["audio"] }],
    ["temperature", { temperature: "hot" }],
    ["max_tokens", { max_tokens: 0 }],
    ["stop", { stop: ["a", "b", "c", "d", "e"] }],
    ["messages", { messages: [] }],
    ["messages", { messages: "hi" }],
    ["messages.0.role", { messages: [{ role: "robot", content: "x" }] }],
    ["messages.0.content", { messages: [{ role: "user" }] }],
    ["messages.0.content.0", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
    ["messages.0.tool_call_id", { messages: [{ role: "tool", content: "x" }] }],
    ["messages.0.role", { messages: [{ role: "function", content: "x", name: "f" }] }],
    ["response_format.type", { response_format: { type: "xml" } }],
    ["json_schema", { response_format: { type: "json_schema" } }],
  ])("refuses %s by name", async (param, fields) => {
    await using spoken = await makeSpoken();
    const body = { model: "qwen", messages: user("hi"), ...fields };
    const error = await refusal(spoken.openai.post("/chat/completions", { body }));
    expect(error).toMatchObject({
      status: 400,
      type: "invalid_request_error",
      code: "bad_request",
      param,
    });
    expect(spoken.rig.desk.asked).toEqual([]);
  });

  it("streams role, text and end, then usage, then [DONE]", async () => {
    await using spoken = await makeSpoken();
    const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    spoken.rig.desk.on("chatCompletions", async (_request, { onText }) => {
      onText?.("Grüße ");
      await steps[0]?.promise;
      onText?.("🦉");
      await steps[1]?.promise;
      return REPLY;
    });
    const stream = await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: user("hi"),
      stream: true,
      stream_options: { include_usage: true },
    });
    const deltas: unknown[] = [];
    const finishes: unknown[] = [];
    const usages: unknown[] = [];
    for await (const chunk of stream) {
      expect(chunk.object).toBe("chat.completion.chunk");
      usages.push(chunk.usage);
      const [choice] = chunk.choices;
      if (choice === undefined) continue;
      deltas.push(choice.delta);
      finishes.push(choice.finish_reason);
      if (choice.delta.content === "Grüße ") steps[0]?.resolve(); // it came before the rest was made
      if (choice.delta.content === "🦉") steps[1]?.resolve();
    }
    expect(deltas).toEqual([
      { role: "assistant", content: "", refusal: null },
      { content: "Grüße " },
      { content: "🦉" },
      {},
    ]);
    expect(finishes).toEqual([null, null, null, "stop"]);
    expect(usages.slice(0, -1)).toEqual([null, null, null, null]);
    expect(usages.at(-1)).toMatchObject({ total_tokens: 13 });
  });

  it("ends every stream with [DONE] and gives a cached answer as one piece", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => REPLY);
    const response = await fetch(`${spoken.base}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-api-key": "viewer-token", "content-type": "application/json" },
      body: JSON.stringify({ messages: user("hi"), stream: true }),
    });
    const text = await response.text();
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    const chunks = text.split("\n\n").slice(0, -2);
    expect(chunks).toHaveLength(3);
    expect(text).toContain('"content":"Grüße 🦉"');
    expect(text).not.toContain('"usage"');
  });

  it("says an error in the middle of a stream", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", (_request, { onText }) => {
      onText?.("half");
      throw new GantryError("model_failed", "The model stopped");
    });
    const stream = await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: user("hi"),
      stream: true,
    });
    const pieces: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content);
    };
    expect(await refusal(read())).toMatchObject({ code: "model_failed", type: "server_error" });
    expect(pieces).toEqual(["", "half"]);
  });

  it("aborts the work when the client goes away", async () => {
    await using spoken = await makeSpoken();
    let isAborted = false;
    spoken.rig.desk.on("chatCompletions", (_request, { onText, signal }) => {
      onText?.("first");
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          isAborted = true;
          reject(new GantryError("cancelled", "left"));
        });
      });
    });
    const stream = await spoken.openai.chat.completions.create({
      model: "qwen",
      messages: user("hi"),
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === "first") break;
    await eventually(() => isAborted);
  });

  it("says errors in OpenAI's shape with Retry-After, which its client obeys", async () => {
    await using spoken = await makeSpoken({ maxRetries: 1 });
    let calls = 0;
    spoken.rig.desk.on("chatCompletions", () => {
      calls += 1;
      if (calls > 1) return REPLY;
      throw new GantryError("busy", "64 answers are waiting", { details: { retryAfterS: 1 } });
    });
    const reply = await spoken.openai.chat.completions.create({ model: "q", messages: user("a") });
    expect(reply.choices[0]?.message.content).toBe("Grüße 🦉");
    expect(calls).toBe(2);
  });

  it.each([
    [401, "unauthenticated", "authentication_error", "invalid_api_key"],
    [503, "no_model", "server_error", "no_model"],
    [429, "busy", "rate_limit_error", "rate_limit_exceeded"],
    [429, "budget_spent", "rate_limit_error", "insufficient_quota"],
    [404, "not_found", "invalid_request_error", "not_found"],
  ] as const)("says %i %s", async (status, own, type, code) => {
    await using spoken = await makeSpoken(own === "unauthenticated" ? { apiKey: "wrong" } : {});
    spoken.rig.desk.on("chatCompletions", () => {
      throw new GantryError(own, "no");
    });
    const error = await refusal(
      spoken.openai.chat.completions.create({ model: "q", messages: user("a") }),
    );
    expect(error).toMatchObject({ status, code, type });
    expect(error.requestID).toMatch(/^req_/);
  });
});

describe("embeddings", () => {
  it("gives vectors as numbers and, as the client asks by itself, as base64", async () => {
    await using spoken = await makeSpoken();
    const vectors = [
      [0.5, -0.25, 1],
      [0, 2, -8],
    ];
    spoken.rig.desk.on("embeddings", () => ({ model: "minilm", vectors, promptTokens: 6 }));
    const byDefault = await spoken.openai.embeddings.create({ model: "minilm", input: ["a", "b"] });
    expect(byDefault.data.map(({ embedding }) => [...embedding])).toEqual(vectors);
    expect(byDefault.usage).toEqual({ prompt_tokens: 6, total_tokens: 6 });
    const asFloat = await spoken.openai.embeddings.create({
      model: "minilm",
      input: "a",
      encoding_format: "float",
      dimensions: 3,
    });
    expect(asFloat.data.map(({ index }) => index)).toEqual([0, 1]);
    expect(spoken.rig.desk.asked.at(-1)?.request.body).toEqual({ model: "minilm", input: ["a"] });
    const cut = await spoken.openai.embeddings.create({ model: "m", input: "a", dimensions: 2 });
    const [first] = cut.data.map(({ embedding }) => embedding);
    expect(first).toHaveLength(2);
    expect(Math.hypot(...(first ?? []))).toBeCloseTo(1, 5);
    const longer = spoken.openai.embeddings.create({ model: "m", input: "a", dimensions: 4 });
    expect(await refusal(longer)).toMatchObject({ status: 400, param: "dimensions" });
  });

  it.each([[""], [[]], [[1, 2]], [5]])("refuses %j as input", async (input) => {
    await using spoken = await makeSpoken();
    const error = await refusal(spoken.openai.post("/embeddings", { body: { input } }));
    expect(error).toMatchObject({ status: 400, param: "input" });
  });
});

describe("models", () => {
  it("lists and finds them, also by names with slashes", async () => {
    await using spoken = await makeSpoken();
    const id = "hf:Qwen/Qwen2.5-0.5B/q4.gguf";
    const view = { id, createdAtMs: 5_000, node: "n1", contextTokens: 4_096, kind: "chat" };
    spoken.rig.desk.on("models", () => [view]);
    const list = await spoken.openai.models.list();
    expect(list.data).toMatchObject([{ id, object: "model", created: 5, owned_by: "gantry" }]);
    expect((await spoken.openai.models.retrieve(id)).id).toBe(id);
    const headers = { "x-api-key": "viewer-token" };
    expect((await fetch(`${spoken.base}/v1/models/${id}`, { headers })).status).toBe(200);
    expect(await refusal(spoken.openai.models.retrieve("gpt-9"))).toMatchObject({
      status: 404,
      param: "model",
    });
  });
});
