// Tools, several choices, probabilities: what streams and what comes whole is the same, for OpenAI's own
// client over a real socket.

import fc from "fast-check";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionRequest } from "@gantry/shared/contract/completions.ts";
import {
  makeToolTextReader,
  readToolText,
  type ToolTextPart,
} from "@gantry/shared/contract/tool-text.ts";
import { CALLS, modelReply } from "../testing/model-reply.ts";
import { makeRig, type Rig } from "../testing/rig.ts";

const TOOLS: OpenAI.Chat.ChatCompletionTool[] = ["heat", "light"].map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object" }, strict: name === "heat" },
}));
const QUESTION = {
  model: "qwen",
  messages: [{ role: "user" as const, content: "warm up" }],
  tools: TOOLS,
};

interface Spoken extends AsyncDisposable {
  readonly rig: Rig;
  readonly openai: OpenAI;
  readonly base: string;
  readonly request: () => CompletionRequest;
}

async function makeSpoken(): Promise<Spoken> {
  const rig = await makeRig();
  const { port } = await rig.serve();
  const base = `http://127.0.0.1:${port}`;
  return {
    rig,
    base,
    openai: new OpenAI({ baseURL: `${base}/v1`, apiKey: "viewer-token", maxRetries: 0 }),
    request: () => rig.desk.asked.at(-1)?.request.body as CompletionRequest,
    [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose](),
  };
}

describe("text with calls in it", () => {
  it("is read alike however it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom("<tool_call>", "</tool_call>", "<tool", "{", "}", '"', "\\", CALLS),
            fc.string(),
          ),
          { maxLength: 8 },
        ),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }),
        (texts, sizes) => {
          const text = texts.join("");
          const reader = makeToolTextReader();
          const parts: ToolTextPart[] = [];
          let at = 0;
          for (let turn = 0; at < text.length; turn += 1) {
            const size = (sizes[turn % sizes.length] ?? 0) + 1;
            parts.push(...reader.feed(text.slice(at, at + size)));
            at += size;
          }
          parts.push(...reader.end());
          const words = parts.map((part) => (part.kind === "text" ? part.text : "")).join("");
          const whole = readToolText(text);
          // White space between calls is no words, and pieces of it may be told apart from words.
          expect(words.replaceAll(/\s/g, "")).toBe(whole.text.replaceAll(/\s/g, ""));
          const calls = parts.flatMap((part) => (part.kind === "call" ? part.name : []));
          expect(calls).toEqual(whole.calls.map(({ name }) => name));
          const args = parts.map((part) => (part.kind === "arguments" ? part.text : "")).join("");
          expect(args).toBe(whole.calls.map((call) => call.arguments).join(""));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("gives names and arguments as they were written", () => {
    expect(readToolText(CALLS)).toEqual({
      text: "One moment.\n",
      calls: [
        { name: "heat", arguments: '{"celsius": 200, "why": "a } and a \\" in it"}' },
        { name: "light", arguments: "{}" },
      ],
    });
  });
});

describe("tools", () => {
  it("come whole as tool_calls with finish_reason tool_calls", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply(CALLS));
    const { choices } = await spoken.openai.chat.completions.create(QUESTION);
    const [choice] = choices;
    expect(choice?.finish_reason).toBe("tool_calls");
    expect(choice?.message.content).toBe("One moment.\n");
    const calls = choice?.message.tool_calls ?? [];
    expect(calls.map((call) => call.type === "function" && call.function.name)).toEqual([
      "heat",
      "light",
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    expect(spoken.request().tools).toEqual([
      { name: "heat", parameters: { type: "object" }, isStrict: true },
      { name: "light", parameters: { type: "object" } },
    ]);
  });

  it("stream for real: id and name in the first piece alone, arguments as they come", async () => {
    await using spoken = await makeSpoken();
    const heard = Promise.withResolvers<void>();
    const half = CALLS.indexOf("200");
    spoken.rig.desk.on("chatCompletions", async (_request, { onText }) => {
      onText?.(CALLS.slice(0, half));
      await heard.promise; // the client has the name while the arguments are still being made
      for (const char of CALLS.slice(half)) onText?.(char);
      return modelReply(CALLS);
    });
    const stream = await spoken.openai.chat.completions.create({ ...QUESTION, stream: true });
    const pieces: OpenAI.Chat.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
    let finish: unknown;
    for await (const { choices } of stream) {
      for (const piece of choices[0]?.delta.tool_calls ?? []) {
        pieces.push(piece);
        if (piece.function?.name === "heat") heard.resolve();
      }
      finish = choices[0]?.finish_reason ?? finish;
    }
    expect(finish).toBe("tool_calls");
    for (const index of [0, 1]) {
      const own = pieces.filter((piece) => piece.index === index);
      expect(own.map(({ id }) => id !== undefined)).toEqual(own.map((_, at) => at === 0));
      expect(own.map((piece) => piece.function?.name !== undefined)).toEqual(
        own.map((_, at) => at === 0),
      );
      const text = own.map((piece) => piece.function?.arguments ?? "").join("");
      expect(text).toBe(readToolText(CALLS).calls[index]?.arguments);
    }
  });

  it("are put together by the client's own accumulator", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", (_request, { onText }) => {
      for (const piece of CALLS.match(/[^]{1,3}/g) ?? []) onText?.(piece);
      return modelReply(CALLS);
    });
    const final = await spoken.openai.chat.completions.stream(QUESTION).finalMessage();
    expect(
      final.tool_calls?.map((call) => call.type === "function" && call.function.arguments),
    ).toEqual(readToolText(CALLS).calls.map((call) => call.arguments));
  });

  it("follow tool_choice, and what may not be called is not offered", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply("ok"));
    const ask = async (more: Partial<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming>) => {
      await spoken.openai.chat.completions.create({ ...QUESTION, ...more });
      const { tools, toolChoice, hasParallelCalls } = spoken.request();
      return [tools?.map(({ name }) => name), toolChoice, hasParallelCalls];
    };
    expect(await ask({})).toEqual([["heat", "light"], undefined, undefined]);
    expect(await ask({ tool_choice: "none" })).toEqual([["heat", "light"], "none", undefined]);
    expect(await ask({ tool_choice: "required", parallel_tool_calls: false })).toEqual([
      ["heat", "light"],
      "required",
      false,
    ]);
    const light = { type: "function" as const, function: { name: "light" } };
    expect(await ask({ tool_choice: light })).toEqual([["light"], "required", undefined]);
    const allowed_tools = { mode: "auto" as const, tools: [light] };
    expect(await ask({ tool_choice: { type: "allowed_tools", allowed_tools } })).toEqual([
      ["light"],
      "auto",
      undefined,
    ]);
  });

  it("carries calls and results of earlier turns", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply("It is warm."));
    await spoken.openai.chat.completions.create({
      ...QUESTION,
      messages: [
        { role: "user", content: "warm up" },
        {
          role: "assistant",
          tool_calls: [{ id: "c1", type: "function", function: { name: "heat", arguments: "{}" } }],
        },
        { role: "tool", tool_call_id: "c1", content: "done" },
      ],
    });
    expect(spoken.request().messages.slice(1)).toEqual([
      { role: "assistant", content: "", toolCalls: [{ id: "c1", name: "heat", arguments: "{}" }] },
      { role: "tool", content: "done", toolCallId: "c1" },
    ]);
  });
});

describe("several choices, and probabilities", () => {
  it("n answers are n questions with seeds of their own", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", ({ body }) =>
      modelReply(`seed ${(body as CompletionRequest).seed}`),
    );
    const { choices, usage } = await spoken.openai.chat.completions.create({
      ...QUESTION,
      tools: [],
      n: 3,
      seed: 7,
    });
    expect(choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, "seed 7"],
      [1, "seed 8"],
      [2, "seed 9"],
    ]);
    expect(usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 });
  });

  it("stream side by side, each to its own end", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", async ({ body }, { onText }) => {
      const text = `seed ${(body as CompletionRequest).seed}`;
      onText?.(text);
      return modelReply(text);
    });
    const stream = await spoken.openai.chat.completions.create({
      ...QUESTION,
      tools: [],
      n: 2,
      seed: 1,
      stream: true,
    });
    const texts = ["", ""];
    const ends: unknown[] = [];
    for await (const { choices } of stream) {
      for (const { index, delta, finish_reason } of choices) {
        texts[index] += delta.content ?? "";
        if (finish_reason !== null) ends.push([index, finish_reason]);
      }
    }
    expect(texts).toEqual(["seed 1", "seed 2"]);
    expect(ends).toEqual([
      [0, "stop"],
      [1, "stop"],
    ]);
  });

  it("a key of idempotency is one for each choice", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => modelReply("x"));
    await spoken.openai.chat.completions.create(
      { ...QUESTION, n: 2 },
      { headers: { "idempotency-key": "abc" } },
    );
    const keys = spoken.rig.desk.asked.map(({ request }) => request.replay?.key);
    expect(new Set(keys).size).toBe(2);
  });

  it("tells probabilities whole and streamed", async () => {
    await using spoken = await makeSpoken();
    const chance = { token: "ok", logprob: -0.5, bytes: [111, 107] };
    spoken.rig.desk.on("chatCompletions", () =>
      modelReply("ok", { logprobs: [{ ...chance, top: [chance] }] }),
    );
    const asked = { ...QUESTION, tools: [], logprobs: true, top_logprobs: 1 };
    const whole = await spoken.openai.chat.completions.create(asked);
    const content = [{ ...chance, top_logprobs: [chance] }];
    expect(whole.choices[0]?.logprobs).toEqual({ content, refusal: null });
    expect(spoken.request().topLogprobs).toBe(1);
    const stream = await spoken.openai.chat.completions.create({ ...asked, stream: true });
    const told = [];
    for await (const { choices } of stream) told.push(...(choices[0]?.logprobs?.content ?? []));
    expect(told).toEqual(content);
  });
});

describe("the door to clients", () => {
  it("says with the status what goes wrong before the stream began, and obeys limits aloud", async () => {
    await using spoken = await makeSpoken();
    spoken.rig.desk.on("chatCompletions", () => {
      throw new GantryError("not_found", "no such model", { details: { param: "model" } });
    });
    const failed = spoken.openai.chat.completions.create({ ...QUESTION, stream: true });
    await expect(failed).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
    });
    spoken.rig.desk.on("chatCompletions", () => modelReply("ok"));
    const { response } = await spoken.openai.chat.completions.create(QUESTION).withResponse();
    expect(response.headers.get("x-ratelimit-limit-requests")).toBe("256");
    expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("256");
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    expect(response.headers.get("x-gantry-route")).toContain("tier=local; model=qwen");
  });

  it("continues raw text, several prompts at once, with echo and the older probabilities", async () => {
    await using spoken = await makeSpoken();
    const chance = { token: "b", logprob: -1, bytes: [98] };
    spoken.rig.desk.on("chatCompletions", ({ body }) => {
      const { messages, topLogprobs } = body as CompletionRequest;
      const text = messages[0]?.content.toUpperCase() ?? "";
      return modelReply(
        text,
        topLogprobs === undefined ? {} : { logprobs: [{ ...chance, top: [chance] }] },
      );
    });
    const { choices, object } = await spoken.openai.completions.create({
      model: "q",
      prompt: ["a", "b"],
      n: 2,
      echo: true,
    });
    expect(object).toBe("text_completion");
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, "aA"],
      [1, "aA"],
      [2, "bB"],
      [3, "bB"],
    ]);
    expect(spoken.request()).toMatchObject({ isRaw: true, maxTokens: 16 });
    const odds = await spoken.openai.completions.create({ model: "q", prompt: "b", logprobs: 1 });
    expect(odds.choices[0]?.logprobs).toEqual({
      tokens: ["b"],
      token_logprobs: [-1],
      top_logprobs: [{ b: -1 }],
      text_offset: [0],
    });
    const stream = await spoken.openai.completions.create({
      model: "q",
      prompt: "b",
      echo: true,
      stream: true,
    });
    let streamed = "";
    for await (const piece of stream) streamed += piece.choices[0]?.text ?? "";
    expect(streamed).toBe("bB");
    const suffix = spoken.openai.completions.create({ model: "q", prompt: "b", suffix: "z" });
    await expect(suffix).rejects.toMatchObject({ status: 400, param: "suffix" });
    const tokens = spoken.openai.completions.create({ model: "q", prompt: [1, 2] });
    await expect(tokens).rejects.toMatchObject({ status: 400, param: "prompt" });
  });
});
