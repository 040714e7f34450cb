// The same work as bench/tokens-alone.ts through the agent's runner: a child process, messages,
// slots. Also how soon an aborted request's slot is free, and what an idle agent weighs.
//
//   node bench/tokens-agent.ts [MODEL.gguf]

import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { forkLlama } from "../node-agent/adapters/llama-process.ts";
import { type Model, startModel } from "../node-agent/runners/infer.ts";

export interface TokensAgent {
  readonly sequences: number;
  readonly tokensPerS: number;
  readonly firstTokenMs: number;
}

const TOKENS_EACH = 256;
const never = new AbortController().signal;

/** Best of 3 rounds of `sequences` parallel answers of 256 tokens. */
export async function tokensThroughAgent(model: Model, sequences: number): Promise<TokensAgent> {
  const rounds: TokensAgent[] = [];
  for (let round = 0; round < 3; round += 1) {
    const startedMs = performance.now();
    const answers = await Promise.all(
      Array.from({ length: sequences }, (_, index) => {
        const messages = [{ role: "user" as const, content: "Once upon a time" }];
        const request = { requestId: `bench-${index}`, messages, maxTokens: TOKENS_EACH };
        return model.generate(request, () => {}, never);
      }),
    );
    const tokens = answers.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
    const tookMs = performance.now() - startedMs;
    const firstTokenMs = Math.max(...answers.map((answer) => answer.firstTokenMs));
    rounds.push({ sequences, tokensPerS: Math.round((tokens / tookMs) * 1_000), firstTokenMs });
  }
  return (
    rounds.toSorted((a, b) => b.tokensPerS - a.tokensPerS)[0] ?? {
      sequences,
      tokensPerS: 0,
      firstTokenMs: 0,
    }
  );
}

/** Milliseconds from an abort in the middle of an answer to a free slot; the median of 21. */
export async function abortToFreeMs(model: Model): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < 21; round += 1) {
    const controller = new AbortController();
    let abortedMs = 0;
    const messages = [{ role: "user" as const, content: "Once upon a time" }];
    const onChunk = (): void => {
      if (abortedMs > 0) return;
      abortedMs = performance.now();
      controller.abort();
    };
    await model.generate(
      { requestId: "abort", messages, maxTokens: 400 },
      onChunk,
      controller.signal,
    );
    took.push(performance.now() - abortedMs);
  }
  return took.toSorted((a, b) => a - b)[10] ?? Number.NaN;
}

/** First token of a long prompt, in ms: seen for the first time, and with its beginning cached. */
export async function firstTokenMs(model: Model): Promise<{ coldMs: number; warmMs: number }> {
  const story = "Once upon a time there was a little girl. ".repeat(40);
  const first = async (content: string): Promise<number> => {
    const request = { requestId: "first", messages: [{ role: "user" as const, content }] };
    const answer = await model.generate({ ...request, maxTokens: 1 }, () => {}, never);
    return answer.firstTokenMs;
  };
  return { coldMs: await first(story), warmMs: await first(`${story}She`) };
}

async function main(path: string): Promise<void> {
  const ports = {
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    fork: (onMessage: Parameters<typeof forkLlama>[1]) => forkLlama({ environment: {} }, onMessage),
  };
  const idleMb = process.memoryUsage.rss() / 1e6;
  const options = { path, name: "bench", slots: 8, contextTokens: 512 };
  await using model = await startModel(options, ports, never);
  for (const sequences of [1, 8]) {
    const { tokensPerS, firstTokenMs } = await tokensThroughAgent(model, sequences);
    console.log(
      `through the runner  ${sequences} sequence(s): ${tokensPerS}/s, first token ${firstTokenMs} ms`,
    );
  }
  const { coldMs, warmMs } = await firstTokenMs(model);
  console.log(
    `first token         ${coldMs} ms cold, ${warmMs} ms with the prompt's beginning cached`,
  );
  console.log(`abort to free slot  ${(await abortToFreeMs(model)).toFixed(1)} ms (median of 21)`);
  console.log(
    `this process        ${idleMb.toFixed(0)} MB before, ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB after`,
  );
}

const storyModel = join(import.meta.dirname, "..", "..", "shared", "models", "stories260K.gguf");
if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? storyModel);
