// A nursery: background work belongs to somebody, ends with them, and never fails in silence.

import { GantryError } from "../base/errors.ts";

export interface Scope extends AsyncDisposable {
  /** Aborted when the scope is left. */
  readonly signal: AbortSignal;
  /** Starts a task. Its failure, unless it is our own abort, goes to `onFault` once. */
  start(name: string, task: (signal: AbortSignal) => Promise<void>): void;
  /** Aborts every task and waits for them all. Idempotent. */
  close(): Promise<void>;
}

export type OnFault = (name: string, error: unknown) => void;

export function makeScope(onFault: OnFault, parent?: AbortSignal): Scope {
  const controller = new AbortController();
  const signal =
    parent === undefined ? controller.signal : AbortSignal.any([controller.signal, parent]);
  const tasks = new Set<Promise<void>>();

  async function guard(name: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(signal);
    } catch (error) {
      if (!signal.aborted) onFault(name, error);
    }
  }

  const close = async (): Promise<void> => {
    controller.abort(new GantryError("cancelled", "The scope was left"));
    await Promise.all(tasks);
  };

  return {
    signal,
    start(name, task) {
      const running = guard(name, task).finally(() => tasks.delete(running));
      tasks.add(running);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
