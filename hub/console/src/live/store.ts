// The console's one store: a value, a way to change it, and who wants to know.

import { useEffect, useState } from "preact/hooks";
import type { Cache } from "../core/cache.ts";
import type { EventLine } from "../core/event-line.ts";
import type { Me, Problem } from "../core/views.ts";

export type Session =
  | { readonly kind: "checking" }
  | { readonly kind: "out" }
  | { readonly kind: "unreachable"; readonly problem: Problem }
  | { readonly kind: "in"; readonly me: Me };

/** Is the feed open? `sinceMs`: when the last byte of it came. */
export type Live = { readonly kind: "live" } | { readonly kind: "lost"; readonly sinceMs: number };

export interface Notice {
  readonly id: number;
  readonly tone: "good" | "bad";
  readonly text: string;
  readonly problem?: Problem;
}

export interface ConsoleState {
  readonly session: Session;
  readonly live: Live;
  readonly cache: Cache;
  /** The newest last; at most TAIL_MAX, the oldest is dropped. */
  readonly tail: readonly EventLine[];
  /** How often the hub said that events were lost. */
  readonly gaps: number;
  /** At most NOTICES_MAX, the oldest is dropped. */
  readonly notices: readonly Notice[];
}

export const TAIL_MAX = 500;
export const NOTICES_MAX = 4;

let state: ConsoleState = {
  session: { kind: "checking" },
  live: { kind: "lost", sinceMs: Date.now() },
  cache: new Map(),
  tail: [],
  gaps: 0,
  notices: [],
};
const watchers = new Set<() => void>();

export const read = (): ConsoleState => state;

export function change(members: Partial<ConsoleState>): void {
  state = { ...state, ...members };
  for (const watcher of watchers) watcher();
}

/** Draws the component again when what `select` gives is another value than before. */
export function useConsole<T>(select: (state: ConsoleState) => T): T {
  const [, redraw] = useState(0);
  const selected = select(state);
  useEffect(() => {
    let shown = selected;
    const watcher = (): void => {
      const now = select(state);
      if (Object.is(now, shown)) return;
      shown = now;
      redraw((times) => times + 1);
    };
    watchers.add(watcher);
    watcher(); // the state may have changed between drawing and this effect
    return () => void watchers.delete(watcher);
  });
  return selected;
}

let noticeId = 0;

/** Says something to the person; stays until it is closed. */
export function notify(tone: Notice["tone"], text: string, problem?: Problem): void {
  noticeId += 1;
  const notice = { id: noticeId, tone, text, ...(problem === undefined ? {} : { problem }) };
  change({ notices: [...state.notices, notice].slice(-NOTICES_MAX) });
}

export function closeNotice(id: number): void {
  change({ notices: state.notices.filter((notice) => notice.id !== id) });
}
