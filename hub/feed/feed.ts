// The feed: every event to everyone who watches. It never waits for a watcher and keeps nothing:
// history is read from the journal, live values from soft.ts.

import type { LedgerEvent, SoftEvent } from "@gantry/shared/contract/events.ts";
import type { FeedItem } from "../ports.ts";

type Watcher = (items: readonly FeedItem[]) => void;

export interface Feed {
  /** Events of one log entry, in order. */
  publish(events: readonly LedgerEvent[]): void;
  publishSoft(event: SoftEvent): void;
  watch(watcher: Watcher, signal: AbortSignal): void;
  /** The rows were replaced as a whole: who follows events must read everything anew. */
  lapse(): void;
  readonly watchers: number;
}

export function makeFeed(): Feed {
  const watchers = new Set<Watcher>();
  const tell = (items: readonly FeedItem[]): void => {
    for (const watcher of watchers) watcher(items);
  };
  return {
    publish(events) {
      if (watchers.size > 0) tell(groupByCommand(events));
    },
    publishSoft(event) {
      if (watchers.size > 0) tell([{ kind: "soft", event }]);
    },
    lapse: () => tell([{ kind: "lapse" }]),
    watch(watcher, signal) {
      if (signal.aborted) return;
      watchers.add(watcher);
      signal.addEventListener("abort", () => watchers.delete(watcher), { once: true });
    },
    get watchers() {
      return watchers.size;
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
