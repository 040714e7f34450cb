// Facts of runs on their way into the log: what comes in while one command is being synced goes into
// the next, so that a busy hub writes one command for hundreds of facts and an idle one waits for none.
//
// RO1. A fact stays here until the log has it. Told twice it changes nothing (RN2 of the ledger), so
//      whatever may or may not have been written is simply told again, with growing pauses.
// RO2. One fact that the log refuses holds up no other: a refused command is told again in halves, and
//      a fact that is refused alone is left out, with an error in the log of the hub. Its run still owes
//      what the fact was about, and says so at the next look.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { act, byHub, type Hub } from "../hub.ts";

const FACTS_MAX = 4_096;
const CHARS_MAX = 512_000;
const AGAIN = { firstMs: 100, factor: 2, maxMs: 5_000, jitter: 0.5 } as const;

export interface RunOutbox {
  push(fact: RunFact): void;
  /** Resolves when the log has it; rejects with the signal's reason, or with what RO2 refuses it for. */
  record(fact: RunFact): Promise<void>;
  /**
   * Resolves when the log has them all, but those that RO2 refuses: they are told to `onRefused`.
   * Rejects with the signal's reason.
   */
  recordAll(
    facts: readonly RunFact[],
    onRefused: (fact: RunFact, fault: GantryError) => void,
  ): Promise<void>;
}

interface Waiting {
  readonly fact: RunFact;
  readonly chars: number;
  readonly settle: ((fault?: GantryError) => void) | undefined;
}

/** `onFolded`: these facts have been applied. Works until the signal aborts. */
export function makeRunOutbox(
  hub: Hub,
  signal: AbortSignal,
  onFolded: (facts: readonly RunFact[]) => void,
): RunOutbox {
  let waiting: Waiting[] = [];
  let isSending = false;
  let failures = 0;
  /** Fewer while what is refused is looked for (RO2). */
  let factsMax = FACTS_MAX;

  function add(fact: RunFact, settle: Waiting["settle"]): void {
    if (signal.aborted) return;
    waiting.push({ fact, chars: charsOf(fact), settle });
    if (isSending) return;
    isSending = true;
    queueMicrotask(() => void send());
  }

  /** As many as go into one command. */
  function next(): readonly Waiting[] {
    let chars = 0;
    let count = 0;
    for (const one of waiting) {
      if (count === factsMax || (count > 0 && chars + one.chars > CHARS_MAX)) break;
      chars += one.chars;
      count += 1;
    }
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return taken;
  }

  async function send(): Promise<void> {
    while (waiting.length > 0 && !signal.aborted) {
      const batch = next();
      const facts = batch.map(({ fact }) => fact);
      try {
        await act(hub, { type: "runsAdvanced", facts }, byHub(hub), signal);
        failures = 0;
        factsMax = Math.min(FACTS_MAX, factsMax * 2);
        onFolded(facts);
        for (const { settle } of batch) settle?.();
      } catch (error) {
        if (signal.aborted) break;
        await putBack(batch, error);
      }
    }
    isSending = false;
  }

  async function putBack(batch: readonly Waiting[], error: unknown): Promise<void> {
    const [first] = batch;
    const record = toErrorRecord(error);
    const isRefused = error instanceof GantryError && "position" in error.details;
    if (isRefused && batch.length === 1) {
      hub.log.error({ fact: first?.fact.slice(0, 4), error: record }, "the log refuses a fact"); // RO2
      first?.settle?.(error);
      return;
    }
    waiting = [...batch, ...waiting]; // RO1
    if (isRefused) {
      factsMax = Math.ceil(batch.length / 2);
      return;
    }
    failures += 1;
    hub.log.warn({ facts: batch.length, error: record }, "facts of runs wait");
    const pauseMs = backoffMs(AGAIN, failures, hub.random);
    await hub.clock.sleep(pauseMs, signal).catch(() => {}); // aborted: the loop ends
  }

  function recordAll(
    facts: readonly RunFact[],
    onRefused: (fact: RunFact, fault: GantryError) => void,
  ): Promise<void> {
    if (facts.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(reasonOf(signal));
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave, { once: true });
      let left = facts.length;
      const settle = (fact: RunFact, fault?: GantryError): void => {
        if (fault !== undefined) onRefused(fact, fault);
        left -= 1;
        if (left > 0) return;
        signal.removeEventListener("abort", leave);
        resolve();
      };
      for (const fact of facts) add(fact, (fault) => settle(fact, fault));
    });
  }

  return {
    recordAll,
    push: (fact) => add(fact, undefined),
    record: (fact) =>
      new Promise((resolve, reject) => {
        const leave = (): void => reject(reasonOf(signal));
        if (signal.aborted) return leave();
        signal.addEventListener("abort", leave, { once: true });
        add(fact, (fault) => {
          signal.removeEventListener("abort", leave);
          if (fault === undefined) resolve();
          else reject(fault);
        });
      }),
  };
}

/** Strings weigh too: a program's answer may be one long text. Numbers, names and ids are 64. */
function charsOf(fact: RunFact): number {
  const last = fact[4];
  if (typeof last === "string") return 64 + last.length;
  return typeof last === "object" ? 64 + JSON.stringify(last).length : 64;
}
