import { seededRandom } from "@gantry/shared/base/prng.ts";
import { CALL_OPEN, readToolText } from "@gantry/shared/contract/tool-text.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { forkLlama } from "../adapters/llama-process.ts";
import type { GenerateRequest } from "./generate-request.ts";
import { type Model, startModel } from "./infer.ts";
import type { Generation } from "./llama-protocol.ts";
import { hasModelFiles, modelFile } from "./model-files.ts";
import { toolAnswer } from "./tool-answer.ts";

const never = new AbortController().signal;
const heat = {
  name: "heat",
  isStrict: true,
  parameters: {
    type: "object",
    properties: {
      celsius: { type: "integer", minimum: 0, maximum: 300 },
      part: { enum: ["bed", "nozzle"] },
    },
    required: ["celsius", "part"],
    additionalProperties: false,
  },
};
const light = {
  name: "light",
  isStrict: false,
  parameters: { type: "object", properties: { isOn: { type: "boolean" } }, required: ["isOn"] },
};

const call = (text: string): string =>
  `<tool_call>{"name": "heat", "arguments": ${text}}</tool_call>`;

describe("what binds an answer to tools", () => {
  it("says what is wrong with a call", () => {
    const answer = toolAnswer([heat], true, true);
    expect(answer.faultIn(call('{"celsius": 200, "part": "bed"}'))).toBeUndefined();
    expect(answer.faultIn(call('{"celsius": 999, "part": "bed"}'))).toContain("schema refuses");
    expect(answer.faultIn("no call at all")).toContain("no tool");
    expect(answer.faultIn('<tool_call>{"name": "x", "arguments": {}}</tool_call>')).toContain(
      "no such",
    );
  });

  it("refuses a strict tool's schema by its pointer and takes any object for another's", () => {
    const parameters = {
      type: "object",
      properties: { a: { type: "string", contentEncoding: "base64" } },
    };
    const strict = { name: "odd", isStrict: true, parameters };
    expect(() => toolAnswer([strict], false, true)).toThrow("/properties/a/contentEncoding");
    const lenient = toolAnswer([{ ...strict, isStrict: false }], false, true);
    const text = '<tool_call>{"name": "odd", "arguments": {"z": 1}}</tool_call>';
    expect(lenient.faultIn(text)).toBeUndefined();
  });
});

describe.skipIf(!hasModelFiles)(
  "a model with tools (needs ../shared/models)",
  { timeout: 120_000 },
  () => {
    let model: Model;
    beforeAll(async () => {
      model = await startModel(
        {
          path: modelFile("tiny-random.gguf"),
          name: "tiny",
          slots: 2,
          contextTokens: 2_048,
          threads: 1,
        },
        {
          clock: systemClock,
          random: seededRandom(1),
          log: silentLogger,
          fork: (onMessage) => forkLlama({ environment: {} }, onMessage),
        },
        never,
      );
    }, 60_000);
    afterAll(() => model.close());

    const ask = async (
      more: Partial<GenerateRequest>,
    ): Promise<Generation & { readonly chunks: readonly string[] }> => {
      const chunks: string[] = [];
      const request = {
        requestId: "r",
        messages: [{ role: "user" as const, content: "heat the bed" }],
        maxTokens: 400,
        temperature: 1,
        ...more,
      };
      const generation = await model.generate(request, (text) => chunks.push(text), never);
      return { ...generation, chunks };
    };

    it("calls what it must, with arguments that fit, and streams what it says", async () => {
      for (let seed = 1; seed <= 12; seed += 1) {
        const { text, chunks, finishReason } = await ask({
          tools: [heat, light],
          mustCall: true,
          seed,
        });
        expect(chunks.join("")).toBe(text);
        if (finishReason !== "stop") continue;
        const { calls, text: words } = readToolText(text);
        expect(words).toBe("");
        expect(calls.length).toBeGreaterThan(0);
      }
    });

    it("calls once where calls in parallel are off", async () => {
      for (let seed = 1; seed <= 6; seed += 1) {
        const reply = await ask({ tools: [heat], mustCall: true, hasParallelCalls: false, seed });
        expect(reply.finishReason).toBe("stop");
        const { calls } = readToolText(reply.text);
        expect(calls).toHaveLength(1);
        const { celsius } = JSON.parse(calls[0]?.arguments ?? "") as { celsius: number };
        expect(celsius).toBeLessThanOrEqual(300);
      }
    });

    it("may answer in words alone", async () => {
      const { text, finishReason, completionTokens } = await ask({
        tools: [heat],
        maxTokens: 20,
        seed: 3,
      });
      expect(text).not.toContain(CALL_OPEN);
      expect([finishReason === "length" || finishReason === "stop", completionTokens > 0]).toEqual([
        true,
        true,
      ]);
    });

    it("tells the probability of every token of the text, and of others", async () => {
      const { text, logprobs } = await ask({ topLogprobs: 3, maxTokens: 24, seed: 5 });
      const bytes = (logprobs ?? []).flatMap(({ bytes }) => bytes ?? []);
      expect(Buffer.from(bytes).toString()).toContain(text.trim().slice(0, 4));
      for (const { logprob, top } of logprobs ?? []) {
        expect(logprob).toBeLessThanOrEqual(0);
        expect(top).toHaveLength(3);
        expect(top.map(({ logprob: share }) => share)).toEqual(
          top.map(({ logprob: share }) => share).toSorted((a, b) => b - a),
        );
      }
    });

    it("never takes a token whose bias is -100, and prefers one of 100", async () => {
      const plain = await ask({ temperature: 0, maxTokens: 8, topLogprobs: 0 });
      const forced = await ask({
        temperature: 0,
        maxTokens: 8,
        logitBias: { "300": 100 },
        topLogprobs: 0,
      });
      const pieces = new Set(forced.logprobs?.map(({ token }) => token.trim()));
      expect(pieces.size).toBe(1);
      const banned = await ask({
        temperature: 0,
        maxTokens: 8,
        logitBias: { "300": -100 },
        topLogprobs: 0,
      });
      expect(banned.logprobs?.map(({ token }) => token.trim())).not.toContain([...pieces][0]);
      expect(plain.text).not.toBe(forced.text);
    });

    it("repeats itself less with penalties", async () => {
      const words = { temperature: 0, maxTokens: 60, topLogprobs: 0 };
      const kinds = async (more: Partial<GenerateRequest>): Promise<number> =>
        new Set((await ask({ ...words, ...more })).logprobs?.map(({ token }) => token)).size;
      const bias = { "300": 3, "301": 3 };
      const free = await kinds({ logitBias: bias, presencePenalty: 0, frequencyPenalty: 0 });
      const bound = await kinds({ logitBias: bias, presencePenalty: 2, frequencyPenalty: 2 });
      expect(bound).toBeGreaterThanOrEqual(free);
    });

    it("continues raw text without roles", async () => {
      const chat = await ask({ maxTokens: 4, temperature: 0 });
      const raw = await ask({ maxTokens: 4, temperature: 0, isRaw: true });
      expect(raw.promptTokens).toBeLessThan(chat.promptTokens);
    });
  },
);
