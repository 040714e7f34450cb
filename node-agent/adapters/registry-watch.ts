// Watches of a registry client: an async sequence that outlives connections and hubs.
//
// RW1. After a break it goes on at another hub from the last revision that was taken in. A snapshot that
//      was cut off is asked for anew, from its first message.
// RW2. A consumer that falls QUEUE_MAX messages behind loses its place in the stream, not its facts: what
//      it has not taken is let go, and the watch is opened again from what it had taken.

import type { RegistryNews } from "@gantry/shared/contract/registry-ops.ts";
import type { WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import type { Exchange } from "./registry-exchange.ts";
import type { RegistryLink } from "./registry-link.ts";

export interface WatchAsk {
  /** With commas: node, device, hub, lock, flag; all where left out. */
  readonly kinds?: string;
  /** Of the key, KIND/ID. */
  readonly prefix?: string;
  readonly selector?: string;
  /** What the caller has: 0 (default) for nothing, `now` for no past at all. */
  readonly since?: number | "now";
}

export interface Watches {
  readonly watch: (ask: WatchAsk, signal: AbortSignal) => AsyncIterable<WatchMessage>;
  take(news: RegistryNews): void;
  linkLost(link: RegistryLink): void;
  /** Opens what is not open. */
  look(): void;
  close(): void;
}

interface Watch {
  readonly ask: WatchAsk;
  id: number | undefined;
  link: RegistryLink | undefined;
  /** Up to which everything was handed to the consumer. */
  since: number | "now";
  /** Snapshots were handed over whole. */
  isResumed: boolean;
  queue: WatchMessage[];
  wake: (() => void) | undefined;
  fault: Error | undefined;
}

const QUEUE_MAX = 1_024;

export function makeWatches(exchange: () => Pick<Exchange, "post" | "onAnswer">): Watches {
  const all = new Set<Watch>();
  const byId = new Map<number, Watch>();
  const closed = new AbortController();

  function open(watch: Watch): void {
    const { since, isResumed, ask } = watch;
    const { since: _, ...filter } = ask;
    const at = exchange().post({ op: "watch", ...filter, since, isResumed });
    if (at === undefined) return;
    watch.id = at.id;
    watch.link = at.link;
    byId.set(at.id, watch);
    exchange().onAnswer(at.id, (outcome) => {
      if ("value" in outcome) {
        if (watch.since === "now") {
          watch.since = (outcome.value as { revision: number }).revision; // registry-calls.ts
          watch.isResumed = true;
        }
        return;
      }
      shut(watch);
      const { code } = outcome.fault;
      if (code !== "busy" && code !== "stopping") watch.fault = outcome.fault;
      watch.wake?.();
    });
  }

  function shut(watch: Watch): void {
    if (watch.id !== undefined) byId.delete(watch.id);
    watch.id = undefined;
    watch.link = undefined;
  }

  /** What was not handed over is asked for again. */
  function rewind(watch: Watch): void {
    shut(watch);
    watch.queue = [];
    if (!watch.isResumed && watch.since !== "now") watch.since = 0; // RW1
  }

  /** What the consumer has once it has this. */
  function handed(watch: Watch, message: WatchMessage): void {
    if (message.type === "compacted" || (message.type === "snapshot" && !message.isLast)) {
      watch.isResumed = false;
      watch.since = 0;
      return;
    }
    watch.isResumed = true;
    watch.since = message.revision;
  }

  async function* watch(ask: WatchAsk, signal: AbortSignal): AsyncGenerator<WatchMessage> {
    const since = ask.since ?? 0;
    const one: Watch = {
      ask,
      id: undefined,
      link: undefined,
      since,
      isResumed: since !== 0,
      queue: [],
      wake: undefined,
      fault: undefined,
    };
    all.add(one);
    const wakeUp = (): void => one.wake?.();
    signal.addEventListener("abort", wakeUp, { once: true });
    try {
      open(one);
      while (!signal.aborted && !closed.signal.aborted) {
        const batch = one.queue;
        one.queue = [];
        for (const message of batch) {
          handed(one, message);
          yield message;
          if (signal.aborted) return;
        }
        if (one.fault !== undefined) throw one.fault;
        if (one.queue.length > 0) continue;
        await new Promise<void>((resolve) => {
          one.wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener("abort", wakeUp);
      if (one.id !== undefined) exchange().post({ op: "unwatch", watch: one.id });
      shut(one);
      all.delete(one);
    }
  }

  return {
    watch,
    take({ id, messages }) {
      const one = byId.get(id);
      if (one === undefined) return;
      if (one.queue.length + messages.length > QUEUE_MAX && one.queue.length > 0) {
        exchange().post({ op: "unwatch", watch: id });
        rewind(one); // RW2
        return;
      }
      one.queue.push(...messages);
      one.wake?.();
    },
    linkLost(link) {
      // What waits in the queue is good; the rest is asked for when it has been taken.
      for (const one of all) if (one.link === link) shut(one);
    },
    look() {
      for (const one of all) {
        if (one.id === undefined && one.fault === undefined && one.queue.length === 0) open(one);
      }
    },
    close() {
      closed.abort();
      for (const one of all) one.wake?.();
    },
  };
}
