// Closed-loop load: so many clients, each with one call under way, for a time. And what it cost.

import { readFileSync } from "node:fs";

const TICKS_PER_S = 100; // USER_HZ of Linux

export interface Rate {
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of one call, microseconds, at the leader, at all servers, and here. */
  readonly leaderUs: number;
  readonly serversUs: number;
  readonly clientUs: number;
}

/** Processor time that a process has used so far, s. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

export interface LoadOptions {
  readonly clients: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** The `turn`-th call of this client. */
  readonly call: (client: number, turn: number) => Promise<unknown>;
  readonly leaderPid: number;
  readonly serverPids: readonly number[];
}

export async function measureRate(options: LoadOptions): Promise<Rate> {
  const { clients, seconds, warmUpSeconds, call } = options;
  const times: number[] = [];
  const startMs = performance.now() + warmUpSeconds * 1_000;
  const endMs = startMs + seconds * 1_000;
  let before: ReturnType<typeof costs> | undefined;

  async function client(number: number): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const fromMs = performance.now();
      if (fromMs >= endMs) return;
      if (before === undefined && fromMs >= startMs) before = costs(options);
      await call(number, turn);
      if (fromMs >= startMs) times.push(performance.now() - fromMs);
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const after = costs(options);
  const sorted = Float64Array.from(times).toSorted();
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  const each = (place: "leader" | "servers" | "client"): number =>
    Math.round((((after[place] - (before?.[place] ?? 0)) * 1e6) / times.length) * 10) / 10;
  return {
    perS: Math.round(times.length / seconds),
    p50Ms: round(at(0.5)),
    p99Ms: round(at(0.99)),
    leaderUs: each("leader"),
    serversUs: each("servers"),
    clientUs: each("client"),
  };
}

function costs({ leaderPid, serverPids }: LoadOptions) {
  const { user, system } = process.cpuUsage();
  return {
    leader: cpuSecondsOf(leaderPid),
    servers: serverPids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
    client: (user + system) / 1e6,
  };
}

export const round = (value: number): number => Math.round(value * 1_000) / 1_000;

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
