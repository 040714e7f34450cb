// Reads that must see everything committed before they began. Callers that come while the core
// confirms one read share the next: one round of heartbeats serves them all.
//
// RD1. A caller is served only by a confirmation that was asked for after it came.
// RD2. A question or its answer may be lost between hubs: it is asked again under a new id, never
//      under the same one (etcd #20418).
// RD3. While no hub leads callers wait, each as long as its signal lets it.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";

interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface Reads {
  /** Resolves when the rows may be read. Rejects with the signal's reason. */
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
  let next: Caller[] = []; // for the round after this one
  let asked: Caller[] = [];
  let askedId = 0;
  let oldId = 0; // what was being asked at the last askAgain
  let nextId = 1;
  let confirmed: { readonly index: number; readonly callers: Caller[] }[] = []; // not applied so far

  /** RD1. */
  function ask(): void {
    if (asked.length > 0 || next.length === 0) return;
    asked = next;
    next = [];
    askedId = nextId;
    nextId += 1;
    if (read(askedId) !== "taken") keep();
  }

  /** RD3. */
  function keep(): void {
    next = [...asked, ...next];
    asked = [];
  }

  return {
    wait(signal) {
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          for (const list of [next, asked, ...confirmed.map(({ callers }) => callers)]) {
            const place = list.indexOf(caller);
            // An emptied round stays asked: its answer frees the next one.
            if (place !== -1) list[place] = NOBODY;
          }
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
        next.push(caller);
        ask();
      });
    },
    confirmed(id, index) {
      if (id !== askedId || asked.length === 0) return;
      if (index === undefined) return keep();
      confirmed.push({ index, callers: asked });
      asked = [];
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
      if (asked.length > 0 && oldId === askedId) keep(); // RD2
      oldId = askedId;
      ask();
    },
    failAll(fault) {
      const all = [...next, ...asked, ...confirmed.flatMap(({ callers }) => callers)];
      next = [];
      asked = [];
      confirmed = [];
      for (const { reject } of all) reject(fault);
    },
  };
}

const NOBODY: Caller = { resolve() {}, reject() {} };
