// Ollama's doors by raw requests, in the published shapes.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionRequest, ModelView } from "@gantry/shared/contract/completions.ts";
import { CALLS, modelReply } from "../testing/model-reply.ts";
import { makeRig, type Rig } from "../testing/rig.ts";
import { readOllamaChat, readOllamaGenerate } from "./chat-request.ts";

const key = { token: "viewer-token" };
const post = (rig: Rig, path: string, body: unknown): Promise<Response> =>
  rig.ask("POST", path, { ...key, body });
const ASKED = { model: "qwen:latest", messages: [{ role: "user", content: "warm up" }] };
const TOOLS = [{ type: "function", function: { name: "heat", parameters: { type: "object" } } }];
const VIEW: ModelView = {
  id: "qwen",
  createdAtMs: 5_000,
  node: "n1",
  contextTokens: 4_096,
  kind: "chat",
  sizeBytes: 1_234,
  slots: 2,
  isLoaded: true,
};

const linesOf = async (response: Response): Promise<readonly Record<string, unknown>[]> =>
  (await response.text())
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const asked = (rig: Rig): CompletionRequest =>
  rig.desk.asked.at(-1)?.request.body as CompletionRequest;

describe("chat", () => {
  it("streams a JSON object a line unless it is told not to, with times in nanoseconds", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", (_request, { onText }) => {
      onText?.("Hel");
      onText?.("lo");
      return modelReply("Hello");
    });
    const response = await post(rig, "/api/chat", ASKED);
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = await linesOf(response);
    const words = lines.map(({ message }) => (message as { content: string }).content).join("");
    expect(words).toBe("Hello");
    expect(lines.map(({ done }) => done)).toEqual([...lines.slice(1).map(() => false), true]);
    expect(lines.at(-1)).toMatchObject({
      model: "qwen",
      done_reason: "stop",
      total_duration: 12_000_000,
      prompt_eval_count: 9,
      prompt_eval_duration: 3_000_000,
      eval_count: 4,
      eval_duration: 7_000_000,
    });
    expect(Date.parse(String(lines[0]?.["created_at"]))).toBeGreaterThan(0);
    const whole = await post(rig, "/api/chat", { ...ASKED, stream: false });
    expect(await whole.json()).toMatchObject({
      message: { role: "assistant", content: "Hello" },
      done: true,
    });
  });

  it("gives calls as objects, whole and streamed", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", (_request, { onText }) => {
      for (const piece of CALLS.match(/[^]{1,5}/g) ?? []) onText?.(piece);
      return modelReply(CALLS);
    });
    const calls = [
      { function: { name: "heat", arguments: { celsius: 200, why: 'a } and a " in it' } } },
      { function: { name: "light", arguments: {} } },
    ];
    const body = { ...ASKED, tools: TOOLS };
    const whole = await (await post(rig, "/api/chat", { ...body, stream: false })).json();
    expect(whole).toMatchObject({ message: { content: "One moment.\n", tool_calls: calls } });
    const lines = await linesOf(await post(rig, "/api/chat", body));
    const messages = lines.map(({ message }) => message as { tool_calls?: unknown[] });
    expect(messages.flatMap(({ tool_calls = [] }) => tool_calls)).toEqual(calls);
  });

  it("reads options, formats, results of tools, and has a model loaded by no words", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => modelReply("{}"));
    await post(rig, "/api/chat", {
      ...ASKED,
      stream: false,
      format: "json",
      options: {
        num_predict: 7,
        temperature: 0.5,
        top_p: 0.9,
        seed: 3,
        stop: ["END"],
        num_ctx: 99,
      },
      messages: [
        {
          role: "assistant",
          content: "",
          tool_calls: [{ function: { name: "heat", arguments: { a: 1 } } }],
        },
        { role: "tool", tool_name: "heat", content: "done" },
      ],
    });
    expect(asked(rig)).toEqual({
      model: "qwen",
      messages: [
        {
          role: "assistant",
          content: "",
          toolCalls: [{ id: "call_0_0", name: "heat", arguments: '{"a":1}' }],
        },
        { role: "tool", content: "done", toolCallId: "call_1" },
      ],
      maxTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      seed: 3,
      stop: ["END"],
      jsonSchema: { type: "object" },
    });
    const count = rig.desk.asked.length;
    const load = await post(rig, "/api/chat", { model: "qwen" });
    expect(await load.json()).toMatchObject({ done: true, done_reason: "load" });
    expect(rig.desk.asked).toHaveLength(count);
  });

  it("tells errors in its form, before a stream and in it", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => {
      throw new GantryError("not_found", "model 'qwen' not found");
    });
    const missing = await post(rig, "/api/chat", ASKED);
    expect([missing.status, await missing.json()]).toMatchObject([
      404,
      { error: "model 'qwen' not found" },
    ]);
    rig.desk.on("chatCompletions", (_request, { onText }) => {
      onText?.("x");
      throw new GantryError("model_failed", "it stopped");
    });
    expect((await linesOf(await post(rig, "/api/chat", ASKED))).at(-1)).toMatchObject({
      error: "it stopped",
    });
    const picture = { ...ASKED, messages: [{ role: "user", content: "", images: ["x"] }] };
    expect((await post(rig, "/api/chat", picture)).status).toBe(400);
    const png = "iVBORw0KGgoAAAAN";
    rig.desk.on("chatCompletions", () => modelReply("a bed"));
    const seen = [{ role: "user", content: "what?", images: [png] }];
    await post(rig, "/api/chat", { ...ASKED, messages: seen, stream: false });
    expect(asked(rig).pictures).toEqual([{ mediaType: "image/png", base64: png }]);
  });
});

describe("generate", () => {
  it("answers a prompt with a system text, or raw", async () => {
    await using rig = await makeRig();
    rig.desk.on("chatCompletions", () => modelReply("Hello"));
    const body = { model: "qwen", prompt: "Hi", system: "be brief", stream: false };
    expect(await (await post(rig, "/api/generate", body)).json()).toMatchObject({
      response: "Hello",
      done: true,
      done_reason: "stop",
    });
    expect(asked(rig).messages.map(({ role }) => role)).toEqual(["system", "user"]);
    await post(rig, "/api/generate", { ...body, raw: true });
    expect(asked(rig)).toMatchObject({ isRaw: true, messages: [{ role: "user", content: "Hi" }] });
    const lines = await linesOf(await post(rig, "/api/generate", { model: "qwen", prompt: "Hi" }));
    expect(lines.map(({ response }) => response).join("")).toBe("Hello");
  });
});

describe("models", () => {
  it("are listed, shown and said to run", async () => {
    await using rig = await makeRig();
    const other: ModelView = { ...VIEW, id: "idle", isLoaded: false };
    rig.desk.on("models", () => [VIEW, { ...VIEW, node: "n2" }, other]);
    const tags = (await (await rig.ask("GET", "/api/tags", key)).json()) as {
      models: Record<string, unknown>[];
    };
    expect(tags.models.map(({ name }) => name)).toEqual(["qwen", "idle"]);
    expect(tags.models[0]).toMatchObject({
      model: "qwen",
      size: 1_234,
      details: { format: "gguf" },
    });
    expect(tags.models[0]?.["digest"]).toMatch(/^[0-9a-f]{64}$/);
    const ps = (await (await rig.ask("GET", "/api/ps", key)).json()) as {
      models: { name: string }[];
    };
    expect(ps.models.map(({ name }) => name)).toEqual(["qwen"]);
    const show = await post(rig, "/api/show", { model: "qwen:latest" });
    expect(await show.json()).toMatchObject({ capabilities: ["completion", "tools"] });
    expect((await post(rig, "/api/show", { model: "none" })).status).toBe(404);
    const version = await (await rig.ask("GET", "/api/version", key)).json();
    expect(version).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string });
  });

  it("embed one text or many", async () => {
    await using rig = await makeRig();
    rig.desk.on("embeddings", ({ body }) => {
      const { input } = body as { input: string[] };
      return { model: "minilm", vectors: input.map(() => [3, 4, 0]), promptTokens: 2 };
    });
    const many = await post(rig, "/api/embed", {
      model: "minilm",
      input: ["a", "b"],
      dimensions: 2,
    });
    expect(await many.json()).toMatchObject({
      embeddings: [
        [0.6, 0.8],
        [0.6, 0.8],
      ],
      prompt_eval_count: 2,
    });
    const one = await post(rig, "/api/embeddings", { model: "minilm", prompt: "a" });
    expect(await one.json()).toEqual({ embedding: [3, 4, 0] });
  });
});

it("never fails otherwise than by a refusal, whatever is sent", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const read of [readOllamaChat, readOllamaGenerate]) {
        for (const body of [value, { ...ASKED, options: value }, { ...ASKED, messages: value }]) {
          expect(endsWell(() => read(body))).toBe(true);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

/** True for none, or for a refusal. */
function endsWell(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof GantryError;
  }
}
