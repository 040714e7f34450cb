// node-llama-cpp alone: the floor that the agent's runner is compared with. No child, no messages.
//
//   node bench/tokens-alone.ts [MODEL.gguf]      needs ../shared/models/stories260K.gguf otherwise
//
// Not measured: loading, the chat template, and the first token's prompt (a handful of tokens).

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

export interface TokensAlone {
  readonly sequences: number;
  readonly tokens: number;
  readonly tookMs: number;
  readonly tokensPerS: number;
}

const TOKENS_EACH = 256;

/** Tokens per second of `sequences` parallel generations of 256 tokens, with `threads`; best of 3. */
export async function tokensAlone(
  modelPath: string,
  sequences: number,
  threads: number,
): Promise<TokensAlone> {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
  });
  try {
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: 512, sequences, threads });
    const prompt = model.tokenize("Once upon a time");
    const slots = Array.from({ length: sequences }, () => context.getSequence());
    const rounds: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const startedMs = performance.now();
      await Promise.all(
        slots.map(async (slot) => {
          await slot.clearHistory();
          let count = 0;
          for await (const _token of slot.evaluate(prompt, {
            temperature: 0,
            yieldEogToken: true,
          })) {
            count += 1;
            if (count === TOKENS_EACH) break;
          }
        }),
      );
      rounds.push(performance.now() - startedMs);
    }
    const tookMs = Math.min(...rounds);
    const tokens = TOKENS_EACH * sequences;
    return { sequences, tokens, tookMs, tokensPerS: Math.round((tokens / tookMs) * 1_000) };
  } finally {
    await llama.dispose();
  }
}

async function main(modelPath: string): Promise<void> {
  const threads = Math.max(1, availableParallelism() - 1);
  for (const sequences of [1, 8]) {
    const { tokens, tookMs, tokensPerS } = await tokensAlone(modelPath, sequences, threads);
    const took = `${tokens} tokens in ${tookMs.toFixed(0)} ms`;
    console.log(
      `llama.cpp alone  ${sequences} sequence(s), ${threads} thread: ${tokensPerS}/s (${took})`,
    );
  }
}

const storyModel = join(import.meta.dirname, "..", "..", "shared", "models", "stories260K.gguf");
if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? storyModel);
