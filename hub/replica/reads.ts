// Reads that must see everything committed before they began. Callers that come while the core
// confirms one read share the next: one round of heartbeats serves them all.
//
// RD1. A caller is served only by a confirmation that was asked for after it came.
// RD2. A question or its answer may be lost between hubs: it is asked again under a new id, never
//      under the same one (etcd #20418).
// RD3. While no hub leads callers wait, each as long as its signal lets it.
// RD4. Who has given up leaves no trace, and those who wait are bounded.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { tooManyReads } from "./faults.ts";

interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Round {
  readonly id: number;
  readonly callers: Set<Caller>;
}

export interface Reads {
  /** Resolves when the rows may be read. Rejects with busy (RD4) and the signal's reason. */
  wait(signal: AbortSignal): Promise<void>;
  /** The core's answer; `index` undefined: it was lost with the leader. */
  confirmed(id: number, index: number | undefined): void;
  applied(index: number): void;
  /** There may be a leader now. */
  ask(): void;
  /** One election time-out has passed: a question that was asked before the last call is asked again. */
  askAgain(): void;
  failAll(fault: GantryError): void;
}

/** `read` asks the core; it refuses when it cannot take a read now. */
export function makeReads(read: (id: number) => "taken" | "refused" | "full"): Reads {
  let next = new Set<Caller>(); // for the round after this one
  let asked: Round | undefined;
  let oldId = 0; // what was being asked at the last askAgain
  let lastId = 0;
  let confirmed: { readonly index: number; readonly callers: Set<Caller> }[] = []; // not applied so far

  /** RD1. */
  function ask(): void {
    if (asked !== undefined || next.size === 0) return;
    lastId += 1;
    asked = { id: lastId, callers: next };
    next = new Set();
    if (read(lastId) !== "taken") keep();
  }

  /** RD3. */
  function keep(): void {
    if (asked !== undefined) next = new Set([...asked.callers, ...next]);
    asked = undefined;
  }

  function forget(caller: Caller): void {
    next.delete(caller);
    asked?.callers.delete(caller); // an emptied round stays asked: its answer frees the next one
    for (const { callers } of confirmed) callers.delete(caller);
  }

  return {
    wait(signal) {
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      if (next.size >= LIMIT.readsWaiting.max) return Promise.reject(tooManyReads()); // RD4
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          forget(caller);
          reject(reasonOf(signal));
        };
        const caller: Caller = {
          resolve() {
            signal.removeEventListener("abort", onAbort);
            resolve();
          },
          reject(error) {
            signal.removeEventListener("abort", onAbort);
            reject(error);
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        next.add(caller);
        ask();
      });
    },
    confirmed(id, index) {
      if (asked?.id !== id) return;
      if (index === undefined) return keep();
      confirmed.push({ index, callers: asked.callers });
      asked = undefined;
      ask();
      return undefined;
    },
    applied(index) {
      if (confirmed.length === 0) return;
      const served = confirmed.filter((each) => each.index <= index);
      confirmed = confirmed.filter((each) => each.index > index);
      for (const { callers } of served) for (const { resolve } of callers) resolve();
    },
    ask,
    askAgain() {
      if (asked !== undefined && oldId === asked.id) keep(); // RD2
      oldId = asked?.id ?? 0;
      ask();
    },
    failAll(fault) {
      const all = [next, asked?.callers ?? [], ...confirmed.map(({ callers }) => callers)];
      next = new Set();
      asked = undefined;
      confirmed = [];
      for (const callers of all) for (const { reject } of callers) reject(fault);
    },
  };
}
