// One side of the measurement of runs, in a process of its own: `client` starts runs over HTTP and
// hears of their ends by the event stream; `executor` does their tasks over the registry client.
// Started by bench/runs.ts; speaks to it over IPC.

import { request } from "node:http";
import { openClient, type Enrolled } from "../../tests/support/enrol.ts";
import { type LeanConnection, openLean } from "./lean-http.ts";

export interface Reach {
  readonly url: string;
  readonly token: string;
  readonly enrolled: Enrolled;
  readonly queue: string;
}

export type Order =
  /** So many starts, one request each. */
  | { readonly type: "starts"; readonly path: string; readonly body: string; readonly count: number; readonly connections: number }
  /** So many starts in requests of `frame` lines. */
  | { readonly type: "batch"; readonly line: string; readonly count: number; readonly frame: number; readonly connections: number }
  /** Runs start one request each and as many are kept in flight, for a time; or each reply is an end (Restate). */
  | { readonly type: "closed"; readonly path: string; readonly body: string; readonly inFlight: number; readonly seconds: number; readonly isReplyEnd: boolean }
  /** Kept in flight through batches, for a time: it is the nodes that count. */
  | { readonly type: "flood"; readonly line: string; readonly inFlight: number; readonly seconds: number }
  /** Says yes to open approvals, so many. */
  | { readonly type: "approve"; readonly tickets: readonly string[]; readonly connections: number }
  /** Of an executor: what it has done since it began. */
  | { readonly type: "done" }; // prettier-ignore

export interface Report {
  readonly perS: number;
  readonly samples: readonly number[];
  /** Processor time of this process in that time, s. */
  readonly cpuS: number;
  readonly count: number;
}

const NDJSON = "application/x-ndjson";
const cpuS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function expect(status: number, body: string, wanted: readonly number[]): void {
  if (!wanted.includes(status)) throw new Error(`${status}: ${body.slice(0, 400)}`);
}

interface Ends {
  wait(run: string): Promise<void>;
  onEnd: (() => void) | undefined;
}

/** An end may be told before the reply that names the run. */
async function openEnds({ url, token }: Reach): Promise<Ends> {
  const early = new Set<string>();
  const waiting = new Map<string, () => void>();
  const ends: Ends = {
    onEnd: undefined,
    wait(run) {
      if (early.delete(run)) return Promise.resolve();
      return new Promise((resolve) => void waiting.set(run, resolve));
    },
  };
  const reply = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    request(`${url}/api/events?types=run.changed`, { headers }, resolve).on("error", reject).end();
  });
  let rest = "";
  reply.setEncoding("utf8");
  reply.on("close", () => process.exit(1)); // without it no end would be heard
  reply.on("data", (piece: string) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("event: gap")) throw new Error("the event stream has a gap");
      if (!line.startsWith("data: ")) continue;
      const { subject, data } = JSON.parse(line.slice(6)) as {
        subject?: string;
        data?: { state?: string; error?: unknown };
      };
      if (subject === undefined || data?.state === "running") continue;
      if (data?.state !== "done") throw new Error(`a run failed: ${line}`);
      if (ends.onEnd !== undefined) ends.onEnd();
      else if (waiting.has(subject)) {
        waiting.get(subject)?.();
        waiting.delete(subject);
      } else early.add(subject);
    }
  });
  return ends;
}

async function client(reach: Reach): Promise<(order: Order) => Promise<Report>> {
  let pool: LeanConnection[] = [];
  const ends = reach.queue === "" ? undefined : await openEnds(reach);
  const open = async (count: number): Promise<readonly LeanConnection[]> => {
    pool = pool.filter(({ isOpen }) => isOpen);
    while (pool.length < count) pool.push(await openLean(reach.url, reach.token));
    return pool.slice(0, count);
  };

  /** Each connection does one after the other, `count` in all. */
  async function all(
    count: number,
    connections: number,
    step: (connection: LeanConnection, place: number) => Promise<void>,
  ): Promise<Report> {
    const samples: number[] = [];
    const its = await open(connections);
    const [fromMs, fromCpuS] = [performance.now(), cpuS()];
    let next = 0;
    await Promise.all(
      its.map(async (connection) => {
        while (next < count) {
          const place = next;
          next += 1;
          const beganMs = performance.now();
          await step(connection, place);
          samples.push(performance.now() - beganMs);
        }
      }),
    );
    const perS = (count * 1_000) / (performance.now() - fromMs);
    return { perS, samples, cpuS: cpuS() - fromCpuS, count };
  }

  async function closed(order: Extract<Order, { type: "closed" }>): Promise<Report> {
    const { path, body, inFlight, seconds, isReplyEnd } = order;
    const samples: number[] = [];
    const its = await open(inFlight);
    const [fromMs, fromCpuS] = [performance.now(), cpuS()];
    const untilMs = fromMs + seconds * 1_000;
    await Promise.all(
      its.map(async (connection) => {
        while (performance.now() < untilMs) {
          const beganMs = performance.now();
          const reply = await connection.post(path, body);
          expect(reply.status, reply.body, [200, 202]);
          if (!isReplyEnd)
            await ends?.wait((JSON.parse(reply.body) as { run: { id: string } }).run.id);
          samples.push(performance.now() - beganMs);
        }
      }),
    );
    const perS = (samples.length * 1_000) / (performance.now() - fromMs);
    return { perS, samples, cpuS: cpuS() - fromCpuS, count: samples.length };
  }

  async function flood({
    line,
    inFlight,
    seconds,
  }: Extract<Order, { type: "flood" }>): Promise<Report> {
    if (ends === undefined) throw new Error("only runs of Gantry");
    const [connection] = await open(1);
    const [fromMs, fromCpuS] = [performance.now(), cpuS()];
    let missing = inFlight;
    let count = 0;
    let woken = Promise.withResolvers<void>();
    const isLive = (): boolean => begun > count;
    let begun = 0;
    ends.onEnd = () => {
      missing += 1;
      count += 1;
      woken.resolve();
    };
    while (performance.now() < fromMs + seconds * 1_000) {
      woken = Promise.withResolvers();
      if (missing === 0) {
        await woken.promise;
        continue;
      }
      const frame = Math.min(missing, 1_000);
      missing -= frame;
      begun += frame;
      const reply = await connection?.post("/api/runs:batch", line.repeat(frame), NDJSON);
      expect(reply?.status ?? 0, reply?.body ?? "", [202]);
    }
    const report = {
      perS: (count * 1_000) / (performance.now() - fromMs),
      samples: [],
      cpuS: cpuS() - fromCpuS,
      count,
    };
    while (isLive()) {
      woken = Promise.withResolvers();
      await woken.promise;
    }
    ends.onEnd = undefined;
    return report;
  }

  return async (order) => {
    switch (order.type) {
      case "starts":
        return all(order.count, order.connections, async (connection) => {
          const { status, body } = await connection.post(order.path, order.body);
          expect(status, body, [202]);
        });
      case "batch": {
        const lines = order.line.repeat(order.frame);
        const requests = Math.ceil(order.count / order.frame);
        const report = await all(requests, order.connections, async (connection) => {
          const { status, body } = await connection.post("/api/runs:batch", lines, NDJSON);
          expect(status, body, [202]);
          if (body.includes('"error"')) throw new Error(body.slice(0, 400));
        });
        return { ...report, perS: report.perS * order.frame, count: requests * order.frame };
      }
      case "closed":
        return closed(order);
      case "flood":
        return flood(order);
      case "approve": {
        const { tickets } = order;
        const said = JSON.stringify({ reason: "measured" });
        return all(tickets.length, order.connections, async (connection, place) => {
          const path = `/api/approvals/${tickets[place] ?? ""}/approve`;
          const { status, body } = await connection.post(path, said);
          expect(status, body, [200]);
        });
      }
      case "done":
        throw new Error("that is asked of an executor");
    }
  };
}

const CREDIT = 4_096;

async function executor(reach: Reach): Promise<(order: Order) => Promise<Report>> {
  const registry = openClient(reach.enrolled, { token: reach.token });
  const { signal } = new AbortController();
  await registry.get("warm-up", "leader");
  let count = 0;
  void registry.queues.work(reach.queue, { credit: CREDIT, signal }, () => {
    count += 1;
    return { ok: true };
  });
  return async () => ({ count, cpuS: cpuS(), perS: 0, samples: [] });
}

if (import.meta.main) {
  const [role, json = ""] = process.argv.slice(2);
  const reach = JSON.parse(json) as Reach; // of bench/runs.ts
  const serve = await (role === "executor" ? executor(reach) : client(reach));
  process.on("message", (order: Order) => {
    void serve(order).then((report) => process.send?.({ report }));
  });
  process.send?.({});
}
