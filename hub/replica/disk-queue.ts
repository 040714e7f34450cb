// Writes of the log in order: what was asked for while one is being synced goes out as one write
// after it (group commit without a timer).
//
// DQ1. `done` of a write comes only after it, and every write before it, is on the disk.
// DQ2. A write that fails is tried again until it succeeds: nothing overtakes it. The owner is told.
// DQ3. Other work on the log (`run`) takes its turn in the same queue.

import { type GantryError, toErrorRecord, fromErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Entry, HardState } from "../consensus/types.ts";
import type { LogStore } from "../ports.ts";

const RETRY_MS = 500;

export interface DiskWrite {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly isSync: boolean;
  /** Called in order of writing. */
  readonly done: () => void;
}

export interface DiskQueue {
  readonly isIdle: boolean;
  /** Monotonic ms since the write or work under way began; undefined when idle. */
  readonly busySinceMs: number | undefined;
  /** The last write failed and is being tried again. */
  readonly isFailing: boolean;
  push(write: DiskWrite): void;
  /** Runs after all writes before it; writes after it wait. Rejects with what `work` throws. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when the queue is empty, or when a write fails meanwhile. */
  settled(): Promise<void>;
}

export interface DiskQueueOptions {
  readonly logStore: LogStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** A write failed, for the first time or again; or (undefined) the disk takes writes again. */
  readonly onFault: (fault: GantryError | undefined, isNews: boolean) => void;
  /** A synced write took this long, ms. */
  readonly onSync?: ((tookMs: number) => void) | undefined;
}

type Job = DiskWrite | { readonly work: () => Promise<void> };

export function makeDiskQueue(options: DiskQueueOptions): DiskQueue {
  const { logStore, clock, signal, onFault } = options;
  let jobs: Job[] = [];
  let busySinceMs: number | undefined;
  let isFailing = false;
  let idleWaiters: (() => void)[] = [];

  function wakeWaiters(): void {
    for (const wake of idleWaiters) wake();
    idleWaiters = [];
  }

  async function drain(): Promise<void> {
    busySinceMs = clock.monotonic();
    while (jobs.length > 0) {
      const [first] = jobs;
      if (first !== undefined && "work" in first) {
        jobs.shift();
        await first.work();
      } else {
        const writes = takeWrites();
        await store(join(writes));
        for (const { done } of writes) done();
      }
      busySinceMs = clock.monotonic();
    }
    busySinceMs = undefined;
    wakeWaiters();
  }

  function takeWrites(): DiskWrite[] {
    const end = jobs.findIndex((job) => "work" in job);
    const count = end === -1 ? jobs.length : end;
    const taken = jobs.slice(0, count) as DiskWrite[]; // no work among them
    jobs = jobs.slice(count);
    return taken;
  }

  async function store(write: Omit<DiskWrite, "done">): Promise<void> {
    for (;;) {
      try {
        const fromMs = clock.monotonic();
        await logStore.append(write);
        if (write.isSync) options.onSync?.(clock.monotonic() - fromMs);
        if (isFailing) onFault(undefined, true);
        isFailing = false;
        return;
      } catch (error) {
        const isNews = !isFailing;
        isFailing = true;
        onFault(asStoreFault(error), isNews);
        wakeWaiters();
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  function start(): void {
    if (busySinceMs !== undefined) return;
    void drain().catch((error: unknown) => {
      if (signal.aborted) return wakeWaiters();
      // A bug: the process must not go on with a log that stands still.
      queueMicrotask(() => {
        throw error;
      });
    });
  }

  return {
    get isIdle() {
      return busySinceMs === undefined;
    },
    get busySinceMs() {
      return busySinceMs;
    },
    get isFailing() {
      return isFailing;
    },
    push(write) {
      jobs.push(write);
      start();
    },
    run(work) {
      return new Promise((resolve, reject) => {
        jobs.push({ work: () => work().then(resolve, reject) });
        start();
      });
    },
    settled: () =>
      busySinceMs === undefined || isFailing
        ? Promise.resolve()
        : new Promise((resolve) => idleWaiters.push(resolve)),
  };
}

/** Later writes replace the tail of earlier ones, as they would on the disk. */
function join(writes: readonly DiskWrite[]): Omit<DiskWrite, "done"> {
  const [only] = writes;
  if (writes.length === 1 && only !== undefined) return only;
  let entries: Entry[] = [];
  for (const write of writes) {
    const [first] = write.entries;
    if (first === undefined) continue;
    const tail = entries.at(-1);
    if (tail !== undefined && tail.index >= first.index) {
      entries = entries.filter(({ index }) => index < first.index);
    }
    entries.push(...write.entries);
  }
  return {
    hardState: writes.findLast(({ hardState }) => hardState !== undefined)?.hardState,
    entries,
    isSync: writes.some(({ isSync }) => isSync),
  };
}

/** disk_full or io_error. */
function asStoreFault(error: unknown): GantryError {
  const record = toErrorRecord(error);
  return record.code === "disk_full"
    ? fromErrorRecord(record)
    : fromErrorRecord({ code: "io_error", message: "The log cannot be written" });
}
