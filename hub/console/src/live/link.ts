// The tab's end of the feed: it turns signals into changes of the store.
//
//   L1. A stream that is new, or a `gap`, reads everything on the screen again: what was read before
//       may be older than the first event.
//   L2. Without shared workers (Chrome on Android) the tab has a feed of its own and gives it up while
//       it is hidden, so that forgotten tabs hold no connection.

import { applyToCache } from "../core/cache.ts";
import { feedEvent, stalePaths, type EventLine } from "../core/event-line.ts";
import { keepFeed, type FeedSignal } from "./feed.ts";
import { refresh, refreshAll } from "./resources.ts";
import { change, read, TAIL_MAX } from "./store.ts";

/** Listens until the returned function is called. */
export function joinFeed(): () => void {
  return typeof SharedWorker === "undefined" ? joinAlone() : joinShared();
}

function joinShared(): () => void {
  const { port } = new SharedWorker(new URL("./feed-worker.ts", import.meta.url), {
    type: "module",
    name: "gantry-feed",
  });
  const hello = (): void => port.postMessage("hello");
  const bye = (): void => port.postMessage("bye");
  port.addEventListener("message", ({ data }: MessageEvent<FeedSignal>) => onSignal(data));
  port.start();
  hello();
  // A page in the back-forward cache is not a tab that listens; it says hello when it is shown again.
  const onShow = (event: PageTransitionEvent): void => {
    if (event.persisted) hello();
  };
  addEventListener("pagehide", bye);
  addEventListener("pageshow", onShow);
  return () => {
    bye();
    removeEventListener("pagehide", bye);
    removeEventListener("pageshow", onShow);
    port.close();
  };
}

function joinAlone(): () => void {
  let control = new AbortController();
  const start = (): void => void keepFeed(onSignal, control.signal);
  const onVisibility = (): void => {
    control.abort();
    control = new AbortController();
    if (document.visibilityState === "visible") start();
    else change({ live: { kind: "lost", sinceMs: Date.now() } });
  };
  document.addEventListener("visibilitychange", onVisibility);
  start();
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    control.abort();
  };
}

function onSignal(signal: FeedSignal): void {
  switch (signal.kind) {
    case "live":
      change({ live: { kind: "live" } });
      if (signal.isNew) refreshAll(); // L1
      return;
    case "lost":
      change({ live: signal });
      return;
    case "denied":
      change({ session: { kind: "out" } });
      return;
    case "event":
      onEvent(signal.type, signal.id, signal.data);
  }
}

function onEvent(type: string, id: string | undefined, data: unknown): void {
  const event = feedEvent(type, id, data, Date.now());
  if (event === undefined) return;
  switch (event.kind) {
    case "gap":
      change({ gaps: read().gaps + 1 });
      refreshAll(); // L1
      return;
    case "soft":
      change({
        cache: applyToCache(read().cache, { ...event, atMs: Date.now() }),
      });
      return;
    case "ledger":
      remember(event.line);
      refresh(stalePaths(event.line.type, event.line.subject));
  }
}

function remember(line: EventLine): void {
  change({ tail: [...read().tail, line].slice(-TAIL_MAX) });
}
