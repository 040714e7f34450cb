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
import { roughChars } from "../workflow/json-size.ts";

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
  readonly group: Group | undefined;
}

/** Facts that somebody waits for together. */
interface Group {
  left: number;
  readonly done: () => void;
  readonly onRefused: (fact: RunFact, fault: GantryError) => void;
}

function settle({ fact, group }: Waiting, fault?: GantryError): void {
  if (group === undefined) return;
  if (fault !== undefined) group.onRefused(fact, fault);
  group.left -= 1;
  if (group.left === 0) group.done();
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

  function add(fact: RunFact, group: Group | undefined): void {
    if (signal.aborted) return;
    waiting.push({ fact, chars: charsOf(fact), group });
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
        for (const each of batch) settle(each);
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
      if (first !== undefined) settle(first, error);
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
      const done = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const group = { left: facts.length, done, onRefused };
      for (const fact of facts) add(fact, group);
    });
  }

  return {
    recordAll,
    push: (fact) => add(fact, undefined),
    async record(fact) {
      let refused: GantryError | undefined;
      await recordAll([fact], (_fact, fault) => void (refused = fault));
      if (refused !== undefined) throw refused;
    },
  };
}

/** Strings weigh too: a program's answer may be one long text. Numbers, names and ids are 64. */
const charsOf = (fact: RunFact): number => 64 + roughChars(fact[4]);
