// The rows as they are at exactly one log entry, while the hub goes on.
//
// CP1. What is taken at an entry is taken in one turn of the loop: a view of the disk, and beside it
//      every change that is not certain to be on the disk yet. Together they are the rows.
// CP2. Reading them gives way to other work every few milliseconds.

import { setImmediate as nextTurn } from "node:timers/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Rows } from "../ledger/rows.ts";
import { startStateHash } from "../ledger/state-hash.ts";
import type { OrderedStore } from "../ports.ts";

/** All rows, hot and cold; the mark of the checkpoint is none. */
export const STATE_ROWS = { gte: "cold/", lt: "hot0" };
const SLICE_MS = 2;

export interface CapturedState {
  readonly index: number;
  /** Commands so far. */
  readonly position: number;
  /** Equal on all hubs at an equal index; 64 hex digits. */
  sha256(signal: AbortSignal): Promise<string>;
}

export interface Captures {
  /** Resolves when entry `index` was applied and nothing after it. Throws gone when that is past. */
  at(index: number, signal: AbortSignal): Promise<CapturedState>;
  /** After each entry. About 10 ns where nobody waits. */
  applied(): void;
  failAll(error: GantryError): void;
}

export interface CaptureParts {
  readonly rows: Rows;
  readonly ledgerStore: OrderedStore;
  readonly clock: Clock;
  readonly now: () => { readonly index: number; readonly position: number };
}

interface Waiting {
  readonly index: number;
  readonly resolve: (state: CapturedState) => void;
  readonly reject: (error: unknown) => void;
}

export function makeCaptures(parts: CaptureParts): Captures {
  let waiting: Waiting[] = [];

  /** CP1. */
  function take(): CapturedState {
    const { rows, ledgerStore, clock } = parts;
    const { index, position } = parts.now();
    const stored = ledgerStore.entries(STATE_ROWS);
    const changes = rows.unstored();
    return {
      index,
      position,
      sha256: (signal) => hashOf(stored, changes, clock, signal),
    };
  }

  return {
    at(index, signal) {
      const now = parts.now().index;
      if (now === index) return Promise.resolve(take());
      if (now > index)
        return Promise.reject(new GantryError("gone", `Entry ${index} is past: ${now} is applied`));
      if (signal.aborted) return Promise.reject(reasonOf(signal));
      return new Promise((resolve, reject) => {
        const each = { index, resolve, reject };
        waiting.push(each);
        signal.addEventListener(
          "abort",
          () => {
            waiting = waiting.filter((other) => other !== each);
            reject(reasonOf(signal));
          },
          { once: true },
        );
      });
    },
    applied() {
      if (waiting.length === 0) return;
      const { index } = parts.now();
      const due = waiting.filter((each) => each.index <= index);
      if (due.length === 0) return;
      waiting = waiting.filter((each) => each.index > index);
      for (const each of due) {
        // A snapshot of another hub may have jumped over it.
        if (each.index === index) each.resolve(take());
        else each.reject(new GantryError("gone", `Entry ${each.index} was jumped over`));
      }
    },
    failAll(error) {
      for (const { reject } of waiting) reject(error);
      waiting = [];
    },
  };
}

/** As the ordered store orders keys: a name may hold any letter. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The rows in key order: a change takes the place of what the disk has. CP2. */
async function hashOf(
  stored: AsyncIterable<readonly [key: string, value: Uint8Array]>,
  changes: ReadonlyMap<string, unknown>,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const hasher = startStateHash();
  const decoder = new TextDecoder();
  const keys = [...changes.keys()].toSorted(byBytes);
  let next = 0;
  let sliceEndMs = clock.monotonic() + SLICE_MS;
  const addChangesBefore = (key: string | undefined): void => {
    for (; next < keys.length; next += 1) {
      const changed = keys[next] ?? "";
      if (key !== undefined && byBytes(changed, key) >= 0) return;
      const row = changes.get(changed);
      // As the disk would give it back: without fields that are undefined.
      if (row !== undefined) hasher.add(changed, JSON.parse(JSON.stringify(row)));
    }
  };
  for await (const [key, value] of stored) {
    addChangesBefore(key);
    if (!changes.has(key)) hasher.add(key, JSON.parse(decoder.decode(value)));
    if (clock.monotonic() < sliceEndMs) continue;
    await nextTurn();
    signal.throwIfAborted();
    sliceEndMs = clock.monotonic() + SLICE_MS;
  }
  addChangesBefore(undefined);
  return hasher.hex();
}
