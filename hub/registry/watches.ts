// Watches of the registry: ordered changes by revision, out of the events of the ledger. Pure: events,
// rows and revisions come in; nobody is waited for and nothing is pushed.
//
// WA1. One ring of changes for all watchers. A watcher is a place in it; one that is left behind, by
//      the ring or by its own bound, is told `compacted` and gets a snapshot: never a silent loss.
// WA2. A snapshot is the rows as they are, at the revision of the last change taken in. Rows may be
//      newer: then the deltas that follow say the same again, and the sum is right.
// WA3. All changes of one log entry are one delta, at the revision of its last event; each key has the
//      value that it has at the end of the entry.
// WA4. A node that no longer matches the selector is `gone` for this watcher.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { labelsOf } from "@gantry/shared/contract/labels.ts";
import type { NodeRow } from "@gantry/shared/contract/rows.ts";
import { type Selector, selects } from "@gantry/shared/contract/selector.ts";
import {
  WATCH_KINDS,
  WATCHED_EVENTS,
  type WatchChange,
  type WatchItem,
  type WatchKey,
  type WatchKind,
  type WatchMessage,
} from "@gantry/shared/contract/watch-kinds.ts";
import type { Rows } from "../ledger/rows.ts";

const SNAPSHOT_ITEMS = 256; // in one message
const DELTA_CHANGES = 512; // in one answer

export interface WatchFilter {
  readonly kinds: ReadonlySet<WatchKind>;
  /** Of the key; empty for all. */
  readonly prefix: string;
  /** For nodes; other kinds are not asked. */
  readonly selector: Selector;
}

/** Everything where nothing is said; a selector alone watches nodes. */
export function watchFilter(given: {
  readonly kinds?: Iterable<WatchKind> | undefined;
  readonly prefix?: string | undefined;
  readonly selector?: Selector | undefined;
}): WatchFilter {
  const { prefix = "", selector = [] } = given;
  const all: readonly WatchKind[] = selector.length > 0 ? ["node"] : WATCH_KINDS;
  return { kinds: new Set(given.kinds ?? all), prefix, selector };
}

export interface Watcher {
  /** Revision up to which everything was told. */
  readonly revision: number;
  /** What is to be told now, in order; empty if nothing. */
  next(): readonly WatchMessage[];
  /** Says how far it has come though nothing that it watches has changed. */
  progress(): WatchMessage;
}

export interface WatchCore {
  /** Of the last change taken in. */
  readonly revision: number;
  /** Events of one log entry. */
  take(events: readonly LedgerEvent[]): void;
  /** The rows were replaced as a whole: all watchers get a snapshot. */
  reset(revision: number): void;
  /**
   * `since`: what the watcher has; 0 for nothing; `now` for no past at all. `isResumed`: it has had its
   * snapshot, be it at revision 0.
   */
  readonly open: (filter: WatchFilter, since: number | "now", isResumed?: boolean) => Watcher;
}

export interface WatchBounds {
  /** Changes kept for all. */
  readonly ringMax: number;
  /** Changes a watcher may be behind. */
  readonly lagMax: number;
}

const BOUNDS: WatchBounds = { ringMax: LIMIT.watchRing.max, lagMax: LIMIT.watchLag.max };

interface Delta {
  readonly revision: number;
  readonly changes: readonly Change[];
  /** Changes taken in before this delta. */
  readonly before: number;
}
/** `row`: only of nodes, for selectors. */
type Change = WatchChange & { readonly row?: NodeRow | undefined };

/** `revision`: the position up to which `rows` has come. */
export function makeWatchCore(
  rows: () => Rows,
  revision: number,
  bounds: WatchBounds = BOUNDS,
): WatchCore {
  let ring: Delta[] = [];
  let first = 0; // of `ring`: what lies before is dropped, and cut off now and then
  let taken = 0;
  let floor = revision; // every change after it is in the ring
  let last = revision;

  function take(events: readonly LedgerEvent[]): void {
    const tail = events.at(-1);
    if (tail === undefined) return;
    last = Math.max(last, tail.id);
    const keys = new Set<WatchKey>();
    for (const { type, subject } of events) {
      const kind = WATCHED_EVENTS[type];
      if (kind !== undefined) keys.add(`${kind}/${subject}`);
    }
    if (keys.size === 0) return;
    const changes = [...keys].map((key) => changeOf(rows(), key)); // WA3
    ring.push({ revision: last, changes, before: taken });
    taken += changes.length;
    drop();
  }

  function drop(): void {
    for (;;) {
      const oldest = ring[first];
      if (oldest === undefined || taken - oldest.before <= bounds.ringMax) break;
      floor = oldest.revision;
      first += 1;
    }
    if (first < 1_024 || first * 2 < ring.length) return;
    ring = ring.slice(first);
    first = 0;
  }

  /** Index of the first delta after `since`. */
  function after(since: number): number {
    let low = first;
    let high = ring.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((ring[middle]?.revision ?? Infinity) <= since) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function open(filter: WatchFilter, since: number | "now", isResumed = false): Watcher {
    let sent = since === "now" ? last : since;
    let wantsSnapshot = since === 0 && !isResumed;

    function next(): readonly WatchMessage[] {
      if (wantsSnapshot) return snapshot([]);
      const start = after(sent);
      const oldest = ring[start];
      const isLost =
        sent < floor || (oldest !== undefined && taken - oldest.before > bounds.lagMax);
      return isLost
        ? snapshot([{ type: "compacted", since: sent, revision: last }]) // WA1
        : deltas(start);
    }

    function snapshot(before: WatchMessage[]): readonly WatchMessage[] {
      wantsSnapshot = false;
      sent = last; // WA2
      return [...before, ...snapshotOf(rows(), filter, last)];
    }

    function deltas(start: number): readonly WatchMessage[] {
      const messages: WatchMessage[] = [];
      let count = 0;
      for (let place = start; place < ring.length && count < DELTA_CHANGES; place += 1) {
        const delta = ring[place];
        if (delta === undefined) break;
        sent = delta.revision;
        const changes = delta.changes.flatMap((change) => shownTo(filter, change));
        if (changes.length === 0) continue;
        count += changes.length;
        messages.push({ type: "delta", revision: delta.revision, changes });
      }
      return messages;
    }

    return {
      get revision() {
        return sent;
      },
      next,
      progress() {
        if (!wantsSnapshot && sent >= floor && after(sent) >= ring.length) {
          sent = Math.max(sent, last);
        }
        return { type: "progress", revision: sent };
      },
    };
  }

  return {
    get revision() {
      return last;
    },
    take,
    reset(position) {
      ring = [];
      first = 0;
      floor = position;
      last = position;
    },
    open,
  };
}

// ── what is shown ───────────────────────────────────────────────────────────────────────────────

const keyParts = (key: WatchKey): readonly [WatchKind, string] => {
  const at = key.indexOf("/");
  return [key.slice(0, at) as WatchKind, key.slice(at + 1)]; // as WatchKey is built
};

function changeOf(rows: Rows, key: WatchKey): Change {
  const [kind, id] = keyParts(key);
  const value = valueOf(rows, kind, id);
  if (value === undefined) return { key, gone: true };
  return kind === "node" ? { key, value, row: rows.get("node", id) } : { key, value };
}

/** Only what changes together with an event (watch-kinds.ts WK1), and nothing secret. */
function valueOf(rows: Rows, kind: WatchKind, id: string): unknown {
  switch (kind) {
    case "node": {
      const row = rows.get("node", id);
      if (row === undefined) return undefined;
      const { name, bootId, state, labels, capabilities, enrolledAtMs, changedAtMs } = row;
      return { id, name, bootId, state, labels, capabilities, enrolledAtMs, changedAtMs };
    }
    case "device": {
      const row = rows.get("device", id);
      if (row === undefined) return undefined;
      const { token: _, ...shown } = row;
      return shown;
    }
    case "hub":
      return rows.get("hub", id);
    case "lock": {
      const row = rows.get("lock", id);
      if (row === undefined) return undefined;
      const { revision: _r, expiresAtMs: _e, remainingMs: _m, ticket: _t, ...shown } = row;
      return shown;
    }
    case "flag":
      return rows.get("flag", id);
  }
}

/** Nothing, the change, or that it is gone (WA4). */
function shownTo({ kinds, prefix, selector }: WatchFilter, change: Change): WatchChange[] {
  const { key } = change;
  const [kind] = keyParts(key);
  if (!kinds.has(kind) || !key.startsWith(prefix)) return [];
  if ("gone" in change) return [change];
  if (change.row !== undefined && !selects(selector, labelsOf(change.row))) {
    return [{ key, gone: true }];
  }
  return [{ key, value: change.value }];
}

/** Everything that this filter shows, by kind and id. */
export function shownItems(rows: Rows, filter: WatchFilter): WatchItem[] {
  const items: WatchItem[] = [];
  for (const kind of WATCH_KINDS) {
    if (!filter.kinds.has(kind)) continue;
    for (const id of [...rows.hot(kind).keys()].toSorted()) {
      for (const shown of shownTo(filter, changeOf(rows, `${kind}/${id}`))) {
        if ("value" in shown) items.push(shown);
      }
    }
  }
  return items;
}

function snapshotOf(rows: Rows, filter: WatchFilter, revision: number): WatchMessage[] {
  const items = shownItems(rows, filter);
  const messages: WatchMessage[] = [];
  for (let from = 0; from === 0 || from < items.length; from += SNAPSHOT_ITEMS) {
    messages.push({
      type: "snapshot",
      revision,
      items: items.slice(from, from + SNAPSHOT_ITEMS),
      isFirst: from === 0,
      isLast: from + SNAPSHOT_ITEMS >= items.length,
    });
  }
  return messages;
}
