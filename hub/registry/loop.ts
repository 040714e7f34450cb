// The registry's part of leading: looks at nodes and locks, and proposes what follows. One run for each
// reign; a hub that does not lead runs nothing.
//
// RG1. Every proposal names the term it was judged in: what a deposed leader still sends is refused.
// RG2. A refusal is an answer: the next look judges anew. Only a failure of the log is logged.
// RG3. The loop measures its own lateness; that is one source of stalls, the disk is another.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { LockRow } from "@gantry/shared/contract/rows.ts";
import { byHub, type Hub, propose } from "../hub.ts";
import { ledgerTimeMs } from "../ledger/context.ts";
import { isSessionOver } from "../ledger/domains/sessions.ts";
import type { Rows } from "../ledger/rows.ts";
import type { AgentLink, FeedItem } from "../ports.ts";
import { isUnfit, judge, type Stall } from "./health.ts";
import { type Leases, makeLeases } from "./leases.ts";

const LOOK_MS = TIMEOUT.heartbeatMs / 2;
/** Lateness above this is a stall; below it the machine is merely busy. */
const STALL_MS = 50;
const STALLS_KEPT_MS = 60_000;

export interface RegistryLoopParts {
  readonly hub: Hub;
  readonly link: () => Pick<AgentLink, "heard">;
  readonly electionMs: () => number;
  /** Stalls seen elsewhere (the disk), monotonic; those of the last minute. */
  readonly stalls?: () => readonly Stall[];
  /** This leader stalls too often and should hand over. */
  readonly onUnfit?: () => void;
}

export interface RegistryLoop {
  /** Looks twice a beat until the reign ends. One at a time. */
  run(term: number, signal: AbortSignal): Promise<void>;
  /** A keep-alive of a lock. `log`: propose `lockRenewed`; so also on a hub that does not lead. */
  keepAlive(name: string, token: number): "kept" | "log" | "stale";
}

export function makeRegistryLoop(parts: RegistryLoopParts): RegistryLoop {
  const { hub } = parts;
  const { rows, clock, log } = hub;
  let leases: Leases | undefined;

  function takeEvents(items: readonly FeedItem[]): void {
    for (const item of items) {
      if (item.kind !== "ledger") continue;
      for (const event of item.events) {
        if (event.type === "lock.changed") takeLock(event.subject);
      }
    }
  }

  function takeLock(name: string): void {
    const row = rows.get("lock", name);
    if (row === undefined) leases?.ended(name);
    else leases?.changed(row, clock.monotonic());
  }

  let handedOverAtMs = -Infinity; // of this hub, over all its reigns

  async function run(term: number, signal: AbortSignal): Promise<void> {
    const sinceMs = clock.monotonic();
    const reign = { sinceMs, electionMs: parts.electionMs() };
    const mine = makeLeases(rows.hot("lock").values(), sinceMs, reign.electionMs);
    const heardAtMs = new Map<string, number>();
    let stalls: Stall[] = [];
    let checkpointAtMs = sinceMs;

    const say = async (body: CommandBody): Promise<void> => {
      const reply = await propose(hub, body, byHub(hub), signal);
      if (!reply.ok) log.debug({ type: body.type, code: reply.error.code }, "judged too late"); // RG2
    };

    async function lookAtNodes(nowMs: number): Promise<void> {
      for (const [node, agoMs] of parts.link().heard()) {
        heardAtMs.set(node, Math.max(heardAtMs.get(node) ?? sinceMs, nowMs - agoMs));
      }
      for (const id of heardAtMs.keys()) {
        if (rows.get("node", id) === undefined) heardAtMs.delete(id);
      }
      const timeMs = Math.max(ledgerTimeMs(rows), clock.now());
      const all = [...stalls, ...(parts.stalls?.() ?? [])];
      const hearing = { heardAtMs, nowMs, timeMs, reign, stalls: all };
      const changes = judge(rows.hot("node").values(), hearing);
      await Promise.all(changes.map((change) => say({ ...change, term }))); // RG1
      for (const { node, state } of changes) if (state === "down") forgetPrinters(node);
      if (!isUnfit(all, nowMs, handedOverAtMs)) return;
      handedOverAtMs = nowMs;
      parts.onUnfit?.();
    }

    function forgetPrinters(node: string): void {
      const printers = rows.get("node", node)?.capabilities.printers ?? [];
      hub.soft.forget(printers.map(({ id }) => id));
    }

    async function lookAtLocks(nowMs: number): Promise<void> {
      const due = mine.due(nowMs).flatMap((name) => rows.get("lock", name) ?? []);
      await Promise.all(due.map((row) => say(expiryOf(row, term)))); // RG1
      if (isWaitOver(rows, hub.stampMs())) await say({ type: "lockWaitsExpired", term });
      if (nowMs - checkpointAtMs < TIMEOUT.lockCheckpointMs) return;
      checkpointAtMs = nowMs;
      const locks = mine.checkpoint(nowMs);
      if (locks.length > 0) await say({ type: "locksCheckpointed", term, locks });
    }

    leases = mine;
    hub.feed.watch(takeEvents, signal);
    try {
      while (!signal.aborted) {
        const wantedMs = clock.monotonic() + LOOK_MS;
        await clock.sleep(LOOK_MS, signal);
        const nowMs = clock.monotonic();
        stalls = stalls.filter(({ toMs }) => nowMs - toMs < STALLS_KEPT_MS);
        if (nowMs - wantedMs > STALL_MS) stalls.push({ fromMs: wantedMs, toMs: nowMs }); // RG3
        try {
          await lookAtNodes(nowMs);
          await lookAtLocks(clock.monotonic());
        } catch (error) {
          if (!signal.aborted)
            log.warn({ error: toErrorRecord(error) }, "a look at the registry failed; repeated");
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (leases === mine) leases = undefined;
    }
  }

  return {
    run,
    keepAlive(name, token) {
      if (leases === undefined) return "log";
      const session = rows.get("lock", name)?.session;
      if (session !== undefined && isOver(session)) return "stale";
      return leases.keepAlive(name, token, clock.monotonic());
    },
  };

  function isOver(session: string): boolean {
    const row = rows.get("session", session);
    return row === undefined || isSessionOver(row, Math.max(ledgerTimeMs(rows), clock.now()));
  }
}

const expiryOf = (
  { name, token, revision }: LockRow,
  term: number,
): Extract<CommandBody, { type: "lockExpired" }> => ({
  type: "lockExpired",
  name,
  token,
  revision,
  term,
});

/** At most LIMIT.lockWaits of them. */
const isWaitOver = (rows: Rows, nowMs: number): boolean =>
  rows
    .hot("lockQueue")
    .values()
    .some(({ waiters }) => waiters.some(({ untilMs }) => untilMs <= nowMs));
