// Spans of what machines and printers do, read off the feed: a job from its lease to its end is a span
// of its node, a print from its first byte to its last one of its printer. A run is one, too.

import type { JobRow, PrintRow } from "@gantry/shared/contract/rows.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { Feed } from "../feed/feed.ts";
import type { Traces } from "../feed/traces.ts";
import type { Rows } from "../ledger/rows.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";

interface Held {
  readonly node: string;
  readonly startMs: number;
}

export interface TracingParts {
  readonly traces: Traces;
  readonly feed: Feed;
  readonly rows: Rows;
}

/** Works until the signal aborts. */
export function traceMachines({ traces, feed, rows }: TracingParts, signal: AbortSignal): void {
  const leased = new Map<string, Held>();

  /** What it held until now, once: at its end, or when its lease is gone. */
  function held(
    id: string,
    lease: { readonly node: string } | undefined,
    isOver: boolean,
    atMs: number,
  ): Held | undefined {
    const before = leased.get(id);
    if (lease !== undefined && !isOver) {
      if (before === undefined) leased.set(id, { node: lease.node, startMs: atMs });
      const [oldest] = leased.keys();
      if (leased.size > LIMIT.spanLinks.max && oldest !== undefined) leased.delete(oldest);
      return undefined;
    }
    leased.delete(id);
    return before;
  }

  function onJob(row: JobRow, atMs: number): void {
    const isOver = row.state === "done" || row.state === "failed" || row.state === "cancelled";
    const over = held(row.id, row.lease, isOver, atMs);
    if (over === undefined) return;
    traces.ofSubject(row.id, {
      service: "node",
      name: row.kind === "command" ? row.needs : row.kind,
      startMs: over.startMs,
      endMs: atMs,
      ...(row.state === "failed" ? { error: row.error?.code ?? "failed" } : {}),
      attributes: { job: row.id, node: over.node, attempts: row.attempts },
    });
  }

  function onPrint(row: PrintRow, atMs: number): void {
    const over = held(row.id, row.lease, row.finishedAtMs !== undefined, atMs);
    if (over === undefined) return;
    const error = row.state === "failed" ? { error: row.error?.code ?? "failed" } : {};
    traces.ofSubject(row.id, {
      service: "node",
      name: "print",
      startMs: over.startMs,
      endMs: atMs,
      ...error,
      attributes: { job: row.id, node: over.node },
    });
    if (row.startedAtMs === undefined || row.finishedAtMs === undefined) return;
    traces.ofSubject(row.id, {
      service: "device",
      name: "printing",
      startMs: row.startedAtMs,
      endMs: row.finishedAtMs,
      ...error,
      attributes: { job: row.id, printer: row.printer },
    });
  }

  function onRun(id: string, atMs: number): void {
    if (rows.hot("run").has(id) || !traces.isFollowed(id)) return;
    const row = rows.get("run", id);
    if (row === undefined) return;
    traces.ofSubject(id, {
      key: id,
      service: "hub",
      name: `run ${row.workflow === "" ? row.definition.slice(0, 12) : row.workflow}`,
      startMs: row.createdAtMs,
      endMs: row.state.endedMs ?? atMs,
      ...(row.state.fault === null ? {} : { error: row.state.fault.code }),
      attributes: { run: id, fidelity: row.fidelity, revision: row.state.revision },
    });
  }

  function hear({ type, subject, data, atMs }: LedgerEvent): void {
    if (type === "run.changed") onRun(subject, atMs);
    else if (!traces.isFollowed(subject)) leased.delete(subject);
    else if (type === "job.changed") onJob(data as JobRow, atMs); // as their domains emit them
    else if (type === "print.changed") onPrint(data as PrintRow, atMs);
  }

  feed.watch(
    (items) => {
      for (const item of items) if (item.kind === "ledger") item.events.forEach(hear);
    },
    signal,
    ["job.changed", "print.changed", "run.changed"],
  );
}
