// Work of named queues for programs: jobs are queued many in a call, worked on as they are pushed, and
// ended many in a call.
//
// QC1. A batch gathers while two are under way: at low load a call holds one job, under load hundreds.
// QC2. What runs goes on while its connection is lost; the next stream announces it (`holds`). An end is
//      sent until a hub has answered it.
// QC3. A job that is to be stopped hears it by its signal, at once; its end is then nobody's business.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  EndedWork,
  HeldWork,
  LeasedWork,
  RegistryOp,
  RegistryWork,
  WorkSpec,
} from "@gantry/shared/contract/registry-ops.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Exchange } from "./registry-exchange.ts";
import type { RegistryLink } from "./registry-link.ts";

export interface WorkToDo extends LeasedWork {
  /** Aborts when the job is cancelled or its lease is lost. */
  readonly signal: AbortSignal;
  /** Soft: shown to whoever asks, kept by nobody. */
  progress(progress: unknown): void;
  /** So much more time from now, ms. */
  extend(ms: number): void;
}

/** Throw it to say what becomes of a job; any other error is tried again by the queue's policy. */
export class WorkFailed extends Error {
  readonly isFinal: boolean;
  readonly pauseMs: number | undefined;
  /** `isFinal`: never again. `pauseMs`: its key (or else its queue) is left alone so long. */
  constructor(
    message: string,
    how: { readonly isFinal?: boolean; readonly pauseMs?: number } = {},
  ) {
    super(message);
    this.isFinal = how.isFinal ?? false;
    this.pauseMs = how.pauseMs;
  }
}

export interface QueueClient {
  /** Ids in the order of `jobs`; of those that an idempotency key knows, the first one's. All or none. */
  enqueue(queue: string, jobs: readonly WorkSpec[]): Promise<readonly string[]>;
  /** One job, in a call with others that are added meanwhile (QC1): refused together, too. */
  add(queue: string, job: WorkSpec): Promise<string>;
  /** Works until the signal aborts, and then ends what runs. `credit`: jobs at a time, 1 to 4,096. */
  work(
    queue: string,
    options: { readonly credit: number; readonly signal: AbortSignal },
    handle: (work: WorkToDo) => unknown,
  ): Promise<void>;
  /** Ends of jobs from now on, while a hub leads; a hub's change may swallow some. */
  ended(
    queue: string,
    onEnds: (ends: readonly EndedWork[]) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface QueueParts {
  readonly exchange: () => Exchange;
  /** A write that has its effect once (RK1). */
  readonly write: (op: RegistryOp) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface Queues extends QueueClient {
  take(work: RegistryWork): void;
  linkLost(link: RegistryLink): void;
}

const UNDER_WAY_MAX = 2;
const BATCH_MAX = 500;
const BATCH_BYTES = 262_144;
/** At most a second: a hub that says `busy` or has no leader is asked less and less often. */
const AGAIN = { firstMs: 20, factor: 2, maxMs: 1_000, jitter: 0.5 } as const;

export function makeQueues(parts: QueueParts): Queues {
  const { exchange, write, clock, log } = parts;
  const streams = new Map<
    number,
    { link: RegistryLink; take(work: RegistryWork): void; over(): void }
  >();
  const mint = makeMint(clock.now(), parts.random);

  const againMs = (failures: number): number => backoffMs(AGAIN, failures, parts.random);

  // ── adding ────────────────────────────────────────────────────────────────────────────────────

  async function enqueue(queue: string, jobs: readonly WorkSpec[]): Promise<readonly string[]> {
    const named = jobs.map((job) => (job.job === undefined ? { ...job, job: mint() } : job));
    const value = await write({ op: "enqueue", queue, jobs: named });
    return (value as { jobs: readonly string[] }).jobs; // hands/work-calls.ts
  }

  const adders = new Map<string, (job: WorkSpec) => Promise<string>>();

  function adderOf(queue: string): (job: WorkSpec) => Promise<string> {
    let adder = adders.get(queue);
    if (adder === undefined) {
      adder = gatherer(
        (jobs: readonly WorkSpec[]) => enqueue(queue, jobs),
        ({ data }) => charsOf(data),
      );
      adders.set(queue, adder);
    }
    return adder;
  }

  // ── streams ───────────────────────────────────────────────────────────────────────────────────

  /** Keeps a stream open until the signal aborts; `over` names when each of them is void. */
  async function keepOpen(
    op: () => RegistryOp,
    onWork: (work: RegistryWork) => void,
    signal: AbortSignal,
    onOpened: () => void = () => {},
  ): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const over = Promise.withResolvers<void>();
      let mine: number | undefined;
      const outcome = await exchange().call(op(), {
        onOpen(id, link) {
          mine = id;
          streams.set(id, { link, take: onWork, over: over.resolve });
        },
      });
      if ("fault" in outcome) {
        const { code } = outcome.fault;
        if (code === "stopping") return; // hubs that stop are left for others: this client is closed
        if (!WAITS.has(code)) throw outcome.fault;
        failures += 1;
        await clock.sleep(againMs(failures), signal).catch(() => {}); // aborted: the loop ends
        continue;
      }
      failures = 0;
      onOpened();
      const end = (): void => over.resolve();
      signal.addEventListener("abort", end, { once: true });
      if (!signal.aborted) await over.promise;
      signal.removeEventListener("abort", end);
      if (mine !== undefined && !signal.aborted) streams.delete(mine);
      if (mine !== undefined && signal.aborted) {
        await exchange().call({ op: "unwork", work: mine });
        streams.delete(mine);
      }
    }
  }

  /** QC2. */
  async function endAll(op: RegistryOp, count: number): Promise<readonly undefined[]> {
    for (let failures = 1; ; failures += 1) {
      const outcome = await exchange().call(op);
      if ("value" in outcome || outcome.fault.code === "stopping") break;
      // What no hub will ever take is in nobody's way: the leases run out, and the jobs are done again.
      if (!WAITS.has(outcome.fault.code) && !isRetryable(outcome.fault)) {
        log.error({ error: toErrorRecord(outcome.fault) }, "ends of work were refused");
        break;
      }
      await clock.sleep(againMs(failures), NEVER); // a closed client answers `stopping` to the next call
    }
    return Array.from({ length: count }, () => undefined);
  }

  async function work(
    queue: string,
    { credit, signal }: { readonly credit: number; readonly signal: AbortSignal },
    handle: (work: WorkToDo) => unknown,
  ): Promise<void> {
    const held = new Map<string, { readonly token: number; readonly abort: AbortController }>();
    const running = new Set<Promise<void>>();
    type End = HeldWork & { readonly result?: unknown };
    const finish = gatherer(
      (ends: readonly End[]) => endAll({ op: "finish", ends }, ends.length),
      ({ result }) => charsOf(result),
    );
    type Failure = Extract<RegistryOp, { op: "fail" }>["ends"][number];
    const fail = gatherer((ends: readonly Failure[]) => endAll({ op: "fail", ends }, ends.length));

    async function run(leased: LeasedWork, abort: AbortController): Promise<void> {
      const { job, token } = leased;
      const extend = (more: object): void =>
        void exchange().call({ op: "extend", jobs: [{ job, token, ...more }] });
      try {
        const result = await handle({
          ...leased,
          signal: abort.signal,
          progress: (progress) => extend({ progress }),
          extend: (ms) => extend({ ms }),
        });
        if (charsOf(result) > LIMIT.bodyBytes.max)
          throw new WorkFailed(`The result is over ${LIMIT.bodyBytes.max} bytes`, {
            isFinal: true,
          });
        if (!abort.signal.aborted)
          await finish({ job, token, ...(result === undefined ? {} : { result }) });
      } catch (error) {
        if (!abort.signal.aborted) await fail({ job, token, ...failureOf(error) });
      } finally {
        if (held.get(job)?.token === token) held.delete(job);
      }
    }

    function take({ jobs = [], stops = [] }: RegistryWork): void {
      for (const leased of jobs) {
        const { job, token } = leased;
        const before = held.get(job);
        if (before !== undefined && before.token >= token) continue;
        before?.abort.abort(lost());
        const abort = new AbortController();
        held.set(job, { token, abort });
        const one = run(leased, abort).finally(() => running.delete(one));
        running.add(one);
      }
      for (const { job, token } of stops) {
        const one = held.get(job);
        if (one?.token === token) one.abort.abort(new GantryError("cancelled", "It was cancelled")); // QC3
      }
    }

    const holds = (): HeldWork[] => [...held].map(([job, { token }]) => ({ job, token }));
    try {
      await keepOpen(() => ({ op: "work", queue, credit, holds: holds() }), take, signal);
    } finally {
      while (running.size > 0) await Promise.all(running);
    }
  }

  return {
    enqueue,
    add: (queue, job) => adderOf(queue)(job.job === undefined ? { ...job, job: mint() } : job),
    work,
    ended(queue, onEnds, signal) {
      const onWork = ({ ends = [] }: RegistryWork): void => {
        if (ends.length > 0) onEnds(ends);
      };
      return new Promise((resolve, reject) => {
        keepOpen(() => ({ op: "ended", queue }), onWork, signal, resolve).then(resolve, reject);
      });
    },
    take(news) {
      const stream = streams.get(news.id);
      stream?.take(news);
      if (news.isOver === true) stream?.over();
    },
    linkLost(link) {
      for (const [id, stream] of streams) {
        if (stream.link !== link) continue;
        streams.delete(id);
        stream.over();
      }
    },
  };
}

/** Of a call that opens a stream: the hub may say yes a little later. */
const WAITS: ReadonlySet<string> = new Set([
  "no_leader",
  "timeout",
  "outcome_unknown",
  "busy",
  "starting",
]);
const NEVER = new AbortController().signal;

/** QC1. `act` gives one value for each item, in their order. */
function gatherer<T, R>(
  act: (items: readonly T[]) => Promise<readonly R[]>,
  bytesOf: (item: T) => number = () => 0,
): (item: T) => Promise<R> {
  interface Waiting {
    readonly item: T;
    readonly bytes: number;
    readonly resolve: (value: R) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let underWay = 0;
  let isSoon = false;

  function soon(): void {
    if (isSoon || underWay >= UNDER_WAY_MAX || waiting.length === 0) return;
    isSoon = true;
    queueMicrotask(() => {
      isSoon = false;
      void send();
    });
  }

  function next(): readonly Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const one of waiting) {
      if (count > 0 && (count >= BATCH_MAX || bytes + one.bytes > BATCH_BYTES)) break;
      count += 1;
      bytes += one.bytes;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  }

  async function send(): Promise<void> {
    const batch = next();
    if (batch.length === 0) return;
    underWay += 1;
    soon();
    try {
      const values = await act(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, place) => resolve(values[place] as R)); // one for each
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      underWay -= 1;
      soon();
    }
  }

  return (item) => {
    if (waiting.length >= LIMIT.registryCalls.max) {
      return Promise.reject(new GantryError("busy", "Too many jobs wait to be sent"));
    }
    return new Promise((resolve, reject) => {
      waiting.push({ item, bytes: bytesOf(item), resolve, reject });
      soon();
    });
  };
}

const charsOf = (data: unknown): number =>
  typeof data === "string" ? data.length : (JSON.stringify(data)?.length ?? 0);

const lost = (): GantryError => new GantryError("interrupted", "The lease was lost");

function failureOf(error: unknown): {
  readonly error: ReturnType<typeof toErrorRecord>;
  readonly isFinal?: true;
  readonly pauseMs?: number;
} {
  if (error instanceof GantryError) {
    const { code, message } = error;
    return { error: { code, message: message.slice(0, MESSAGE_MAX) } };
  }
  const message = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_MAX);
  const { isFinal = false, pauseMs } = error instanceof WorkFailed ? error : {};
  return {
    error: { code: "command_failed", message },
    ...(isFinal ? { isFinal } : {}),
    ...(pauseMs === undefined ? {} : { pauseMs }),
  };
}
const MESSAGE_MAX = 500;

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const chars = (value: number, count: number): string => {
  let text = "";
  for (let rest = value, place = 0; place < count; place += 1) {
    text = `${ALPHABET[rest % 32]}${text}`;
    rest = Math.floor(rest / 32);
  }
  return text;
};

/** Ids as base/ids.ts has them, of which the last six characters count: one draw of chance for all. */
function makeMint(atMs: number, random: () => number): () => string {
  const draw = (): string =>
    Array.from({ length: 10 }, () => ALPHABET[Math.floor(random() * 32)]).join("");
  let head = `job_${chars(Math.floor(atMs), 10)}${draw()}`;
  let made = 0;
  return () => {
    made += 1;
    if (made >= 32 ** 6) {
      head = `job_${chars(Math.floor(atMs), 10)}${draw()}`;
      made = 1;
    }
    return head + chars(made, 6);
  };
}
