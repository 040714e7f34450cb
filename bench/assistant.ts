// What the appliance adds to a language model: from an HTTP client through door, hub, queue, link, agent
// and child process to llama.cpp and back, beside node-llama-cpp alone in the same run.
//
//   npm run bench:assistant      prints a table, keeps bench/assistant.json and its block of docs/performance.md
//
// "around the model" is the round trip without what the model's process says it took; there are as many
// slots as clients, so that nobody waits for one. The models are tiny: 0.3 to 0.7 ms a token.
// Not measured: GPUs, TLS, several machines, real models.

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { getLlama, type Llama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { MODELS, ROOT, startAppliance, until } from "../tests/support/appliance.ts";
import { type Chatted, type HttpClient, makeHttpClient } from "./http-client.ts";
import { type Figure, figureOf, manyTimes, medianOf, rounded } from "./measure.ts";
import { writeRandomModel } from "./random-model.ts";
import { textTable, writeBlock } from "./table.ts";
import { tokensAlone } from "./tokens-alone.ts";
import { measureAbort, tokensPerS } from "./tokens-http.ts";

const STORY = "stories260K";
const STORY_PATH = join(MODELS, `${STORY}.gguf`);
/** Reading 512 tokens takes it long enough to be told from all the rest. */
const LONG = "random";
const LONG_FOLDER = mkdtempSync(join(tmpdir(), "gantry-bench-"));
const LONG_PATH = join(LONG_FOLDER, `${LONG}.gguf`);
const THREADS = Math.max(1, availableParallelism() - 1);
const SLOTS = 8;
const CLIENTS = 50;
const PREFIX_TOKENS = 512;
const ROUNDS = 5;
const LOAD_MS = 60_000;
const KEPT = join(import.meta.dirname, "assistant.json");
const PAGE = join(ROOT, "docs", "performance.md");
const BLOCK = {
  begin: "<!-- assistant:begin (written by bench/assistant.ts) -->",
  end: "<!-- assistant:end -->",
};

async function measureAll(): Promise<readonly Figure[]> {
  await writeRandomModel(join(MODELS, "tiny-random.gguf"), LONG_PATH);
  const crowded = await withModels([STORY_PATH], CLIENTS, 256, measureOverhead);
  const usual = await withModels([STORY_PATH, LONG_PATH], SLOTS, 1_024, async (client) => [
    ...(await measureRates(client)),
    ...(await measurePrefix(client)),
    ...(await measureEmbeddings(client)),
  ]);
  return [...crowded, ...usual, ...(await measureAbort()), installSize()];
}

async function withModels(
  paths: readonly string[],
  slots: number,
  contextTokens: number,
  work: (client: HttpClient) => Promise<readonly Figure[]>,
): Promise<readonly Figure[]> {
  await using appliance = await startAppliance({
    parts: ["hub", "agent"],
    env: {
      GANTRY_LLM_MODELS: paths.join(","),
      GANTRY_LLM_THREADS: String(THREADS),
      GANTRY_LLM_SLOTS: String(slots),
      GANTRY_LLM_CONTEXT: String(contextTokens),
      GANTRY_LOG_LEVEL: "warn",
    },
  });
  using client = makeHttpClient(appliance.url, appliance.token, CLIENTS);
  const names = paths.map((path) => basename(path, ".gguf"));
  const isOffered = async (): Promise<boolean> => {
    const { body } = await client.json<{ data: { id: string }[] }>("/v1/models");
    const ids = new Set(body.data.map(({ id }) => id));
    return names.every((name) => ids.has(name));
  };
  await until("the models", isOffered, LOAD_MS);
  return await work(client);
}

// --- around the model ---

async function measureOverhead(client: HttpClient): Promise<readonly Figure[]> {
  let count = 0;
  const ask = (stream: boolean) => (): Promise<Chatted> =>
    client.chat({
      model: STORY,
      messages: [{ role: "user", content: `Once upon a time ${(count += 1)}` }],
      options: { num_predict: 8, temperature: 0 },
      stream,
    });
  await manyTimes(2 * CLIENTS, CLIENTS, ask(true));
  const whole = await manyTimes(150, 1, ask(false));
  const streamed = await manyTimes(150, 1, ask(true));
  const crowd = await manyTimes(8 * CLIENTS, CLIENTS, ask(true));
  return [
    figureOf("around the model, whole answer, 1 client", "ms", whole.map(aroundMs), {
      goal: { atMost: 1.5 },
    }),
    figureOf(`around the model, streamed answer, ${CLIENTS} clients`, "ms", crowd.map(aroundMs), {
      goal: { atMost: 5 },
      p99Goal: { atMost: 5 },
      note: `${CLIENTS} slots; model, hub, agent and clients share ${availableParallelism()} cores`,
    }),
    figureOf("first token on top of the model's, 1 client", "ms", streamed.map(firstMs), {
      goal: { atMost: 3 },
    }),
    figureOf(`first token on top of the model's, ${CLIENTS} clients`, "ms", crowd.map(firstMs), {
      goal: { atMost: 10 },
    }),
  ];
}

const aroundMs = ({ tookMs, modelMs }: Chatted): number => tookMs - modelMs;
const firstMs = ({ firstTextMs, modelFirstMs }: Chatted): number => firstTextMs - modelFirstMs;

// --- tokens per second ---

async function measureRates(client: HttpClient): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const clients of [1, 8]) {
    const ours: number[] = [];
    const alone: number[] = [];
    await tokensPerS(client, clients); // warms the slots up
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(Math.max(...(await manyTimes(3, 1, () => tokensPerS(client, clients)))));
      alone.push((await tokensAlone(STORY_PATH, clients, THREADS)).tokensPerS);
    }
    const who = clients === 1 ? "1 client" : `${clients} clients`;
    const floor = { name: "node-llama-cpp alone", value: rounded(medianOf(alone)) };
    const shares = ours.map((rate, round) => (100 * rate) / (alone[round] ?? Number.NaN));
    figures.push(
      figureOf(`tokens, ${who}`, "1/s", ours, { floor }),
      figureOf(`tokens, ${who}, share of node-llama-cpp with ${clients} sequences`, "%", shares, {
        goal: { atLeast: 90 },
      }),
    );
  }
  return figures;
}

// --- the prefix that a slot has read already ---

/** A prompt of some more than 512 tokens that begins like no other one. */
const prefixOf = (round: number): string =>
  `${round} `.repeat(8) + "The workshop has a printer, a saw and a lamp. ".repeat(18);

async function measurePrefix(client: HttpClient): Promise<readonly Figure[]> {
  const cold: number[] = [];
  const warm: number[] = [];
  let tokens = 0;
  const first = (content: string): Promise<Chatted> =>
    client.chat({
      model: LONG,
      messages: [{ role: "user", content }],
      options: { num_predict: 2, temperature: 0 },
      stream: true,
    });
  for (let round = 0; round < ROUNDS; round += 1) {
    const { modelFirstMs, promptTokens } = await first(prefixOf(round));
    cold.push(modelFirstMs);
    warm.push((await first(`${prefixOf(round)} And a vice.`)).modelFirstMs);
    tokens = promptTokens;
  }
  if (tokens < PREFIX_TOKENS) throw new Error(`the prompt has ${tokens} tokens`);
  const alone = await prefixAlone();
  const gain = cold.map((ms, round) => ms / (warm[round] ?? Number.NaN));
  return [
    figureOf(`first token of a prompt of ${tokens} tokens`, "ms", cold, {
      floor: {
        name: `node-llama-cpp alone, ${PREFIX_TOKENS} tokens`,
        value: rounded(alone.coldMs),
      },
    }),
    figureOf("the same with its beginning in the slot", "ms", warm, {
      floor: { name: "node-llama-cpp alone", value: rounded(alone.warmMs) },
    }),
    figureOf("prefix reuse", "x", gain, {
      goal: { atLeast: 10 },
      note: "that the text is the same with and without is asserted by a test",
    }),
  ];
}

async function prefixAlone(): Promise<{ readonly coldMs: number; readonly warmMs: number }> {
  const llama = await openLlama();
  try {
    const model = await llama.loadModel({ modelPath: LONG_PATH });
    const context = await model.createContext({
      contextSize: 1_024,
      sequences: 1,
      threads: THREADS,
    });
    const sequence = context.getSequence();
    const cold: number[] = [];
    const warm: number[] = [];
    const first = async (tokens: Token[]): Promise<number> => {
      const fromMs = performance.now();
      await sequence.adaptStateToTokens(tokens, false);
      const rest = tokens.slice(sequence.nextTokenIndex);
      for await (const _token of sequence.evaluate(rest, { temperature: 0 })) break;
      return performance.now() - fromMs;
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const tokens = model.tokenize(prefixOf(round)).slice(0, PREFIX_TOKENS);
      await sequence.clearHistory();
      cold.push(await first(tokens));
      warm.push(await first([...tokens, ...model.tokenize(" And a vice.")]));
    }
    return { coldMs: medianOf(cold), warmMs: medianOf(warm) };
  } finally {
    await llama.dispose();
  }
}

const openLlama = (): Promise<Llama> =>
  getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: THREADS,
    logLevel: LlamaLogLevel.error,
  });

// --- embeddings ---

async function measureEmbeddings(client: HttpClient): Promise<readonly Figure[]> {
  const embed = async (index: number): Promise<number> =>
    (await client.json("/v1/embeddings", { input: `pause the print on printer ${index}` })).tookMs;
  await manyTimes(30, 1, embed);
  return [
    figureOf("POST /v1/embeddings, 1 text, 1 client", "ms", await manyTimes(300, 1, embed), {
      goal: { atMost: 3 },
    }),
    figureOf("POST /v1/embeddings, 1 text, 8 clients", "ms", await manyTimes(400, 8, embed)),
  ];
}

// --- what a machine needs on its disk ---

/** Of another platform, or of graphics cards: left out by the playbooks, or stands in for them here. */
const NOT_FOR_CPU = /napi-v6\/(?:darwin|win32)|napi-v6\/linux\/arm64|-cuda|-vulkan|\.map$/;

function installSize(): Figure {
  const seen = new Set<string>();
  const bytes = packageBytes("@gantry/node-agent", seen);
  const node = statSync(process.execPath).size;
  return {
    name: "install of a node agent without a graphics card",
    unit: "MB",
    median: rounded((bytes + node) / 1e6),
    goal: { atMost: 400 },
    note: `its packages and theirs (${seen.size}, ${rounded(bytes / 1e6)} MB) and Node (${rounded(node / 1e6)} MB), without files of other platforms`,
  };
}

/** A package with all it depends on, each once; optional ones where they are installed. */
function packageBytes(name: string, seen: Set<string>): number {
  const folder = join(ROOT, "node_modules", name);
  if (seen.has(name) || !existsSync(join(folder, "package.json"))) return 0;
  seen.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  ) as Record<"dependencies" | "optionalDependencies", Record<string, string> | undefined>;
  const needed = Object.keys({ ...dependencies, ...optionalDependencies });
  const others = needed.reduce((sum, each) => sum + packageBytes(each, seen), 0);
  return folderBytes(folder) + others;
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).reduce((sum, entry) => {
    const path = join(entry.parentPath, entry.name);
    return !entry.isFile() || NOT_FOR_CPU.test(path) ? sum : sum + statSync(path).size;
  }, 0);
}

// --- the program ---

const loads = (): readonly number[] => loadavg().map((load) => Math.round(load * 100) / 100);
const [fromMs, loadBefore] = [performance.now(), loads()];
const figures = await measureAll();
const results = {
  assistant: {
    command: "npm run bench:assistant",
    date: new Date().toISOString(),
    tookS: Math.round((performance.now() - fromMs) / 1_000),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryMb: Math.round(totalmem() / 1e6),
      node: process.version,
    },
    loadBefore,
    loadAfter: loads(),
    durability:
      "every question and answer is synced (fdatasync) before its reply; one hub, one machine",
    figures,
  },
};
console.log(textTable(figures));
writeFileSync(KEPT, `${JSON.stringify(results, null, 2)}\n`);
writeBlock(PAGE, results, BLOCK);
spawnSync(join(dirname(import.meta.dirname), "node_modules", ".bin", "oxfmt"), [PAGE]);
rmSync(LONG_FOLDER, { recursive: true });
process.exit(0);
