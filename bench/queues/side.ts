// One side of the queue measurement, in a process of its own: `producer` or `worker` of one system.
// Started by bench/queues.ts; speaks to it over IPC.

import { createRequire } from "node:module";
import { join } from "node:path";
import { openClient, type Enrolled } from "../../tests/support/enrol.ts";

export const QUEUE = "bench";
export const IN_FLIGHT = 500;
const WORKER_CONCURRENCY = 500;

export type Reach =
  | { readonly kind: "gantry"; readonly enrolled: Enrolled; readonly token: string }
  | { readonly kind: "bullmq"; readonly port: number; readonly folder: string };

export type Order =
  | { readonly type: "many"; readonly count: number }
  | { readonly type: "single"; readonly count: number };

/** ms since 1970 with fractions: the same for all processes of a machine. */
const nowMs = (): number => performance.timeOrigin + performance.now();

interface Producer {
  add(data: string): Promise<string>;
  /** Says each end of a job, with what its handler gave back. */
  onEnd(heard: (job: string, result: unknown) => void): Promise<void>;
  close(): Promise<void>;
}

async function openProducer(reach: Reach): Promise<Producer> {
  if (reach.kind === "gantry") {
    const client = openClient(reach.enrolled, { token: reach.token });
    const stop = new AbortController();
    await client.get("warm-up", "leader");
    return {
      add: (data) => client.queues.add(QUEUE, { data }),
      onEnd: (heard) =>
        client.queues.ended(
          QUEUE,
          (ends) => {
            for (const { job, result } of ends) heard(job, result);
          },
          stop.signal,
        ),
      async close() {
        stop.abort();
        await client.close();
      },
    };
  }
  const { Queue, QueueEvents } = bullmqOf(reach);
  const connection = { host: "127.0.0.1", port: reach.port };
  // Its stream of events forgets what is older than 10,000 by default: a slow reader would miss ends.
  const queue = new Queue(QUEUE, { connection, streams: { events: { maxLen: 1_000_000 } } });
  const events = new QueueEvents(QUEUE, { connection });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  return {
    add: async (data) => String((await queue.add("job", { data }, { removeOnComplete: true })).id),
    async onEnd(heard) {
      events.on("completed", ({ jobId, returnvalue }) => heard(jobId, returnvalue));
    },
    async close() {
      await Promise.all([queue.close(), events.close()]);
    },
  };
}

/** Hands back when each job began; `onDone` after its end is recorded. */
async function work(reach: Reach): Promise<void> {
  if (reach.kind === "gantry") {
    const client = openClient(reach.enrolled, { token: reach.token });
    const { signal } = new AbortController();
    await client.get("warm-up", "leader");
    void client.queues.work(QUEUE, { credit: WORKER_CONCURRENCY, signal }, () => nowMs());
    return;
  }
  const { Worker } = bullmqOf(reach);
  const connection = { host: "127.0.0.1", port: reach.port, maxRetriesPerRequest: null };
  const worker = new Worker(QUEUE, async () => nowMs(), {
    connection,
    concurrency: WORKER_CONCURRENCY,
    removeOnComplete: { count: 0 },
  });
  await worker.waitUntilReady();
}

// bullmq is no dependency of the product: it is loaded from the folder that the caller names.
interface BullMq {
  readonly Queue: new (
    name: string,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
    add(name: string, data: object, options: object): Promise<{ readonly id?: string }>;
    close(): Promise<void>;
  };
  readonly QueueEvents: new (
    name: string,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
    on(
      event: "completed",
      heard: (ended: { readonly jobId: string; readonly returnvalue: unknown }) => void,
    ): void;
    close(): Promise<void>;
  };
  readonly Worker: new (
    name: string,
    handle: () => Promise<unknown>,
    options: object,
  ) => {
    waitUntilReady(): Promise<unknown>;
  };
}

const bullmqOf = ({ folder }: { readonly folder: string }): BullMq =>
  createRequire(join(folder, "package.json"))("bullmq") as BullMq; // its own declarations are not here

const IGNORE = (): void => {};
const DATA = "x".repeat(256);

async function produce(reach: Reach): Promise<void> {
  const producer = await openProducer(reach);
  let heard: (job: string, result: unknown) => void = IGNORE;
  await producer.onEnd((job, result) => heard(job, result));

  /** From the first add to the last end; jobs a second. */
  async function many(count: number): Promise<object> {
    let ended = 0;
    const over = Promise.withResolvers<void>();
    heard = () => {
      ended += 1;
      if (ended === count) over.resolve();
    };
    const fromMs = nowMs();
    let next = 0;
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (next < count) {
          next += 1;
          await producer.add(DATA);
        }
      }),
    );
    const addedMs = nowMs();
    await over.promise;
    const endMs = nowMs();
    return {
      addPerS: (count * 1_000) / (addedMs - fromMs),
      endToEndPerS: (count * 1_000) / (endMs - fromMs),
    };
  }

  /** One at a time: ms to its handler, and to the news of its end. */
  async function single(count: number): Promise<object> {
    const toHandler: number[] = [];
    const toEnd: number[] = [];
    for (let round = 0; round < count; round += 1) {
      const over = Promise.withResolvers<number>();
      heard = (_job, result) => over.resolve(Number(result));
      const fromMs = nowMs();
      await producer.add(DATA);
      const handledMs = await over.promise;
      toEnd.push(nowMs() - fromMs);
      toHandler.push(handledMs - fromMs);
    }
    return { toHandler, toEnd };
  }

  process.on("message", (order: Order) => {
    const done = order.type === "many" ? many(order.count) : single(order.count);
    void done.then((report) => process.send?.({ type: "report", report }));
  });
}

if (import.meta.main) {
  const [role, json = ""] = process.argv.slice(2);
  const reach = JSON.parse(json) as Reach; // of bench/queues.ts
  await (role === "worker" ? work(reach) : produce(reach));
  process.send?.({ type: "ready" });
}
