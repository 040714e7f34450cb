// Reading: a component names a path, this keeps its answer fresh while it is on the screen.
//
//   D1. One request per path at a time; a change meanwhile means one more after it.
//   D2. Changes within SETTLE_MS are read once: a burst of events is one request per path.
//   D3. However many events come, a path is read for them once in REST_MS at most.

import { useEffect } from "preact/hooks";
import { applyToCache } from "../core/cache.ts";
import { dueOf, waitMs } from "../core/pace.ts";
import type { Problem } from "../core/views.ts";
import { call, ProblemError } from "./api.ts";
import { change, read, useConsole } from "./store.ts";

export interface Resource<T> {
  /** Undefined until the first answer. */
  readonly value: T | undefined;
  /** Why the last reading failed; `value` is then the one before it. */
  readonly problem: Problem | undefined;
  readonly atMs: number;
}

const watched = new Map<string, number>();
const reading = new Map<string, { again: boolean }>();
/** When each was read last. */
const readAtMs = new Map<string, number>();
const stale = new Set<string>();
let settling: ReturnType<typeof setTimeout> | undefined;

/** `path` undefined reads nothing. */
export function useResource<T>(path: string | undefined): Resource<T> {
  const entry = useConsole(({ cache }) => (path === undefined ? undefined : cache.get(path)));
  useEffect(() => {
    if (path === undefined) return undefined;
    watched.set(path, (watched.get(path) ?? 0) + 1);
    if (watched.get(path) === 1) void fetchInto(path);
    return () => {
      const watchers = (watched.get(path) ?? 1) - 1;
      if (watchers === 0) forget(path);
      else watched.set(path, watchers);
    };
  }, [path]);
  // The value under a path is the reply of the route of that path.
  return { value: entry?.value as T | undefined, problem: entry?.problem, atMs: entry?.atMs ?? 0 };
}

function forget(path: string): void {
  watched.delete(path);
  readAtMs.delete(path);
  stale.delete(path);
}

/** Reads again what is on the screen and begins with one of these paths. */
export function refresh(prefixes: readonly string[]): void {
  for (const path of watched.keys()) {
    if (prefixes.some((prefix) => path.startsWith(prefix))) stale.add(path);
  }
  settle();
}

/** D2, D3. */
function settle(): void {
  if (stale.size === 0) return;
  settling ??= setTimeout(
    () => {
      settling = undefined;
      for (const path of dueOf(stale, readAtMs, Date.now())) {
        stale.delete(path);
        if (watched.has(path)) void fetchInto(path);
      }
      settle();
    },
    waitMs(stale, readAtMs, Date.now()),
  );
}

export const refreshAll = (): void => refresh(["/api/"]);

async function fetchInto(path: string): Promise<void> {
  const running = reading.get(path);
  if (running !== undefined) {
    running.again = true;
    return;
  }
  const turn = { again: false };
  reading.set(path, turn);
  readAtMs.set(path, Date.now());
  try {
    const value = await call<unknown>(path);
    change({ cache: applyToCache(read().cache, { kind: "read", path, value, atMs: Date.now() }) });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { problem } = error;
    change({ cache: applyToCache(read().cache, { kind: "failed", path, problem }) });
  } finally {
    reading.delete(path);
  }
  if (turn.again && watched.has(path)) await fetchInto(path);
}
