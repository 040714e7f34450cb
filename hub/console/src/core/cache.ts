// What the console has read from the hub, by path. A pure fold; live/resources.ts does the reading.
//
//   C1. A value once read stays visible until a newer one replaces it, also while it is read again
//       and when reading again fails.
//   C2. Telemetry changes only what is already there: it never makes a device or a print.
//   C3. At most ENTRIES_MAX entries; the one read longest ago goes first.

import type { SoftEvent } from "@gantry/shared/contract/events.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { DeviceList, PrintPage, Problem, Registry } from "./views.ts";

export interface Entry {
  readonly value?: unknown;
  readonly problem?: Problem;
  /** When `value` was read, ms since 1970; 0 before the first. */
  readonly atMs: number;
}

export type Cache = ReadonlyMap<string, Entry>;

export const ENTRIES_MAX = 100;

export type CacheChange =
  | { readonly kind: "read"; readonly path: string; readonly value: unknown; readonly atMs: number }
  | { readonly kind: "failed"; readonly path: string; readonly problem: Problem }
  | { readonly kind: "soft"; readonly event: SoftEvent; readonly atMs: number };

export function applyToCache(cache: Cache, change: CacheChange): Cache {
  switch (change.kind) {
    case "read":
      return withEntry(cache, change.path, { value: change.value, atMs: change.atMs });
    case "failed": {
      const before = cache.get(change.path) ?? { atMs: 0 };
      return withEntry(cache, change.path, { ...before, problem: change.problem });
    }
    case "soft":
      return withSoftEvent(cache, change.event, change.atMs);
  }
}

function withEntry(cache: Cache, path: string, entry: Entry): Cache {
  const next = new Map(cache);
  next.delete(path); // so that it becomes the newest
  next.set(path, entry);
  for (const oldest of next.keys()) {
    if (next.size <= ENTRIES_MAX) break;
    next.delete(oldest);
  }
  return next;
}

const PRINTS = "/api/fabrication/jobs";

function withSoftEvent(cache: Cache, event: SoftEvent, atMs: number): Cache {
  const next = new Map(cache);
  for (const [path, entry] of cache) {
    const value = softened(path, entry.value, event, atMs);
    if (value !== entry.value) next.set(path, { ...entry, value });
  }
  return next;
}

// The values were put under these paths by the replies of these routes, so the casts are true.
function softened(path: string, value: unknown, event: SoftEvent, atMs: number): unknown {
  if (value === undefined) return value;
  if (event.type === "node.load") {
    return path === "/api/registry" ? heard(value as Registry, event.node, atMs) : value;
  }
  if (path === "/api/devices") {
    const { devices } = value as DeviceList;
    return { devices: devices.map((device) => warmed(device, event)) };
  }
  if (path === PRINTS || path.startsWith(`${PRINTS}?`)) {
    const page = value as PrintPage;
    return { ...page, jobs: page.jobs.map((print) => advanced(print, event)) };
  }
  if (path.startsWith(`${PRINTS}/`)) return advanced(value as PrintView, event);
  return value;
}

function heard(registry: Registry, node: string, atMs: number): Registry {
  const nodes = registry.nodes.map((row) => (row.id === node ? { ...row, lastSeenMs: atMs } : row));
  return { ...registry, nodes };
}

type Telemetry = Extract<SoftEvent, { type: "telemetry" }>;

function warmed(device: DeviceView, event: Telemetry): DeviceView {
  if (device.id !== event.device) return device;
  const { temperatures, job, progress, remainingS, phase } = event;
  const { job: _job, progress: _progress, remainingS: _remainingS, ...still } = device;
  return {
    ...still,
    phase,
    ...(temperatures === undefined ? {} : { temperatures }),
    ...(job === undefined ? {} : { job }),
    ...(progress === undefined ? {} : { progress }),
    ...(remainingS === undefined ? {} : { remainingS }),
  };
}

/** Only a job under way moves: late telemetry does not take a finished print back. */
function advanced(print: PrintView, event: Telemetry): PrintView {
  const isMoving = print.state === "printing" || print.state === "paused";
  if (print.id !== event.job || !isMoving) return print;
  return {
    ...print,
    progress: event.progress ?? print.progress,
    ...(event.remainingS === undefined ? {} : { remainingS: event.remainingS }),
  };
}

/**
 * When a machine was last heard, ms since 1970. The registry gives either that or an age; anything
 * below the year 2001 is an age, counted from when it was read.
 */
export const heardAtMs = (lastSeenMs: number, readAtMs: number): number =>
  lastSeenMs > 1e12 ? lastSeenMs : readAtMs - lastSeenMs;
