// OpenAI's own client with every field, and other products' protocols, against the whole appliance with a
// tiny model of random weights: what it says is nonsense, what surrounds it must be exact.

import { existsSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS } from "../support/appliance.ts";
import { PATIENCE_MS, startFast, untilModel } from "./steps.ts";

const MODEL = "tiny-random";
const PATH = join(MODELS, `${MODEL}.gguf`);
type Params = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

const HEAT: OpenAI.Chat.ChatCompletionTool = {
  type: "function",
  function: {
    name: "heat",
    strict: true,
    parameters: {
      type: "object",
      properties: { celsius: { type: "integer", minimum: 0, maximum: 300 } },
      required: ["celsius"],
      additionalProperties: false,
    },
  },
};

const { name, parameters = {} } = HEAT.function;
const HEAT_OF_RESPONSES = { name, parameters };

describe.skipIf(!existsSync(PATH))(
  "the openai client, in full",
  { timeout: 2 * PATIENCE_MS },
  () => {
    let a: Appliance;
    let openai: OpenAI;
    beforeAll(async () => {
      a = await startFast({ env: { GANTRY_LLM_MODELS: PATH, GANTRY_LLM_SLOTS: "4" } });
      openai = new OpenAI({ baseURL: `${a.url}/v1`, apiKey: a.token, maxRetries: 0 });
      await untilModel(a, MODEL);
    }, PATIENCE_MS);
    afterAll(() => a[Symbol.asyncDispose]());

    it("calls a tool with arguments that fit, whole and streamed alike, and goes on with its result", async () => {
      const asked = say({ tools: [HEAT], tool_choice: "required", parallel_tool_calls: false });
      const whole = await openai.chat.completions.create(asked);
      const [choice] = whole.choices;
      expect(choice?.finish_reason).toBe("tool_calls");
      const [call] = choice?.message.tool_calls ?? [];
      if (call?.type !== "function") throw new Error("it calls no function");
      const { celsius } = JSON.parse(call.function.arguments) as { celsius: number };
      expect([call.function.name, celsius >= 0 && celsius <= 300]).toEqual(["heat", true]);

      const streamed = await openai.chat.completions
        .stream({ ...asked, stream: true })
        .finalMessage();
      const [again] = streamed.tool_calls ?? [];
      expect(again?.type === "function" && again.function.arguments).toBe(call.function.arguments);

      const next = await openai.chat.completions.create(
        say({
          tools: [HEAT],
          tool_choice: "none",
          max_completion_tokens: 8,
          messages: [
            { role: "user", content: "warm up" },
            { role: "assistant", tool_calls: [call] },
            { role: "tool", tool_call_id: call.id, content: "done" },
          ],
        }),
      );
      expect(next.choices[0]?.message.tool_calls).toBeUndefined();
    });

    it("follows a schema, and refuses one that it cannot uphold with its pointer", async () => {
      const schema = {
        type: "object",
        properties: {
          name: { type: "string", maxLength: 8 },
          count: { type: "integer", minimum: 1, maximum: 9 },
        },
        required: ["name"],
        additionalProperties: false,
      };
      const { choices } = await openai.chat.completions.create(
        say({ response_format: format(schema) }),
      );
      const thing = JSON.parse(choices[0]?.message.content ?? "") as {
        name: string;
        count?: number;
      };
      expect(Array.from(thing.name).length).toBeLessThanOrEqual(8);
      const odd = format({ type: "object", properties: { a: { contentMediaType: "x/y" } } });
      await expect(
        openai.chat.completions.create(say({ response_format: odd })),
      ).rejects.toMatchObject({
        status: 400,
        param: "response_format",
        message: expect.stringContaining("/properties/a/contentMediaType") as string,
      });
    });

    it("gives several choices that can be had again, with probabilities of every token", async () => {
      const asked = say({ n: 3, logprobs: true, top_logprobs: 2, max_completion_tokens: 12 });
      const first = await openai.chat.completions.create(asked);
      const texts = first.choices.map(({ message }) => message.content);
      expect(new Set(texts).size).toBe(3);
      expect(first.usage?.completion_tokens).toBeGreaterThan(12);
      for (const { logprobs } of first.choices) {
        expect(logprobs?.content?.length).toBeGreaterThan(0);
        for (const { logprob, top_logprobs: top } of logprobs?.content ?? []) {
          expect([logprob <= 0, top.length]).toEqual([true, 2]);
        }
      }
      const stream = await openai.chat.completions.create({
        ...asked,
        stream: true,
        stream_options: { include_usage: true },
      });
      const streamed = ["", "", ""];
      let usage: OpenAI.CompletionUsage | null | undefined;
      let chances = 0;
      for await (const chunk of stream) {
        usage = chunk.usage ?? usage;
        for (const { index, delta, logprobs } of chunk.choices) {
          streamed[index] += delta.content ?? "";
          chances += logprobs?.content?.length ?? 0;
        }
      }
      expect(streamed).toEqual(texts);
      expect(chances).toBeGreaterThan(0);
      expect(usage?.total_tokens).toBeGreaterThan(0);
    });

    it("forbids and forces tokens, and never says a stop", async () => {
      const odds = { logprobs: true, max_completion_tokens: 6, temperature: 0 };
      const forced = await openai.chat.completions.create(
        say({ ...odds, logit_bias: { "300": 100 } }),
      );
      const tokens = forced.choices[0]?.logprobs?.content?.map(({ token }) => token.trim()) ?? [];
      expect(new Set(tokens).size).toBe(1);
      const text = forced.choices[0]?.message.content ?? "";
      const stop = text.slice(1, 4); // over the border of two tokens or more
      const cut = await openai.chat.completions.create(
        say({ ...odds, logit_bias: { "300": 100 }, stop: [stop] }),
      );
      expect(cut.choices[0]?.message.content).not.toContain(stop);
      expect(cut.choices[0]?.finish_reason).toBe("stop");
      const banned = await openai.chat.completions.create(
        say({ ...odds, logit_bias: { "300": -100 } }),
      );
      expect(banned.choices[0]?.message.content).not.toContain(tokens[0]);
      await openai.chat.completions.create(
        say({ presence_penalty: 1, frequency_penalty: -1, max_completion_tokens: 4 }),
      );
    });

    it("says how much of the prompt came from the cache", async () => {
      const long = say({
        messages: [{ role: "user", content: "once ".repeat(80) }],
        max_completion_tokens: 2,
      });
      await openai.chat.completions.create(long);
      const again = await openai.chat.completions.create({ ...long, seed: 8 });
      expect(again.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(50);
    });

    it("continues text as it stands", async () => {
      const asked = {
        model: MODEL,
        prompt: ["once upon", "a bed"],
        max_tokens: 5,
        temperature: 1,
        seed: 3,
      };
      const whole = await openai.completions.create({ ...asked, echo: true });
      expect(
        whole.choices.map(({ text }) => text.startsWith("once upon") || text.startsWith("a bed")),
      ).toEqual([true, true]);
      const stream = await openai.completions.create({ ...asked, stream: true });
      const texts = ["", ""];
      for await (const { choices } of stream)
        for (const { index, text } of choices) texts[index] += text;
      expect(texts).toEqual(
        whole.choices.map(({ text }, index) => text.slice(asked.prompt[index]?.length)),
      );
    });

    it("goes on from responses that are kept, streams their events, and forgets them", async () => {
      const first = await openai.responses.create({
        model: MODEL,
        input: "warm up",
        instructions: "be brief",
        max_output_tokens: 6,
      });
      expect(first.status).toBe("incomplete");
      expect(first.output_text.length).toBeGreaterThan(0);
      expect((await openai.responses.retrieve(first.id)).output_text).toBe(first.output_text);
      const tool = { type: "function" as const, strict: true, ...HEAT_OF_RESPONSES };
      const types: string[] = [];
      const stream = await openai.responses.create({
        model: MODEL,
        previous_response_id: first.id,
        input: "and now?",
        tools: [tool],
        tool_choice: "required",
        parallel_tool_calls: false,
        temperature: 1,
        stream: true,
      });
      let second: OpenAI.Responses.Response | undefined;
      for await (const event of stream) {
        types.push(event.type);
        if (event.type === "response.completed") second = event.response;
      }
      expect(types.slice(0, 3)).toEqual([
        "response.created",
        "response.in_progress",
        "response.output_item.added",
      ]);
      expect(types).toContain("response.function_call_arguments.delta");
      const [call] = second?.output ?? [];
      if (call?.type !== "function_call") throw new Error("it calls no function");
      expect(Number.isInteger((JSON.parse(call.arguments) as { celsius: number }).celsius)).toBe(
        true,
      );
      const third = await openai.responses.create({
        model: MODEL,
        previous_response_id: second?.id ?? "",
        input: [{ type: "function_call_output", call_id: call.call_id, output: "done" }],
        max_output_tokens: 4,
      });
      // All that was said before is in front of the model: the prompt grew.
      const prompts = [first, third].map((response) => response?.usage?.input_tokens ?? 0);
      expect(prompts).toEqual(prompts.toSorted((x, y) => x - y));
      const items = await Array.fromAsync(openai.responses.inputItems.list(third.id));
      expect(items.map(({ type }) => type)).toEqual(["function_call_output"]);
      await openai.responses.delete(first.id);
      await expect(openai.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
      const lost = openai.responses.create({
        model: MODEL,
        previous_response_id: first.id,
        input: "x",
      });
      await expect(lost).rejects.toMatchObject({ status: 400, param: "previous_response_id" });
    });

    it("shortens embeddings to the dimensions asked for", async () => {
      const list = await Array.fromAsync(openai.models.list());
      const model = list.find(({ id }) => id !== MODEL && id !== "gantry")?.id ?? "";
      const whole = await openai.embeddings.create({ model, input: "a bed" });
      const short = await openai.embeddings.create({ model, input: "a bed", dimensions: 8 });
      expect(short.data[0]?.embedding).toHaveLength(8);
      expect(whole.data[0]?.embedding.length).toBeGreaterThan(8);
    });

    it("speaks Anthropic's protocol, with tools and counts", async () => {
      const body = {
        model: MODEL,
        max_tokens: 300,
        temperature: 1,
        messages: [{ role: "user", content: "warm up" }],
        tools: [{ name: "heat", strict: true, input_schema: HEAT.function.parameters }],
        tool_choice: { type: "any", disable_parallel_tool_use: true },
      };
      const headers = { "x-api-key": a.token, authorization: "" };
      const { status, body: message } = await a.api("POST", "/v1/messages", body, headers);
      expect(status).toBe(200);
      expect(message).toMatchObject({ type: "message", stop_reason: "tool_use" });
      const [use] = (message as { content: { type: string; input: { celsius: number } }[] })
        .content;
      expect([use?.type, Number.isInteger(use?.input.celsius)]).toEqual(["tool_use", true]);
      const count = await a.api(
        "POST",
        "/v1/messages/count_tokens",
        { model: MODEL, messages: body.messages },
        headers,
      );
      expect((count.body as { input_tokens: number }).input_tokens).toBeGreaterThan(3);
    });

    it("speaks Ollama's protocol", async () => {
      const { body: tags } = await a.api("GET", "/api/tags");
      expect((tags as { models: { name: string }[] }).models.map(({ name }) => name)).toContain(
        MODEL,
      );
      const asked = {
        model: `${MODEL}:latest`,
        messages: [{ role: "user", content: "hi" }],
        options: { num_predict: 5 },
      };
      const { body: lines } = await a.api("POST", "/api/chat", asked);
      const last = JSON.parse(String(lines).trim().split("\n").at(-1) ?? "") as Record<
        string,
        number
      >;
      expect(last).toMatchObject({ done: true, done_reason: "length", eval_count: 5 });
      expect(last["eval_duration"]).toBeGreaterThan(0);
      const generated = await a.api("POST", "/api/generate", {
        model: MODEL,
        prompt: "hi",
        raw: true,
        stream: false,
        options: { num_predict: 3 },
      });
      expect(generated.body).toMatchObject({ done: true, eval_count: 3 });
    });
  },
);

const say = (more: Partial<Params> = {}): Params => ({
  model: MODEL,
  messages: [{ role: "user", content: "warm up" }],
  max_completion_tokens: 300,
  temperature: 1,
  seed: 7,
  ...more,
});

const format = (of: Record<string, unknown>): NonNullable<Params["response_format"]> => ({
  type: "json_schema",
  json_schema: { name: "thing", strict: true, schema: of },
});
