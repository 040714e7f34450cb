// Runs one local language model in a child process and shares its slots among requests.
//
// I1. At most `slots` requests run; at most LIMIT.answersWaiting wait, in order of arrival; one more
//     is refused with `busy`. A waiting request outlives a crash of the child, a running one does not.
// I2. One task owns the child: it alone spawns, kills and restarts it (RECONNECT, then BREAKER.openMs
//     after BREAKER.failuresToOpen failures in a row). A crash fails what was running with
//     `model_failed` and never touches the agent.
// I3. No message about a running request for `firstTokenMs` means that the child hangs: SIGKILL.
// I4. A file that is no model is never tried again; every request gets the same `model_invalid`.
// I5. Aborting a request ends it as `cancelled` with the text so far, and frees its slot.
// I6. This file must not import node-llama-cpp: the agent stays small (notes/inference).

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { BREAKER, LIMIT, RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import {
  type ForkLlama,
  hasGpuBuild,
  type LlamaChild,
  threadsForModel,
} from "../adapters/llama-process.ts";
import { type GenerateRequest, promptOf } from "./generate-request.ts";
import type {
  FromChild,
  Generation,
  GpuChoice,
  ModelFacts,
  PromptOptions,
} from "./llama-protocol.ts";
import { type JsonAnswer, makeJsonAnswers } from "./json-answer.ts";

export interface ModelOptions {
  readonly path: string;
  readonly name: string;
  /** Default 8; fewer are opened where the memory does not allow it. */
  readonly slots?: number;
  /** Per slot, default 4,096; cut to what the model was trained with. */
  readonly contextTokens?: number;
  /** Default: cores - 1, at least 1. */
  readonly threads?: number;
  /** Default: `auto` where a GPU build of llama.cpp is installed, otherwise the processor. */
  readonly gpu?: GpuChoice;
  /** How long a running request may be silent (I3). */
  readonly firstTokenMs?: number;
}

export interface ModelPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly fork: ForkLlama;
}

export type ModelState =
  | { readonly kind: "absent" }
  | { readonly kind: "loading"; readonly pid: number; readonly sinceMs: number }
  | { readonly kind: "ready"; readonly pid: number; readonly facts: ModelFacts }
  | { readonly kind: "draining"; readonly pid: number }
  | {
      readonly kind: "failed";
      readonly error: GantryError;
      readonly failures: number;
      /** Undefined: never by itself (I4). */
      readonly retryInMs: number | undefined;
    };

export interface Model extends AsyncDisposable {
  readonly name: string;
  readonly path: string;
  readonly state: ModelState;
  readonly running: number;
  readonly waiting: number;
  /** Facts once loaded. Throws the load's error: model_invalid, out_of_memory, model_failed. */
  ready(signal: AbortSignal): Promise<ModelFacts>;
  /**
   * Answers, telling `onChunk` the pieces as they come. Throws bad_request, busy, model_failed (the
   * child died or hung), model_invalid, out_of_memory, timeout, stopping. An abort does not throw (I5).
   */
  generate(
    request: GenerateRequest,
    onChunk: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Generation>;
  /** Refuses new requests, lets the running ones end for TIMEOUT.stopMs, then kills the child. */
  close(): Promise<void>;
}

const SLOTS_DEFAULT = 8;
const CONTEXT_TOKENS_DEFAULT = 4_096;
/** Compiled schemas kept; the least recently used is dropped. */
const SCHEMAS_MAX = 64;

interface Job {
  readonly id: number;
  readonly prompt: PromptOptions;
  readonly answer: JsonAnswer | undefined;
  readonly onChunk: (text: string) => void;
  readonly settled: AbortController;
  readonly startedMs: number;
  heardMs: number;
  isOverdue: boolean;
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the child at once and loads the model; waits until it is ready. Throws as `ready` does. */
export async function startModel(
  options: ModelOptions,
  ports: ModelPorts,
  signal: AbortSignal,
): Promise<Model> {
  const model = makeModel(options, ports);
  try {
    await model.ready(signal);
    return model;
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** A model that is loaded at its first use. The caller closes it. */
export function makeModel(options: ModelOptions, ports: ModelPorts): Model {
  const { clock, random, log } = ports;
  const firstTokenMs = options.firstTokenMs ?? TIMEOUT.firstTokenMs;
  const scope = makeScope((name, error) => log.error({ model: options.name, error }, name));
  const waiting: Job[] = [];
  const running = new Map<number, Job>();
  const observers = new Set<() => void>();
  let state: ModelState = { kind: "absent" };
  let child: LlamaChild | undefined;
  let isClosed = false;
  const jsonAnswer = makeJsonAnswers(SCHEMAS_MAX);
  let lastId = 0;
  let killReason: GantryError | undefined;

  function enter(next: ModelState): void {
    state = next;
    log.info({ model: options.name, state: next.kind }, "model");
    for (const observer of observers) observer();
  }

  /** Resolves when `isSo()` holds; looks again at every change of state and at every settled job. */
  function until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isSo() && !signal.aborted) return;
        observers.delete(look);
        signal.removeEventListener("abort", look);
        if (isSo()) resolve();
        else reject(cancelled());
      };
      observers.add(look);
      signal.addEventListener("abort", look);
      look();
    });
  }

  // --- the child (I2) ---

  function ensureStarted(): void {
    if (state.kind !== "absent") return;
    enter({ kind: "loading", pid: 0, sinceMs: clock.monotonic() });
    scope.start("supervise", supervise);
  }

  async function supervise(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const { error, hasServed } = await runChild(signal);
      if (signal.aborted) return;
      failures = hasServed ? 1 : failures + 1;
      const retryInMs = isRetryable(error) ? restartDelayMs(failures) : undefined;
      log.warn({ model: options.name, code: error.code, failures, retryInMs }, error.message);
      enter({ kind: "failed", error, failures, retryInMs });
      if (retryInMs === undefined) {
        rejectWaiting(error);
        return;
      }
      await clock.sleep(retryInMs, signal);
    }
  }

  const restartDelayMs = (failures: number): number =>
    failures >= BREAKER.failuresToOpen ? BREAKER.openMs : backoffMs(RECONNECT, failures, random);

  /** One life of the child: from fork to exit. */
  async function runChild(
    signal: AbortSignal,
  ): Promise<{ error: GantryError; hasServed: boolean }> {
    let loadError: GantryError | undefined;
    let hasServed = false;
    const loaded = new AbortController();
    killReason = undefined;
    const current = ports.fork((message) => {
      if (message.kind === "refused") {
        loadError = fromErrorRecord(message.error);
        current.kill();
      } else if (message.kind === "ready") {
        loaded.abort();
        enter({ kind: "ready", pid: current.pid, facts: message.facts });
        pump();
      } else {
        hasServed ||= message.kind === "done";
        receive(message);
      }
    });
    child = current;
    enter({ kind: "loading", pid: current.pid, sinceMs: clock.monotonic() });
    current.send({ kind: "load", options: loadOptions(options) });
    const onAbort = (): void => current.kill();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) current.kill();
    scope.start("watch loading", (signal) => watchLoading(loaded.signal, signal).catch(() => {}));
    const end = await current.ended;
    loaded.abort();
    signal.removeEventListener("abort", onAbort);
    const wasReady = state.kind === "ready";
    const error = killReason ?? loadError ?? endedError(options, end);
    child = undefined; // from here on pump() waits for the next child (I1)
    for (const job of running.values()) fail(job, runningError(options, error));
    if (!wasReady) rejectWaiting(error);
    return { error, hasServed };
  }

  /** Loading is bounded too: a disk that hangs must not leave requests waiting for ever. */
  async function watchLoading(loaded: AbortSignal, signal: AbortSignal): Promise<void> {
    await clock.sleep(TIMEOUT.answerMs, AbortSignal.any([signal, loaded]));
    kill(new GantryError("model_failed", `${options.path} took too long to load`));
  }

  function kill(reason: GantryError): void {
    killReason ??= reason;
    child?.kill();
  }

  // --- requests ---

  function pump(): void {
    const current = child;
    if (current === undefined) return;
    while (state.kind === "ready" && running.size < state.facts.slots) {
      const job = waiting.shift();
      if (job === undefined) return;
      job.heardMs = clock.monotonic();
      running.set(job.id, job);
      current.send({ kind: "generate", id: job.id, prompt: job.prompt });
    }
  }

  function receive(message: Extract<FromChild, { id: number }>): void {
    const job = running.get(message.id);
    if (job === undefined) return; // settled meanwhile: timed out
    job.heardMs = clock.monotonic();
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
    for (const observer of observers) observer();
  }

  function rejectWaiting(error: Error): void {
    for (const job of waiting.splice(0)) fail(job, error);
  }

  function abort(job: Job): void {
    if (running.has(job.id)) {
      child?.send({ kind: "cancel", id: job.id });
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
      const deadlineMs = job.isOverdue ? Infinity : job.startedMs + TIMEOUT.answerMs;
      const silentAtMs = running.has(job.id) ? job.heardMs + firstTokenMs : nowMs + firstTokenMs;
      if (nowMs >= silentAtMs) {
        kill(
          new GantryError("model_failed", `${options.name} gave no token for ${firstTokenMs} ms`),
        );
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

  async function generate(
    request: GenerateRequest,
    onChunk: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Generation> {
    const answer = request.jsonSchema === undefined ? undefined : jsonAnswer(request.jsonSchema);
    const prompt = promptOf(request, answer);
    if (isClosed) throw new GantryError("stopping", `${options.name} is being closed`);
    if (state.kind === "failed" && state.retryInMs === undefined) throw state.error;
    if (signal.aborted) return NOTHING;
    const isFull = waiting.length >= LIMIT.answersWaiting.max;
    if (isFull)
      throw new GantryError("busy", `${waiting.length} requests wait for ${options.name}`);
    ensureStarted();
    return new Promise((resolve, reject) => {
      const nowMs = clock.monotonic();
      const job: Job = {
        id: (lastId += 1),
        prompt,
        answer,
        onChunk,
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

  async function ready(signal: AbortSignal): Promise<ModelFacts> {
    if (isClosed) throw new GantryError("stopping", `${options.name} is being closed`);
    ensureStarted();
    await until(() => state.kind === "ready" || state.kind === "failed" || isClosed, signal);
    if (state.kind === "ready") return state.facts;
    throw state.kind === "failed" ? state.error : cancelled();
  }

  async function close(): Promise<void> {
    if (!isClosed) {
      isClosed = true;
      rejectWaiting(new GantryError("stopping", `${options.name} is being closed`));
      if (running.size > 0 && child !== undefined) {
        enter({ kind: "draining", pid: child.pid });
        await until(() => running.size === 0, clock.timeout(TIMEOUT.stopMs)).catch(() => {});
      }
    }
    await scope.close();
    for (const job of running.values()) fail(job, cancelled());
    if (state.kind !== "absent") enter({ kind: "absent" });
  }

  return {
    name: options.name,
    path: options.path,
    get state() {
      return state;
    },
    get running() {
      return running.size;
    },
    get waiting() {
      return waiting.length;
    },
    ready,
    generate,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What an aborted request gets that had not begun. */
const NOTHING: Generation = {
  text: "",
  finishReason: "cancelled",
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  firstTokenMs: 0,
  totalMs: 0,
};

const loadOptions = (options: ModelOptions) => ({
  path: options.path,
  slots: options.slots ?? SLOTS_DEFAULT,
  contextTokens: options.contextTokens ?? CONTEXT_TOKENS_DEFAULT,
  threads: options.threads ?? threadsForModel(),
  gpu: options.gpu ?? (hasGpuBuild() ? "auto" : false),
});

/** The child is gone without a word of its own. 137 and SIGKILL are what the OOM killer leaves. */
function endedError(
  options: ModelOptions,
  end: { code: number | null; signal: string | null; lastWords: string },
): GantryError {
  const how = end.signal === null ? `with exit code ${end.code}` : `by ${end.signal}`;
  const lines = end.lastWords.trim().split("\n");
  const words = (lines.findLast((line) => /error|fail|fatal/i.test(line)) ?? "").trim();
  const isMemory = /out of memory|heap limit|bad_alloc|failed to allocate/i.test(end.lastWords);
  return new GantryError(
    isMemory ? "out_of_memory" : "model_failed",
    `The process of ${options.name} ended ${how}${words === "" ? "" : `: ${words}`}`,
  );
}

/** What a running request is told: always something that a retry may mend. */
function runningError(options: ModelOptions, error: GantryError): GantryError {
  if (isRetryable(error)) return error;
  return new GantryError("model_failed", `${options.name} stopped in the middle`, { cause: error });
}

const overdue = (): GantryError =>
  new GantryError("timeout", `No whole answer within ${TIMEOUT.answerMs} ms`);

const cancelled = (): GantryError => new GantryError("cancelled", "The model is being closed");
