// What can be watched in the registry, and what a watcher is told. A revision is a log position.
//
// WK1. Everything a watcher of one kind is shown changes only together with an event of its types.
// WK2. `delta` messages of one watch have growing revisions. After `compacted` comes a whole snapshot,
//      in one or more messages, then deltas again: what a watcher has put together from it is the
//      registry as it is.
// WK3. A key may be said to be `gone` that this watcher never had.

import type { EventType } from "./events.ts";

export const WATCH_KINDS = ["node", "device", "hub", "lock", "flag"] as const;
export type WatchKind = (typeof WATCH_KINDS)[number];

/** WK1. */
export const WATCHED_EVENTS: Partial<Readonly<Record<EventType, WatchKind>>> = {
  "node.enrolled": "node",
  "node.registered": "node",
  "node.state": "node",
  "device.changed": "device",
  "hub.changed": "hub",
  "lock.changed": "lock",
  "flag.changed": "flag",
};

/** `KIND/ID`, e.g. `node/node_01...`, `flag/printer.auto`. */
export type WatchKey = `${WatchKind}/${string}`;

export interface WatchItem {
  readonly key: WatchKey;
  readonly value: unknown;
}
export type WatchChange = WatchItem | { readonly key: WatchKey; readonly gone: true };

export type WatchMessage =
  /** What was watched before is void. `isLast`: the snapshot is whole. */
  | {
      readonly type: "snapshot";
      readonly revision: number;
      readonly items: readonly WatchItem[];
      readonly isFirst: boolean;
      readonly isLast: boolean;
    }
  | { readonly type: "delta"; readonly revision: number; readonly changes: readonly WatchChange[] }
  /** Changes since `since` are no longer kept: a snapshot follows. */
  | { readonly type: "compacted"; readonly since: number; readonly revision: number }
  /** Nothing that is watched has changed up to here. */
  | { readonly type: "progress"; readonly revision: number };

export const WATCH_EVENTS = ["snapshot", "delta", "compacted", "progress", "error"] as const;
