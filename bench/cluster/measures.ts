// What is measured of both systems alike: rates of a closed loop, and how late a watch hears of a change.

import type { Connection, System } from "./systems.ts";
import { measureRate, median, type Rate, round } from "./load.ts";

const VALUE = "x".repeat(256);
const KEYS = 1_000;
const CONNECTIONS = 4; // of 64 clients, as in ../shared/notes/raft.md 1.1
const ROUND_S = 1.5;
const WARM_UP_S = 0.5;
const ROUNDS = 3;
const WATCHERS = 100;
const WATCHED_PUTS = 60;
const PUT_EVERY_MS = 20;

export type RateName = "put1" | "put16" | "put64" | "get1" | "get64";
export const RATES: Readonly<
  Record<RateName, { readonly clients: number; readonly op: "put" | "get" }>
> = {
  put1: { clients: 1, op: "put" },
  put16: { clients: 16, op: "put" },
  put64: { clients: 64, op: "put" },
  get1: { clients: 1, op: "get" },
  get64: { clients: 64, op: "get" },
};

export interface WatchDelay {
  /** From the answer to the writer, ms; 0 where the watcher heard first. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the writer's call. */
  readonly sinceCallP99Ms: number;
}

export interface Measured {
  readonly rates: Readonly<Record<RateName, Rate>>;
  readonly watch: WatchDelay;
}

/** The median of each figure over three rounds through all of them. */
export async function measureSystem(
  system: System,
  wanted: readonly RateName[] = Object.keys(RATES) as RateName[], // its own keys
): Promise<Measured> {
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => system.connect()),
  );
  const found = new Map<RateName, Rate[]>();
  const delays: WatchDelay[] = [];
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const name of wanted) {
      found.set(name, [...(found.get(name) ?? []), await rateOf(system, connections, name)]);
    }
    delays.push(await watchDelay(system));
  }
  await Promise.all(connections.map((each) => each.close()));
  const rates = [...found].map(([name, rounds]) => [name, medianOf(rounds)] as const);
  return {
    rates: Object.fromEntries(rates) as Record<RateName, Rate>, // all of `wanted`
    watch: medianOf(delays),
  };
}

function rateOf(system: System, connections: readonly Connection[], name: RateName): Promise<Rate> {
  const { clients, op } = RATES[name];
  return measureRate({
    clients,
    seconds: ROUND_S,
    warmUpSeconds: WARM_UP_S,
    leaderPid: system.leaderPid,
    serverPids: system.pids,
    call(client, turn) {
      const connection = connections[client % CONNECTIONS];
      const key = `bench-${(client * 31 + turn) % KEYS}`;
      return op === "put"
        ? (connection?.put(key, VALUE) ?? Promise.resolve())
        : (connection?.get(key) ?? Promise.resolve());
    },
  });
}

async function watchDelay(system: System): Promise<WatchDelay> {
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => system.connect()),
  );
  const writer = await system.connect();
  const heard: { readonly turn: number; readonly atMs: number }[] = [];
  const hear = (value: string): void =>
    void heard.push({ turn: Number(value.trim()), atMs: performance.now() });
  await Promise.all(
    connections.flatMap((each) =>
      Array.from({ length: WATCHERS / CONNECTIONS }, () => each.watch("watched", hear)),
    ),
  );
  const called: number[] = [];
  const answered: number[] = [];
  for (let turn = 0; turn < WATCHED_PUTS; turn += 1) {
    called.push(performance.now());
    await writer.put("watched", String(turn).padEnd(VALUE.length));
    answered.push(performance.now());
    await new Promise((resolve) => setTimeout(resolve, PUT_EVERY_MS));
  }
  for (let tries = 0; heard.length < WATCHERS * WATCHED_PUTS && tries < 100; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, PUT_EVERY_MS));
  }
  await Promise.all([...connections, writer].map((each) => each.close()));
  if (heard.length !== WATCHERS * WATCHED_PUTS)
    throw new Error(`${heard.length} of ${WATCHERS * WATCHED_PUTS} changes were heard`);
  const sorted = (since: readonly number[]): number[] =>
    heard.map(({ turn, atMs }) => Math.max(0, atMs - (since[turn] ?? 0))).toSorted((a, b) => a - b);
  const sinceAnswer = sorted(answered);
  return {
    p50Ms: at(sinceAnswer, 0.5),
    p99Ms: at(sinceAnswer, 0.99),
    sinceCallP99Ms: at(sorted(called), 0.99),
  };
}

const at = (sorted: readonly number[], share: number): number =>
  round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);

/** Figure by figure. */
function medianOf<T extends object>(rounds: readonly T[]): T {
  const [first] = rounds;
  const keys = Object.keys(first ?? {}) as (keyof T)[]; // its own
  return Object.fromEntries(
    keys.map((key) => [key, median(rounds.map((each) => Number(each[key])))]),
  ) as T; // all members are numbers
}
