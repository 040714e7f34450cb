// A shared worker: one feed for all tabs of this browser. Browsers open six connections to one
// HTTP/1.1 host, so a stream per tab would leave the seventh tab without an answer for ever.
//
//   W1. The feed is open while at least one tab listens, and closed after the last said `bye`.
//   W2. A tab that joins hears at once how the feed is.

import { keepFeed, type FeedSignal } from "./feed.ts";

const tabs = new Set<MessagePort>();
let running: AbortController | undefined;
let state: FeedSignal = { kind: "lost", sinceMs: Date.now() };

function deliver(signal: FeedSignal): void {
  if (signal.kind === "live") state = { kind: "live", isNew: false };
  else if (signal.kind !== "event") state = signal;
  for (const tab of tabs) tab.postMessage(signal);
}

function start(): void {
  if (running !== undefined) return;
  const control = new AbortController();
  running = control;
  void run(control);
}

async function run(control: AbortController): Promise<void> {
  await keepFeed(deliver, control.signal);
  if (running === control) running = undefined; // it was denied: the next tab starts another
}

function onMessage(tab: MessagePort, word: unknown): void {
  if (word === "hello") {
    tabs.add(tab);
    start();
    if (state.kind !== "denied") tab.postMessage(state);
    return;
  }
  tabs.delete(tab);
  if (tabs.size > 0) return;
  running?.abort();
  running = undefined;
  state = { kind: "lost", sinceMs: Date.now() };
}

addEventListener("connect", (event) => {
  // tsconfig.json has the types of pages, not of workers: a connect event carries the tab's port.
  const [tab] = (event as MessageEvent).ports;
  if (tab === undefined) return;
  tab.addEventListener("message", ({ data }) => onMessage(tab, data));
  tab.start();
});
