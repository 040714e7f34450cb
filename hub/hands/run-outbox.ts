// Facts of runs on their way into the log: what comes in while one command is being synced goes into
// the next, so that a busy hub writes one command for hundreds of facts and an idle one waits for none.
//
// RO1. A fact stays here until the log has it. Told twice it changes nothing (RN2 of the ledger), so
//      whatever may or may not have been written is simply told again.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { RunFact } from "@gantry/shared/contract/run-commands.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { act, byHub, type Hub } from "../hub.ts";

const FACTS_MAX = 4_096;
const CHARS_MAX = 512_000;
const PAUSE_MS = 100;

export interface RunOutbox {
  push(fact: RunFact): void;
  /** Resolves when the log has it; rejects with the signal's reason. */
  record(fact: RunFact): Promise<void>;
}

interface Waiting {
  readonly fact: RunFact;
  readonly chars: number;
  readonly done: (() => void) | undefined;
}

/** `onFolded`: these facts have been applied. Works until the signal aborts. */
export function makeRunOutbox(
  hub: Hub,
  signal: AbortSignal,
  onFolded: (facts: readonly RunFact[]) => void,
): RunOutbox {
  let waiting: Waiting[] = [];
  let isSending = false;

  function add(fact: RunFact, done: (() => void) | undefined): void {
    if (signal.aborted) return;
    waiting.push({ fact, chars: charsOf(fact), done });
    if (isSending) return;
    isSending = true;
    queueMicrotask(() => void send());
  }

  /** As many as go into one command. */
  function next(): readonly Waiting[] {
    let chars = 0;
    let count = 0;
    for (const one of waiting) {
      if (count === FACTS_MAX || (count > 0 && chars + one.chars > CHARS_MAX)) break;
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
        onFolded(facts);
        for (const { done } of batch) done?.();
      } catch (error) {
        if (signal.aborted) break;
        waiting = [...batch, ...waiting]; // RO1
        hub.log.warn({ facts: facts.length, error: toErrorRecord(error) }, "facts of runs wait");
        await hub.clock.sleep(PAUSE_MS, signal).catch(() => {}); // aborted: the loop ends
      }
    }
    isSending = false;
  }

  return {
    push: (fact) => add(fact, undefined),
    record: (fact) =>
      new Promise((resolve, reject) => {
        const leave = (): void => reject(reasonOf(signal));
        if (signal.aborted) return leave();
        signal.addEventListener("abort", leave, { once: true });
        add(fact, () => {
          signal.removeEventListener("abort", leave);
          resolve();
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
