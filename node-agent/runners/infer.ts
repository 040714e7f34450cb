// Runs one local language model in a child process and shares its slots among requests.
//
// I1. At most `slots` requests run; at most LIMIT.answersWaiting wait, in order of arrival; one more
//     is refused with `busy`. A waiting request outlives a crash of the child, a running one does not.
// I2. One task owns the child: it alone spawns, kills and restarts it (RECONNECT, then BREAKER.openMs
//     after BREAKER.failuresToOpen failures in a row). A crash fails what was running with
//     `model_failed` and never touches the agent.
// I3. No message about a running request for `firstTokenMs`, or for twenty times as long as pieces usually
//     take if that is more, means that the child hangs: SIGKILL.
// I4. A file that is no model is never tried again; every request gets the same `model_invalid`.
// I5. Aborting a request ends it as `cancelled` with the text so far, and frees its slot.
// I6. Nothing here or in its parts (model-supervisor.ts, request-queue.ts) imports node-llama-cpp: the
//     agent stays small (notes/inference).
// I7. A child that says that memory could not be had, or twice in a row that llama.cpp failed, is replaced:
//     what failed once inside it fails again, and a new process has none of it.

import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { hasGpuBuild, threadsForModel } from "../adapters/llama-process.ts";
import { makeBoundAnswers } from "./bound-answer.ts";
import { type GenerateRequest, promptOf } from "./generate-request.ts";
import type { Generation, GpuChoice, LoadOptions, ModelFacts } from "./llama-protocol.ts";
import { makeSupervisor, type ModelPorts, type ModelState } from "./model-supervisor.ts";
import { makeRequestQueue, NOTHING } from "./request-queue.ts";

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
  /** Where what slots have read is kept for their conversations; left out: nowhere. */
  readonly parkFolder?: string;
  /** How long a running request may be silent (I3). */
  readonly firstTokenMs?: number;
}

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
    pace?: Pace,
  ): Promise<Generation>;
  /** Refuses new requests, lets the running ones end for TIMEOUT.stopMs, then kills the child. */
  close(): Promise<void>;
}

/** I7. */
const FAULTS_MAX = 2;
const SLOTS_DEFAULT = 8;
const CONTEXT_TOKENS_DEFAULT = 4_096;
/** Compiled schemas kept; the least recently used is dropped. */
const SCHEMAS_MAX = 64;

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
  const { name } = options;
  const { clock, log } = ports;
  const scope = makeScope((task, error) => log.error({ model: name, error }, task));
  const observers = new Set<() => void>();
  const boundAnswer = makeBoundAnswers(SCHEMAS_MAX);
  let isClosed = false;
  let faults = 0; // of the present child, since it last answered

  const supervisor = makeSupervisor(name, loadOptions(options), ports, scope, {
    onState() {
      queue.pump();
      notify();
    },
    onMessage(message) {
      if (message.kind === "failed") judge(fromErrorRecord(message.error));
      else if (message.kind === "done") faults = 0;
      queue.receive(message);
    },
    onEnded(error, wasReady) {
      faults = 0;
      queue.failRunning(runningError(name, error));
      if (!wasReady) queue.failWaiting(error);
    },
    onGivenUp: (error) => queue.failWaiting(error),
  });

  const queue = makeRequestQueue({
    name,
    clock,
    scope,
    firstTokenMs: options.firstTokenMs ?? TIMEOUT.firstTokenMs,
    slots: () => supervisor.slots(),
    send: (message) => supervisor.send(message),
    kill: (reason) => supervisor.kill(reason),
    onSettled: notify,
  });

  /** I7. Before the request hears of it: the next one must not go to the same child. */
  function judge(error: GantryError): void {
    if (error.code === "model_failed") faults += 1;
    if (error.code === "out_of_memory" || faults >= FAULTS_MAX) supervisor.kill(error);
  }

  function notify(): void {
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

  function assertOpen(): void {
    if (isClosed) throw closing(name);
  }

  async function generate(
    request: GenerateRequest,
    onChunk: (text: string) => void,
    signal: AbortSignal,
    pace?: Pace,
  ): Promise<Generation> {
    const answer = boundAnswer(request);
    const prompt = promptOf(request, answer);
    assertOpen();
    const { state } = supervisor;
    if (state.kind === "failed" && state.retryInMs === undefined) throw state.error; // I4
    if (signal.aborted) return NOTHING;
    queue.assertRoom(); // I1
    supervisor.start();
    return queue.add({ prompt, answer, onChunk, ...(pace === undefined ? {} : { pace }) }, signal);
  }

  async function ready(signal: AbortSignal): Promise<ModelFacts> {
    assertOpen();
    supervisor.start();
    await until(() => hasOutcome(supervisor.state) || isClosed, signal);
    const { state } = supervisor;
    if (state.kind === "ready") return state.facts;
    throw state.kind === "failed" ? state.error : cancelled();
  }

  async function close(): Promise<void> {
    if (!isClosed) {
      isClosed = true;
      queue.failWaiting(closing(name));
      if (queue.running > 0 && supervisor.drain()) {
        await until(() => queue.running === 0, clock.timeout(TIMEOUT.stopMs)).catch(() => {});
      }
    }
    await scope.close();
    queue.failRunning(cancelled());
    supervisor.retire();
  }

  return {
    name,
    path: options.path,
    get state() {
      return supervisor.state;
    },
    get running() {
      return queue.running;
    },
    get waiting() {
      return queue.waiting;
    },
    ready,
    generate,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const loadOptions = (options: ModelOptions): LoadOptions => ({
  path: options.path,
  slots: options.slots ?? SLOTS_DEFAULT,
  contextTokens: options.contextTokens ?? CONTEXT_TOKENS_DEFAULT,
  threads: options.threads ?? threadsForModel(),
  gpu: options.gpu ?? (hasGpuBuild() ? "auto" : false),
  ...(options.parkFolder === undefined ? {} : { parkFolder: options.parkFolder }),
});

/** What a running request is told: always something that a retry may mend. */
function runningError(name: string, error: GantryError): GantryError {
  if (isRetryable(error)) return error;
  return new GantryError("model_failed", `${name} stopped in the middle`, { cause: error });
}

const hasOutcome = ({ kind }: ModelState): boolean => kind === "ready" || kind === "failed";

const closing = (name: string): GantryError =>
  new GantryError("stopping", `${name} is being closed`);

const cancelled = (): GantryError => new GantryError("cancelled", "The model is being closed");
