// The requests of one model: in order of arrival, some of them running. Upholds I1, I3 and I5
// (infer.ts).

import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { BoundAnswer } from "./bound-answer.ts";
import type { Generation, PromptOptions, ToChild } from "./llama-protocol.ts";
import type { AboutRequest } from "./model-supervisor.ts";

/** A request that was checked. */
export interface Asked {
  readonly prompt: PromptOptions;
  /** What the text must be, if it is bound to a schema. */
  readonly answer: BoundAnswer | undefined;
  readonly onChunk: (text: string) => void;
  /** Its reader's; left out: it reads all that comes. */
  readonly pace?: Pace;
}

export interface RequestQueue {
  readonly running: number;
  readonly waiting: number;
  /** Throws busy. */
  assertRoom(): void;
  /** Rejects as Model.generate does. An abort does not reject (I5). */
  add(asked: Asked, signal: AbortSignal): Promise<Generation>;
  receive(message: AboutRequest): void;
  /** Gives waiting requests to free slots. */
  pump(): void;
  failRunning(error: Error): void;
  failWaiting(error: Error): void;
}

export interface QueuePorts {
  readonly name: string;
  readonly clock: Clock;
  readonly scope: Scope;
  readonly firstTokenMs: number;
  /** How many may run now. */
  slots(): number;
  send(message: ToChild): void;
  /** I3 */
  kill(reason: GantryError): void;
  onSettled(): void;
}

interface Job extends Asked {
  readonly id: number;
  readonly settled: AbortController;
  readonly startedMs: number;
  heardMs: number;
  isOverdue: boolean;
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: Error) => void;
}

/** I3: a silence of so many times the usual one. */
const GAPS_MAX = 20;
const GAP_NEWEST = 0.1;

export function makeRequestQueue(ports: QueuePorts): RequestQueue {
  const { name, clock, scope, firstTokenMs } = ports;
  const waiting: Job[] = [];
  const running = new Map<number, Job>();
  let lastId = 0;
  let usualGapMs = 0; // between two pieces of an answer

  function add(asked: Asked, signal: AbortSignal): Promise<Generation> {
    return new Promise((resolve, reject) => {
      const nowMs = clock.monotonic();
      const job: Job = {
        ...asked,
        id: (lastId += 1),
        settled: new AbortController(),
        startedMs: nowMs,
        heardMs: nowMs,
        isOverdue: false,
        resolve,
        reject,
      };
      signal.addEventListener("abort", () => abort(job), { signal: job.settled.signal });
      waiting.push(job);
      scope.start("watch", (signal) => watch(job, signal));
      pump();
    });
  }

  function pump(): void {
    while (running.size < ports.slots()) {
      const job = waiting.shift();
      if (job === undefined) return;
      job.heardMs = clock.monotonic();
      running.set(job.id, job);
      ports.send({ kind: "generate", id: job.id, prompt: job.prompt });
      follow(job);
    }
  }

  /** The child waits as long as the reader does. */
  function follow({ id, pace, settled }: Job): void {
    if (pace === undefined) return;
    const tell = (isHeld: boolean): void => ports.send({ kind: "hold", id, isHeld });
    if (pace.isHeld) tell(true);
    pace.listen(tell, settled.signal);
  }

  function receive(message: AboutRequest): void {
    const job = running.get(message.id);
    if (job === undefined) return; // settled meanwhile: timed out
    const nowMs = clock.monotonic();
    const gapMs = nowMs - job.heardMs;
    if (message.kind === "chunk") usualGapMs += GAP_NEWEST * (gapMs - usualGapMs);
    job.heardMs = nowMs;
    switch (message.kind) {
      case "chunk":
        return job.onChunk(message.text);
      case "failed":
        return fail(job, fromErrorRecord(message.error));
      case "done":
        return finish(job, message.generation);
    }
  }

  function finish(job: Job, generation: Generation): void {
    if (job.isOverdue) return fail(job, overdue());
    const fault =
      generation.finishReason === "stop" ? job.answer?.faultIn(generation.text) : undefined;
    if (fault === undefined) settle(job, () => job.resolve(generation));
    else fail(job, new GantryError("model_failed", `The answer does not fit its schema: ${fault}`));
  }

  const fail = (job: Job, error: Error): void => settle(job, () => job.reject(error));

  function settle(job: Job, tell: () => void): void {
    running.delete(job.id);
    job.settled.abort();
    tell();
    pump();
    ports.onSettled();
  }

  function abort(job: Job): void {
    if (running.has(job.id)) {
      ports.send({ kind: "cancel", id: job.id });
      return;
    }
    const index = waiting.indexOf(job);
    if (index < 0) return;
    waiting.splice(index, 1);
    finish(job, NOTHING);
  }

  /** Upholds I3 and the deadline of one request until it is settled. */
  async function watch(job: Job, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, job.settled.signal]);
    while (!stop.aborted) {
      const nowMs = clock.monotonic();
      if (job.pace?.isHeld === true) job.heardMs = nowMs; // silent because it was asked to be
      const deadlineMs = job.isOverdue ? Infinity : job.startedMs + TIMEOUT.answerMs;
      const silentMs = Math.max(firstTokenMs, GAPS_MAX * usualGapMs); // a slow machine is not a dead one
      const silentAtMs = (running.has(job.id) ? job.heardMs : nowMs) + silentMs;
      if (nowMs >= silentAtMs) {
        ports.kill(new GantryError("model_failed", `${name} gave no token for ${silentMs} ms`));
        return;
      }
      if (nowMs >= deadlineMs) {
        job.isOverdue = true; // a running one keeps its slot until the child lets go of it
        abort(job);
      } else {
        await clock.sleep(Math.min(silentAtMs, deadlineMs) - nowMs, stop).catch(() => {});
      }
    }
  }

  return {
    get running() {
      return running.size;
    },
    get waiting() {
      return waiting.length;
    },
    assertRoom() {
      if (waiting.length < LIMIT.answersWaiting.max) return;
      throw new GantryError("busy", `${waiting.length} requests wait for ${name}`);
    },
    add,
    receive,
    pump,
    failRunning(error) {
      for (const job of running.values()) fail(job, error);
    },
    failWaiting(error) {
      for (const job of waiting.splice(0)) fail(job, error);
    },
  };
}

/** What an aborted request gets that had not begun. */
export const NOTHING: Generation = {
  text: "",
  finishReason: "cancelled",
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  firstTokenMs: 0,
  totalMs: 0,
};

const overdue = (): GantryError =>
  new GantryError("timeout", `No whole answer within ${TIMEOUT.answerMs} ms`);
