// The feed: every event to everyone who watches. It never waits for a watcher and keeps nothing:
// history is read from the journal, live values from soft.ts.

import type { EventType, LedgerEvent, SoftEvent } from "@gantry/shared/contract/events.ts";
import type { FeedItem } from "../ports.ts";

type Watcher = (items: readonly FeedItem[]) => void;

export interface Feed {
  /** Events of one log entry, in order. */
  publish(events: readonly LedgerEvent[]): void;
  publishSoft(event: SoftEvent): void;
  /** With `types` only ledger events of these, and lapses; others are not even looked at for it. */
  watch(watcher: Watcher, signal: AbortSignal, types?: readonly EventType[]): void;
  /** The rows were replaced as a whole: who follows events must read everything anew. */
  lapse(): void;
  readonly watchers: number;
}

export function makeFeed(): Feed {
  const watchers = new Set<Watcher>(); // of everything
  const choosy = new Map<Watcher, ReadonlySet<EventType>>();
  const tell = (items: readonly FeedItem[]): void => {
    for (const watcher of watchers) watcher(items);
  };
  return {
    publish(events) {
      if (watchers.size > 0) tell(groupByCommand(events));
      for (const [watcher, types] of choosy) {
        const chosen = events.filter(({ type }) => types.has(type));
        if (chosen.length > 0) watcher(groupByCommand(chosen));
      }
    },
    publishSoft(event) {
      if (watchers.size > 0) tell([{ kind: "soft", event }]);
    },
    lapse() {
      tell([{ kind: "lapse" }]);
      for (const watcher of choosy.keys()) watcher([{ kind: "lapse" }]);
    },
    watch(watcher, signal, types) {
      if (signal.aborted) return;
      if (types === undefined) watchers.add(watcher);
      else choosy.set(watcher, new Set(types));
      const leave = (): void => void (watchers.delete(watcher) || choosy.delete(watcher));
      signal.addEventListener("abort", leave, { once: true });
    },
    get watchers() {
      return watchers.size + choosy.size;
    },
  };
}

/** All events of one command are one item: a reader resumes after whole commands only. */
export function groupByCommand(events: readonly LedgerEvent[]): FeedItem[] {
  const items: { kind: "ledger"; id: number; events: LedgerEvent[] }[] = [];
  for (const event of events) {
    const last = items.at(-1);
    if (last?.id === event.id) last.events.push(event);
    else items.push({ kind: "ledger", id: event.id, events: [event] });
  }
  return items;
}
