// The client that other programs use, against the whole appliance with a tiny language model.

import { existsSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Appliance, MODELS, until } from "../support/appliance.ts";
import { allMessages, auditTrail, PATIENCE_MS, startFast, untilModel } from "./steps.ts";

const MODEL = "stories260K";
const PATH = join(MODELS, `${MODEL}.gguf`);

describe.skipIf(!existsSync(PATH))("the openai client", { timeout: 2 * PATIENCE_MS }, () => {
  let a: Appliance;
  let openai: OpenAI;
  beforeAll(async () => {
    a = await startFast({ env: { GANTRY_LLM_MODELS: PATH, GANTRY_LLM_SLOTS: "1" } });
    openai = new OpenAI({ baseURL: `${a.url}/v1`, apiKey: a.token, maxRetries: 0 });
    await untilModel(a, MODEL);
  }, PATIENCE_MS);
  afterAll(() => a[Symbol.asyncDispose]());

  it("[K12] answers whole and in pieces, with the same words", async () => {
    const whole = await openai.chat.completions.create(say("Once upon a time"));
    const text = whole.choices[0]?.message.content ?? "";
    expect(text.length).toBeGreaterThan(0);
    expect(whole.model).toBe(MODEL);
    expect(whole.usage?.completion_tokens).toBeGreaterThan(0);

    let pieces = "";
    const stream = await openai.chat.completions.create({
      ...say("Once upon a time"),
      stream: true,
    });
    for await (const { choices } of stream) pieces += choices[0]?.delta.content ?? "";
    expect(pieces).toBe(text);
  });

  it("[K12] lists the models, and gives vectors of one length with the embedding one", async () => {
    const models = await Array.fromAsync(openai.models.list());
    expect(models.map(({ id }) => id)).toContain(MODEL);
    const embedder = models.find(({ id }) => id !== MODEL && id !== "gantry")?.id ?? "";
    const { data } = await openai.embeddings.create({
      model: embedder,
      input: ["a bed", "a nozzle"],
    });
    expect(data.map(({ index }) => index)).toEqual([0, 1]);
    expect(data[0]?.embedding.length).toBeGreaterThan(0);
    expect(data[1]?.embedding.length).toBe(data[0]?.embedding.length);
  });

  it("[K12] says how many tokens a text took, as the model counted them", async () => {
    const models = await Array.fromAsync(openai.models.list());
    const model = models.find(({ id }) => id !== MODEL && id !== "gantry")?.id ?? "";
    const tokensOf = async (...input: string[]): Promise<number> =>
      (await openai.embeddings.create({ model, input })).usage.prompt_tokens;
    const [one, two] = [await tokensOf("a bed"), await tokensOf("a hot bed of glass")];
    expect([one > 0, two > one]).toEqual([true, true]);
    expect(await tokensOf("a bed", "a hot bed of glass")).toBe(one + two);
  });

  it("[K15] routing.confidence is what the model made of its own words, also from the cache", async () => {
    // This model seldom ends by itself, and only a whole answer is kept.
    const story = { ...say("Once upon a time there was a cat"), stop: ["."] };
    const texts = [
      await openai.chat.completions.create(story),
      await openai.chat.completions.create(story),
    ].map(({ choices }) => choices[0]?.message.content);
    const routings = (await allMessages(a))
      .filter(({ text, role }) => role === "assistant" && text === texts[0])
      .flatMap(({ routing }) => routing ?? []);
    expect(new Set(routings.map(({ cached }) => cached))).toEqual(new Set([false, true]));
    expect(routings[0]?.confidence).toBe(routings[1]?.confidence);
    expect(routings[0]?.confidence).toBeGreaterThan(0.3);
    expect(routings[0]?.confidence).toBeLessThan(1);
    expect(routings[0]?.metadata["confidence"]).toBeUndefined();
  });

  it("[K15] an answer that follows a schema says that nobody knows how sure it is", async () => {
    const response_format = {
      type: "json_schema" as const,
      json_schema: { name: "yes", schema: { type: "boolean" } },
    };
    await openai.chat.completions.create({ ...say("Is a cat a dog?"), response_format });
    const unknown = (await allMessages(a)).filter(
      ({ routing }) => routing?.metadata["confidence"] === "unknown",
    );
    expect(unknown.map(({ routing }) => routing?.confidence)).toEqual([0]);
  });

  it("tells its errors as the client knows them", async () => {
    const strange = { ...say("hi"), model: "no-such-model" };
    await expect(openai.chat.completions.create(strange)).rejects.toThrow(OpenAI.NotFoundError);
    const nobody = new OpenAI({ baseURL: `${a.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    await expect(nobody.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it("[K12] a client that leaves frees the only slot: its answer ends as cancelled, the next begins", async () => {
    let round = 0;
    // A story may end by itself before the hub hears that nobody listens: then another is begun.
    await until(
      "an answer to be cut off",
      async () => {
        round += 1;
        const long = { ...say(`A very long story, part ${round}`), max_tokens: 400 };
        const stream = await openai.chat.completions.create({ ...long, stream: true });
        for await (const _piece of stream) break; // leaving the loop hangs up
        const next = await openai.chat.completions.create(say(`And then ${round}`));
        expect(next.choices[0]?.message.content?.length).toBeGreaterThan(0);
        return isCut(a);
      },
      PATIENCE_MS,
    );
  });

  it("[D8] twelve generations at once on one slot are all answered", async () => {
    const stories = Array.from({ length: 12 }, (_, index) => say(`Story number ${index}`));
    const replies = await Promise.all(
      stories.map((story) => openai.chat.completions.create(story)),
    );
    expect(replies.map(({ choices }) => (choices[0]?.message.content ?? "") !== "")).toEqual(
      Array.from({ length: 12 }, () => true),
    );
    expect(new Set(replies.map(({ id }) => id)).size).toBe(12);
  });
});

const say = (content: string): OpenAI.Chat.ChatCompletionCreateParamsNonStreaming => ({
  model: MODEL,
  messages: [{ role: "user", content }],
  max_tokens: 24,
});

const isCut = async (a: Appliance): Promise<boolean> =>
  (await auditTrail(a)).some(
    ({ action, detail }) => action === "question.failed" && detail["code"] === "cancelled",
  );
