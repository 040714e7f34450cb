// What the hub adds to a question, over HTTP from a client that keeps its connections.
//
//   rule     the sentence is a built-in intent: two entries in the log, no model
//   cached   the same answer once more: two entries in the log, no model
//   model    the time around the model: all of the round trip but what the model's process reports
//
// The floor of all three is what the design demands anyway: two synced writes, one after the other,
// and one round trip through the HTTP door. The last rows take row K91's breakdown apart.
// Not measured: TLS, Wi-Fi, several hubs, a log of millions, a model that fills the machine.

import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { QueryReply } from "@gantry/shared/contract/schemas/asking.ts";
import { MODELS, startAppliance, until } from "../tests/support/appliance.ts";
import { benchFsync } from "./floors.ts";
import { type HttpClient, makeHttpClient, type TimedReply } from "./http-client.ts";
import { type Figure, figureOf, manyTimes, medianOf, rounded } from "./measure.ts";

const MODEL = "stories260K";
const WARM_UP = 300;
const ASKS = 1_000;
const MODEL_ASKS = 60;
const CLIENTS = 16;
/** A story of as many tokens as the context holds: cut off, so never cached. */
const STORY = { prompt: "Once upon a time", model: MODEL };
/** Ended by its stop word, so that the cache takes it. */
const ONE_SENTENCE = {
  model: MODEL,
  messages: [{ role: "user", content: "Once upon a time" }],
  temperature: 0,
  stop: ["."],
};
/** K91: what the old system added to a question, all but its model. */
const OLD_OVERHEAD_MS = 650;

interface Timed {
  readonly tookMs: number;
  readonly routing: QueryReply["routing"];
}

export async function measureAsk(): Promise<readonly Figure[]> {
  await using appliance = await startAppliance({
    parts: ["hub", "agent"],
    env: {
      GANTRY_LLM_MODELS: join(MODELS, `${MODEL}.gguf`),
      GANTRY_LLM_CONTEXT: "512",
      GANTRY_LOG_LEVEL: "warn",
    },
  });
  using client = makeHttpClient(appliance.url, appliance.token, CLIENTS);
  await until("the model", async () => {
    const { body } = await client.json<{ data: { id: string }[] }>("/v1/models");
    return body.data.some(({ id }) => id === MODEL);
  });

  const rule = (): Promise<Timed> => ask(client, { prompt: "status" });
  await manyTimes(WARM_UP, CLIENTS, rule);
  const floor = await floorOf(client, appliance.dataDir);
  const byRule = await manyTimes(ASKS, 1, rule);
  const byRuleCrowd = await manyTimes(ASKS, CLIENTS, rule);

  const again = (): Promise<TimedReply<unknown>> =>
    client.json("/v1/chat/completions", ONE_SENTENCE);
  await again();
  const hitsBefore = await cacheHits(client);
  const byCache = await manyTimes(ASKS, 1, again);
  const byCacheCrowd = await manyTimes(ASKS, CLIENTS, again);
  const hits = (await cacheHits(client)) - hitsBefore;
  if (hits !== 2 * ASKS) throw new Error(`${hits} of ${2 * ASKS} answers came from the cache`);

  const fresh = (): Promise<Timed> => ask(client, STORY);
  await manyTimes(5, 1, fresh);
  const around = (await manyTimes(MODEL_ASKS, 1, fresh)).map(aroundModelMs);
  const aroundCrowd = (await manyTimes(MODEL_ASKS, 4, fresh)).map(aroundModelMs);

  return [
    figureOf("rule answer, 1 client", "ms", tookMs(byRule), { goal: { atMost: 2 }, floor }),
    figureOf(`rule answer, ${CLIENTS} clients`, "ms", tookMs(byRuleCrowd), { floor }),
    figureOf("cached answer, 1 client", "ms", tookMs(byCache), { goal: { atMost: 2 }, floor }),
    figureOf(`cached answer, ${CLIENTS} clients`, "ms", tookMs(byCacheCrowd), { floor }),
    figureOf("hub around a model answer, 1 client", "ms", around, {
      goal: { atMost: 3 },
      p99Goal: { atMost: 10 },
      floor,
      note: `K91: ${OLD_OVERHEAD_MS} ms before`,
    }),
    figureOf("hub around a model answer, 4 clients", "ms", aroundCrowd, { floor }),
    ...(await breakdown(client)),
  ];
}

const tookMs = (asked: readonly { readonly tookMs: number }[]): number[] =>
  asked.map((each) => each.tookMs);

async function ask(client: HttpClient, body: Readonly<Record<string, unknown>>): Promise<Timed> {
  const { body: reply, tookMs: took } = await client.json<QueryReply>("/api/query", body);
  return { tookMs: took, routing: reply.routing };
}

function aroundModelMs({ tookMs: took, routing }: Timed): number {
  const { modelMs } = routing.metadata;
  if (typeof modelMs !== "number") throw new Error("the answer names no time of its model");
  return took - modelMs;
}

async function cacheHits(client: HttpClient): Promise<number> {
  const { body } = await client.json<{ hits: number }>("/api/cache");
  return body.hits;
}

/** One round trip through the door without the log, and two synced writes beside the log. */
async function floorOf(client: HttpClient, dir: string): Promise<NonNullable<Figure["floor"]>> {
  const trips = await manyTimes(ASKS, 1, () => client.json("/api/me"));
  const tripMs = medianOf(trips.map((trip) => trip.tookMs));
  const { p50Ms: syncMs } = await benchFsync(dir, 300);
  return { name: "/api/me + 2 fsyncs", value: rounded(tripMs + 2 * syncMs) };
}

/**
 * K91, step by step, for rule answers of one client. The log's share is the hub's own histogram; the
 * door's is what is left of the round trip when the hub's own time is taken away.
 */
async function breakdown(client: HttpClient): Promise<readonly Figure[]> {
  const published: number[] = [];
  using _watch = await client.watch("/api/events?types=question.answered", (text) => {
    if (text.includes("question.answered")) published.push(performance.now()); // not the greeting
  });
  const before = await commits(client);
  const asked: (Timed & { readonly endedMs: number })[] = [];
  for (let round = 0; round < ASKS / 4; round += 1) {
    const timed = await ask(client, { prompt: "status" });
    asked.push({ ...timed, endedMs: performance.now() });
    await until("the event", () => published.length > round);
  }
  const after = await commits(client);
  const recordMs = (1_000 * (after.sumS - before.sumS)) / (after.count - before.count);
  const decided = asked.map(({ routing }) => Math.max(0, routing.latencyMs - recordMs));
  const door = asked.map(({ tookMs: took, routing }) => took - routing.latencyMs - recordMs);
  const publish = asked.map(({ endedMs }, index) => (published[index] ?? Number.NaN) - endedMs);
  const samples = asked.length;
  const step = (name: string, median: number, note: string): Figure => ({
    name: `K91 ${name}`,
    unit: "ms",
    median: rounded(median),
    samples,
    note,
  });
  return [
    step("gateway and return", medianOf(door), "10 + 40 ms before; door, desk port, client"),
    step("record the question", recordMs, "15 ms before; mean of the hub's commit histogram"),
    step("state, cache, route", medianOf(decided), "20 + 100 ms before; without the model"),
    step("record the answer", recordMs, "10 ms before; the same mean"),
    step("publish", medianOf(publish), "after the reply; below 0: watchers hear of it first"),
  ];
}

interface Commits {
  readonly sumS: number;
  readonly count: number;
}

async function commits(client: HttpClient): Promise<Commits> {
  const text = await client.text("/metrics");
  const read = (name: string): number =>
    Number(new RegExp(`^gantry_raft_commit_seconds_${name} (\\S+)$`, "m").exec(text)?.[1]);
  return { sumS: read("sum"), count: read("count") };
}
