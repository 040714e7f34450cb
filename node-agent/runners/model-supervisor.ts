// The one owner of a model's child process: it alone spawns, kills and restarts it. Upholds I2 and I4
// (infer.ts); what the child is asked is not its business.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { fromErrorRecord, GantryError } from "@gantry/shared/base/errors.ts";
import { BREAKER, RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import { isRetryable } from "@gantry/shared/flow/attempt.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { Scope } from "@gantry/shared/flow/scope.ts";
import type { ChildEnd, ForkLlama, LlamaChild } from "../adapters/llama-process.ts";
import {
  type FromChild,
  isAboutMemory,
  type LoadOptions,
  type ModelFacts,
  type ToChild,
} from "./llama-protocol.ts";

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

/** What the child says about one request. */
export type AboutRequest = Extract<FromChild, { id: number }>;

export interface SupervisorEvents {
  onState(): void;
  onMessage(message: AboutRequest): void;
  /** The child is gone; `wasReady`: what waits may wait for the next one. */
  onEnded(error: GantryError, wasReady: boolean): void;
  /** It will not be tried again (I4). */
  onGivenUp(error: GantryError): void;
}

export interface Supervisor {
  readonly state: ModelState;
  /** How many requests the child can run now; 0 unless it is ready. */
  slots(): number;
  /** Starts the first child, once. */
  start(): void;
  send(message: ToChild): void;
  kill(reason: GantryError): void;
  /** The child will get nothing new. False if there is none. */
  drain(): boolean;
  /** After the scope was closed. */
  retire(): void;
}

/** The child lives in `scope`, and ends with it. */
export function makeSupervisor(
  name: string,
  load: LoadOptions,
  ports: ModelPorts,
  scope: Scope,
  events: SupervisorEvents,
): Supervisor {
  const { clock, random, log } = ports;
  let state: ModelState = { kind: "absent" };
  let child: LlamaChild | undefined;
  let killReason: GantryError | undefined;

  function enter(next: ModelState): void {
    state = next;
    log.info({ model: name, state: next.kind }, "model");
    events.onState();
  }

  async function supervise(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      const { error, hasServed } = await runChild(signal);
      if (signal.aborted) return;
      failures = hasServed ? 1 : failures + 1;
      const retryInMs = isRetryable(error) ? restartDelayMs(failures) : undefined;
      log.warn({ model: name, code: error.code, failures, retryInMs }, error.message);
      enter({ kind: "failed", error, failures, retryInMs });
      if (retryInMs === undefined) {
        events.onGivenUp(error);
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
      } else {
        hasServed ||= message.kind === "done";
        events.onMessage(message);
      }
    });
    child = current;
    enter({ kind: "loading", pid: current.pid, sinceMs: clock.monotonic() });
    current.send({ kind: "load", options: load });
    const onAbort = (): void => current.kill();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) current.kill();
    scope.start("watch loading", (signal) => watchLoading(loaded.signal, signal).catch(() => {}));
    const end = await current.ended;
    loaded.abort();
    signal.removeEventListener("abort", onAbort);
    const wasReady = state.kind === "ready";
    const error = killReason ?? loadError ?? endedError(name, end);
    child = undefined; // from here on slots() is 0 until the next one is ready (I1)
    events.onEnded(error, wasReady);
    return { error, hasServed };
  }

  /** Loading is bounded too: a disk that hangs must not leave requests waiting for ever. */
  async function watchLoading(loaded: AbortSignal, signal: AbortSignal): Promise<void> {
    await clock.sleep(TIMEOUT.answerMs, AbortSignal.any([signal, loaded]));
    kill(new GantryError("model_failed", `${load.path} took too long to load`));
  }

  function kill(reason: GantryError): void {
    killReason ??= reason;
    child?.kill();
  }

  return {
    get state() {
      return state;
    },
    slots() {
      const isWell = child !== undefined && killReason === undefined; // a dying one gets nothing new
      return isWell && state.kind === "ready" ? state.facts.slots : 0;
    },
    start() {
      if (state.kind !== "absent") return;
      enter({ kind: "loading", pid: 0, sinceMs: clock.monotonic() });
      scope.start("supervise", supervise);
    },
    send: (message) => void child?.send(message),
    kill,
    drain() {
      if (child === undefined) return false;
      enter({ kind: "draining", pid: child.pid });
      return true;
    },
    retire() {
      if (state.kind !== "absent") enter({ kind: "absent" });
    },
  };
}

/** The child is gone without a word of its own. 137 and SIGKILL are what the OOM killer leaves. */
function endedError(name: string, end: ChildEnd): GantryError {
  const how = end.signal === null ? `with exit code ${end.code}` : `by ${end.signal}`;
  const lines = end.lastWords.trim().split("\n");
  const said = lines.filter((line) => !/^\s*\d+: 0x/.test(line)); // a frame of V8's stack says nothing
  const words = (said.findLast((line) => /error|fail|fatal/i.test(line)) ?? "").trim();
  const isMemory = isAboutMemory(end.lastWords);
  return new GantryError(
    isMemory ? "out_of_memory" : "model_failed",
    `The process of ${name} ended ${how}${words === "" ? "" : `: ${words}`}`,
  );
}
