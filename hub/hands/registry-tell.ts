// Tells registry clients what they watch.
//
// RC4. A watcher whose queue is full keeps its place and what it was just to be told; when it has fallen
//      too far behind, registry/watches.ts gives it a snapshot. Nothing is lost in silence.
// RC5. A silent watch gets a mark of progress every TIMEOUT.watchProgressMs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { RegistryCall } from "@gantry/shared/contract/registry-ops.ts";
import { parseSelector } from "@gantry/shared/contract/selector.ts";
import { WATCH_KINDS, type WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import type { Hub } from "../hub.ts";
import type { RegistryClient } from "../ports.ts";
import { watchFilter, type Watcher } from "../registry/watches.ts";
import type { RegistryWatches } from "../registry/watching.ts";

type Say = Parameters<RegistryClient["open"]>[0];
type WatchCall = Extract<RegistryCall, { op: "watch" }>;

export interface OpenWatch {
  end(): void;
}

export interface RegistryTeller {
  /** Answers the call, and says what comes until the watch ends. Throws busy, bad_request. */
  open(call: WatchCall, say: Say): OpenWatch;
}

interface Watch {
  readonly watcher: Watcher;
  readonly id: number;
  readonly say: Say;
  /** RC4. */
  held: readonly WatchMessage[];
  saidMs: number;
}

const RETRY_FULL_MS = 10;
const PROGRESS_LOOK_MS = 1_000;

export function makeRegistryTeller(parts: {
  readonly hub: Hub;
  readonly watches: Pick<RegistryWatches, "open">;
  readonly signal: AbortSignal;
}): RegistryTeller {
  const { hub, signal } = parts;
  const { clock } = hub;
  const watches = new Set<Watch>();
  let isRetrying = false;

  function open(call: WatchCall, say: Say): OpenWatch {
    if (watches.size >= LIMIT.registryWatches.max) throw tooManyWatches();
    const { kinds, prefix, selector, since, isResumed } = call;
    const filter = watchFilter({
      kinds: kinds === undefined ? undefined : kindsOf(kinds),
      prefix,
      selector: selector === undefined ? undefined : parseSelector(selector),
    });
    const watcher = parts.watches.open(filter, since, isResumed);
    const value = { revision: watcher.revision };
    say([{ type: "registryAnswer", id: call.id, result: "ok", value }]);
    const watch: Watch = { watcher, id: call.id, say, held: [], saidMs: clock.monotonic() };
    watches.add(watch);
    tell(watch);
    return { end: () => void watches.delete(watch) };
  }

  /** False if it could not be told everything (RC4). */
  function tell(watch: Watch): boolean {
    for (;;) {
      const messages = watch.held.length > 0 ? watch.held : watch.watcher.next();
      if (messages.length === 0) return true;
      watch.held = messages;
      if (watch.say([{ type: "registryNews", id: watch.id, messages }]) !== "sent") return false;
      watch.held = [];
      watch.saidMs = clock.monotonic();
    }
  }

  function tellAll(): void {
    let isBehind = false;
    for (const watch of watches) isBehind = !tell(watch) || isBehind;
    if (!isBehind || isRetrying) return;
    isRetrying = true;
    void retry().catch(() => {}); // the hub ends
  }

  async function retry(): Promise<void> {
    await clock.sleep(RETRY_FULL_MS, signal);
    isRetrying = false;
    tellAll();
  }

  hub.feed.watch(() => {
    if (watches.size > 0) tellAll();
  }, signal);

  /** RC5. */
  async function showProgress(): Promise<void> {
    for (;;) {
      await clock.sleep(PROGRESS_LOOK_MS, signal);
      const nowMs = clock.monotonic();
      for (const watch of watches) {
        if (nowMs - watch.saidMs < TIMEOUT.watchProgressMs || watch.held.length > 0) continue;
        watch.saidMs = nowMs;
        const messages = [watch.watcher.progress()];
        watch.say([{ type: "registryNews", id: watch.id, messages }]);
      }
    }
  }
  void showProgress().catch(() => {}); // the hub ends

  return { open };
}

function kindsOf(text: string): (typeof WATCH_KINDS)[number][] {
  return text.split(",").map((name) => {
    const kind = WATCH_KINDS.find((known) => known === name.trim());
    if (kind !== undefined) return kind;
    const message = `"${name.slice(0, 40)}" is not one of ${WATCH_KINDS.join(", ")}`;
    throw new GantryError("bad_request", message);
  });
}

const tooManyWatches = (): GantryError =>
  new GantryError("busy", "Too many registry calls or watches are open", {
    details: { retryAfterS: 1 },
  });
