// Test equipment: a client as users are told to write one. It writes all the time through any hub,
// goes to the next hub when one is gone or answers 503, and gives up only at its deadline.

import type { ClusterHub } from "./cluster.ts";

export interface PatientClient {
  /** Values by flag key that some hub acknowledged. */
  readonly acked: ReadonlyMap<string, number>;
  /** Requests that found no hub in time, or were refused for good: what a user would see. */
  readonly failed: readonly string[];
  /** How often a request had to be asked again. */
  readonly retries: number;
  /** The longest time between two acknowledgements of one writer, ms. */
  readonly longestGapMs: number;
  /** Forgets the gaps that have ended. */
  resetGap(): void;
  stop(): Promise<void>;
}

export interface PatientOptions {
  readonly hubs: () => readonly ClusterHub[];
  readonly token: string;
  readonly writers?: number;
  /** Between writes of one writer. */
  readonly everyMs?: number;
  readonly deadlineMs?: number;
}

const PAUSE_MS = 5;

export function startPatientClient(options: PatientOptions): PatientClient {
  const { hubs, token, writers = 4, everyMs = 5, deadlineMs = 10_000 } = options;
  const acked = new Map<string, number>();
  const failed: string[] = [];
  let [retries, longestGapMs] = [0, 0];
  const stopped = new AbortController();

  /** Undefined when the hub cannot be reached. */
  async function ask(hub: ClusterHub, key: string, value: number): Promise<Response | undefined> {
    return fetch(`${hub.url}/api/flags/${key}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ value }),
      signal: AbortSignal.timeout(deadlineMs),
    }).catch(() => undefined);
  }

  async function put(key: string, value: number, first: number): Promise<void> {
    const untilMs = performance.now() + deadlineMs;
    let last = "no hub could be reached";
    for (let turn = first; performance.now() < untilMs; turn += 1) {
      const all = hubs();
      const hub = all[turn % all.length];
      const reply = hub === undefined ? undefined : await ask(hub, key, value);
      if (reply?.status === 200) {
        await reply.text();
        acked.set(key, value);
        return;
      }
      if (reply !== undefined) {
        last = `${hub?.id} ${reply.status} ${await reply.text()}`;
        if (reply.status !== 503) break;
      }
      retries += 1;
      await pause(PAUSE_MS);
    }
    failed.push(`${key}: ${last}`);
  }

  async function write(writer: number): Promise<void> {
    let lastMs = performance.now();
    for (let count = 0; !stopped.signal.aborted; count += 1) {
      await put(`w${writer}.${count}`, count, writer + count);
      const nowMs = performance.now();
      longestGapMs = Math.max(longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
      await pause(everyMs);
    }
  }

  const running = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return {
    acked,
    failed,
    get retries() {
      return retries;
    },
    get longestGapMs() {
      return longestGapMs;
    },
    resetGap() {
      longestGapMs = 0;
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What is acknowledged and not there, as one hub sees it; empty is right. */
export async function lostAt(
  hub: ClusterHub,
  acked: ReadonlyMap<string, number>,
): Promise<readonly string[]> {
  const wanted = [...acked]; // what is acknowledged from now on is not asked for
  const { body } = await hub.api("GET", "/api/flags?consistency=linearizable");
  const found = new Map<string, unknown>(
    body.flags.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
  );
  return wanted.flatMap(([key, value]) => (found.get(key) === value ? [] : [key]));
}
