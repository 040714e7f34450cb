// How long the semantic cache looks for an answer: reading the question, the exact scan of all vectors,
// the guard on the eight nearest. Embedding is shown beside it, for it is done on another machine.
//
//   node bench/cache.ts             10,000 and 100,000 entries of 384 dimensions, some seconds
//
// The vectors are random, so every scan looks at all of them; the questions are those of the adversarial
// pairs, so every guard has something to refuse. Goals: issue "the assistant", 2 / 6 ms at 10,000 entries
// and 4 ms at 100,000, embedding included.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { differenceOf } from "../hub/cache/guard/guard.ts";
import { type Reading, readQuestion } from "../hub/cache/guard/reading.ts";
import { namesFrom } from "../hub/cache/guard/tokens.ts";
import { adversarialPairs, REGISTRY } from "../hub/cache/testing/adversaries.ts";
import { makeVectorIndex } from "../hub/cache/vector-index.ts";
import { startEmbedder } from "../node-agent/runners/embed.ts";
import { percentileOf, rounded } from "./measure.ts";

const DIMENSIONS = 384;
const ROUNDS = 2_000;
const NAMES = namesFrom(REGISTRY);
const MODELS = join(import.meta.dirname, "..", "..", "shared", "models");

const random = seededRandom(6);
const vector = (): Float32Array =>
  Float32Array.from({ length: DIMENSIONS }, () => random() * 2 - 1);
const questions = [...adversarialPairs(2_000, 6)].map(({ a }) => a);

const both = (ms: readonly number[]): string =>
  `p50 ${rounded(percentileOf(ms, 0.5))} ms  p99 ${rounded(percentileOf(ms, 0.99))} ms`;

function show(name: string, { wallMs, cpuMs }: Samples): void {
  const meanMs = cpuMs.reduce((sum, ms) => sum + ms, 0) / cpuMs.length;
  const cpu = cpuMs.length === 0 ? "" : `  processor ${rounded(meanMs)} ms on average`;
  console.log(`${name.padEnd(46)} ${both(wallMs)}${cpu}`);
}

interface Samples {
  readonly wallMs: readonly number[];
  /** Of this thread: what is left of the time when neighbours are busy. */
  readonly cpuMs: readonly number[];
}

function timed(rounds: number, work: (round: number) => unknown): Samples {
  const wallMs: number[] = [];
  const cpuMs: number[] = [];
  for (let round = 0; round < rounds + 50; round += 1) {
    const cpu = process.threadCpuUsage();
    const startMs = performance.now();
    work(round);
    if (round < 50) continue; // the first ones warm it up
    wallMs.push(performance.now() - startMs);
    const { user, system } = process.threadCpuUsage(cpu);
    cpuMs.push((user + system) / 1_000);
  }
  return { wallMs, cpuMs };
}

function lookups(entries: number, isPlain: boolean): Samples {
  const index = makeVectorIndex(DIMENSIONS, isPlain);
  const readings: Reading[] = [];
  for (let entry = 0; entry < entries; entry += 1) {
    index.put(String(entry), "scope", vector());
    readings.push(readQuestion(questions[entry % questions.length] ?? "", NAMES));
  }
  const asked = Array.from({ length: 64 }, vector);
  return timed(isPlain ? 100 : ROUNDS / (entries / 10_000), (round) => {
    const reading = readQuestion(questions[round % questions.length] ?? "", NAMES);
    const near = index.near(asked[round % asked.length] ?? vector(), ["scope"], 8);
    return near.map(({ id }) => differenceOf(reading, readings[Number(id)] ?? reading));
  });
}

show(
  "reading a question",
  timed(ROUNDS, (round) => readQuestion(questions[round % 2_000] ?? "", NAMES)),
);
show("lookup without embedding, 10,000 entries", lookups(10_000, false));
show("lookup without embedding, 100,000 entries", lookups(100_000, false));
show("the same without WebAssembly, 10,000 entries", lookups(10_000, true));

const modelPath = join(MODELS, "tiny-embed-glove25.onnx");
const vocabPath = join(MODELS, "bert-vocab.txt");
if (existsSync(modelPath)) {
  const { signal } = new AbortController();
  const log = { info() {}, warn() {}, error() {}, debug() {} };
  const ports = { clock: systemClock, log: log as never };
  await using embedder = await startEmbedder({ modelPath, vocabPath }, ports, signal);
  const samples: number[] = [];
  for (const [at, question] of questions.slice(0, 1_000).entries()) {
    const startMs = performance.now();
    await embedder.embed([`${question} ${at}`], signal); // none of them is remembered
    if (at >= 50) samples.push(performance.now() - startMs);
  }
  show("embedding, tiny model of 64 dimensions", { wallMs: samples, cpuMs: [] });
}
