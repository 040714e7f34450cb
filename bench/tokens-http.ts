// Tokens per second through the whole appliance, streamed over HTTP, next to the agent's runner in this
// process (a child, messages, slots) and next to node-llama-cpp alone: the same file, threads, slots
// and number of tokens, in turns, on the same machine. So a loss has a place.
//
//   client -> HTTP door -> main thread -> ZeroMQ -> agent -> child process -> llama.cpp, and back
//
// All of that runs on the cores that the model does not use (threads = cores - 1), the clients too.
// The model is tiny: about 0.7 ms a token. A real one takes 20 to 100 ms, and our share shrinks alike.
// Also: how soon after a client hung up its slot serves the next one, with one slot in all.
// Not measured: GPUs, long prompts, loading.

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { forkLlama } from "../node-agent/adapters/llama-process.ts";
import { type Model, startModel } from "../node-agent/runners/infer.ts";
import { type Appliance, MODELS, startAppliance, until } from "../tests/support/appliance.ts";
import { type HttpClient, makeHttpClient } from "./http-client.ts";
import { type Figure, figureOf, manyTimes, medianOf, rounded } from "./measure.ts";
import { tokensThroughAgent } from "./tokens-agent.ts";
import { tokensAlone } from "./tokens-alone.ts";

const MODEL = "stories260K";
const MODEL_PATH = join(MODELS, `${MODEL}.gguf`);
const THREADS = Math.max(1, availableParallelism() - 1);
const TOKENS_EACH = 256; // as tokens-alone.ts
const ROUNDS = 5; // best of 3 each, on all sides
const ABORTS = 51;

export async function measureTokensHttp(): Promise<readonly Figure[]> {
  return [...(await measureRates()), ...(await measureAbort())];
}

async function measureRates(): Promise<readonly Figure[]> {
  await using appliance = await startWithModel(8);
  using client = makeHttpClient(appliance.url, appliance.token, 8);
  await untilOffered(client);
  await using runner = await startRunner();
  const figures: Figure[] = [];
  for (const clients of [1, 8]) {
    const ours: number[] = [];
    const runners: number[] = [];
    const alone: number[] = [];
    await tokensPerS(client, clients); // warms the slots up
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(Math.max(...(await manyTimes(3, 1, () => tokensPerS(client, clients)))));
      runners.push((await tokensThroughAgent(runner, clients)).tokensPerS);
      alone.push((await tokensAlone(MODEL_PATH, clients, THREADS)).tokensPerS);
    }
    const floor = { name: "llama.cpp alone", value: rounded(medianOf(alone)) };
    const shares = ours.map((rate, round) => (100 * rate) / (alone[round] ?? Number.NaN));
    const who = clients === 1 ? "1 client" : `${clients} clients`;
    figures.push(
      figureOf(`tokens over SSE, ${who}`, "1/s", ours, { floor }),
      figureOf(`the same through the runner, ${who}`, "1/s", runners, { floor }),
      figureOf(`tokens over SSE, ${who}, share of alone`, "%", shares, { goal: { atLeast: 90 } }),
    );
  }
  return figures;
}

/** With as many answers at once as there are clients. */
export async function tokensPerS(client: HttpClient, clients: number): Promise<number> {
  const fromMs = performance.now();
  const answers = await manyTimes(clients, clients, () => client.completion(story(TOKENS_EACH)));
  const tookMs = performance.now() - fromMs;
  const tokens = answers.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  // A story that ends by itself would come from the cache the next time.
  if (answers.some(({ finishReason }) => finishReason !== "length")) {
    throw new Error(`${MODEL} ended its story before ${TOKENS_EACH} tokens`);
  }
  return (1_000 * tokens) / tookMs;
}

export async function measureAbort(): Promise<readonly Figure[]> {
  await using appliance = await startWithModel(1);
  using client = makeHttpClient(appliance.url, appliance.token, 2);
  await untilOffered(client);
  const idle: number[] = [];
  const freed: number[] = [];
  await client.completion(story(16));
  for (let round = 0; round < ABORTS; round += 1) {
    idle.push((await client.completion(story(2))).firstTextMs);
    const { abandonedAtMs } = await client.abandon(story(400));
    const sentMs = performance.now() - abandonedAtMs;
    freed.push(sentMs + (await client.completion(story(2))).firstTextMs);
  }
  return [
    figureOf("client hangs up -> first token of the next, 1 slot", "ms", freed, {
      goal: { atMost: 20 },
      floor: { name: "first token of an idle slot", value: rounded(medianOf(idle)) },
    }),
  ];
}

const story = (maxTokens: number): Readonly<Record<string, unknown>> => ({
  model: MODEL,
  messages: [{ role: "user", content: "Once upon a time" }],
  max_tokens: maxTokens,
  temperature: 0,
});

const startRunner = (): Promise<Model> =>
  startModel(
    { path: MODEL_PATH, name: MODEL, slots: 8, contextTokens: 512, threads: THREADS },
    {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      fork: (onMessage) => forkLlama({ environment: {} }, onMessage),
    },
    new AbortController().signal,
  );

const startWithModel = (slots: number): Promise<Appliance> =>
  startAppliance({
    parts: ["hub", "agent"],
    env: {
      GANTRY_LLM_MODELS: MODEL_PATH,
      GANTRY_LLM_THREADS: String(THREADS),
      GANTRY_LLM_SLOTS: String(slots),
      GANTRY_LLM_CONTEXT: "512",
      GANTRY_LOG_LEVEL: "warn",
    },
  });

const untilOffered = (client: HttpClient): Promise<boolean> =>
  until("the model", async () => {
    const { body } = await client.json<{ data: { id: string }[] }>("/v1/models");
    return body.data.some(({ id }) => id === MODEL);
  });
