// Makes versions of the patches that wait for them, while this hub leads. All is read off the rows, so a
// new leader goes on where the old one was: what was taken is never lost.
//
// LH1. It sleeps until the next batch is due; a change of what waits wakes it.
// LH2. What was refused or could not be written is tried again, longer and longer each time, and the
//      other workflows do not wait for it.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { FeedItem } from "../ports.ts";
import { byHub, type Hub, propose } from "../hub.ts";
import { newestOf } from "../ledger/domains/library.ts";
import type { LibraryHeadRow } from "../ledger/library-row.ts";
import { dueAtMs } from "../workflow/patches/library-patches.ts";

/** Only a jump of the wall clock tells nobody. */
const LOOK_MS = 30_000;
/** LH2. */
const AGAIN = { firstMs: 200, factor: 2, maxMs: 15_000, jitter: 0.2 } as const;

export interface LibraryHands {
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface Pause {
  readonly failures: number;
  readonly untilMs: number;
}

export function makeLibraryHands(hub: Hub): LibraryHands {
  const { rows, clock, metrics } = hub;
  const pauses = new Map<string, Pause>(); // by workflow

  function dueOf(head: LibraryHeadRow): number {
    const { workflow, base, isMoved, segments } = head;
    const row = rows.get("workflow", workflow);
    const waiting = segments.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const isStale = isMoved || (row !== undefined && newestOf(row) !== base); // nobody else may patch till then
    const atMs = isStale ? 0 : dueAtMs(waiting, segments[0]?.sinceMs ?? 0);
    return Math.max(atMs, pauses.get(workflow)?.untilMs ?? 0);
  }

  /** Another version of a workflow with patches that wait is news, too. */
  const isNews = (item: FeedItem): boolean =>
    item.kind === "lapse" ||
    (item.kind === "ledger" &&
      item.events.some(
        ({ type, subject }) => type === "workflow.changed" && rows.hot("libraryHead").has(subject),
      ));

  async function make({ workflow, segments }: LibraryHeadRow, signal: AbortSignal): Promise<void> {
    const [segment] = segments;
    if (segment === undefined) return;
    const { from, to, sinceMs } = segment;
    const body = { type: "libraryMade" as const, name: workflow, through: to };
    try {
      const reply = await propose(hub, body, byHub(hub), signal);
      if (!reply.ok) return pause(workflow, reply.error);
      pauses.delete(workflow);
      metrics.libraryBatchPatches.observe(to - from + 1);
      metrics.libraryWaitSeconds.observe(Math.max(0, hub.stampMs() - sinceMs) / 1_000);
    } catch (error) {
      if (!signal.aborted) pause(workflow, toErrorRecord(error));
    }
  }

  /** LH2. */
  function pause(workflow: string, error: unknown): void {
    const failures = (pauses.get(workflow)?.failures ?? 0) + 1;
    pauses.set(workflow, {
      failures,
      untilMs: hub.stampMs() + backoffMs(AGAIN, failures, hub.random),
    });
    hub.log.warn({ workflow, error }, "patches of a workflow wait");
  }

  return {
    async run(signal) {
      let wakeUp = new AbortController();
      pauses.clear();
      hub.feed.watch((items) => {
        if (items.some(isNews)) wakeUp.abort();
      }, signal);
      while (!signal.aborted) {
        wakeUp = new AbortController();
        const heads = [...rows.hot("libraryHead").values()];
        const nowMs = hub.stampMs();
        const due = heads.filter((head) => dueOf(head) <= nowMs);
        await Promise.all(due.map((head) => make(head, signal)));
        if (due.length > 0) continue;
        const nextMs = heads.reduce((least, head) => Math.min(least, dueOf(head)), Infinity);
        const restMs = Math.min(LOOK_MS, Math.max(1, nextMs - hub.stampMs())); // LH1
        await clock.sleep(restMs, AbortSignal.any([signal, wakeUp.signal])).catch(() => {}); // woken
      }
    },
  };
}
