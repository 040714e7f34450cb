// Keep-alives of locks, in the memory of the leader. Pure: the clock comes in as monotonic ms.
//
// LE1. The life time is a minimum. With each reign a lock gets what the log says was left of it, plus
//      the election time-out: the last keep-alive may have been answered by the leader before.
// LE2. What is left of a lock that nobody keeps alive is logged every TIMEOUT.lockCheckpointMs, in one
//      command, or leaders that change often would keep the locks of the dead for ever (etcd #9395).
// LE3. A keep-alive of a lock whose logged remainder is short is logged itself; else LE1 would give the
//      next leader less than was promised here.
// LE4. Nothing is decided here: an expiry is proposed, and refused if the lock was renewed since.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { LockRow } from "@gantry/shared/contract/rows.ts";

export interface Leases {
  /** A lock was acquired or its renewal was logged. */
  changed(row: LockRow, nowMs: number): void;
  /** A lock is gone. */
  ended(name: string): void;
  /** `log`: propose a renewal (LE3). `stale`: not the present token, or not known. */
  keepAlive(name: string, token: number, nowMs: number): "kept" | "log" | "stale";
  /** Names of locks whose time is over. */
  due(nowMs: number): readonly string[];
  /** LE2: what is to be logged; remembered as logged. */
  checkpoint(nowMs: number): readonly Remainder[];
  readonly size: number;
}

export interface Remainder {
  readonly name: string;
  readonly token: number;
  readonly remainingMs: number;
}

interface Lease {
  readonly token: number;
  readonly ttlMs: number;
  readonly deadlineMs: number;
  readonly keptAtMs: number;
  /** What the log says is left. */
  readonly loggedMs: number;
}

/** For one reign that began at `nowMs`. */
export function makeLeases(rows: Iterable<LockRow>, nowMs: number, electionMs: number): Leases {
  const leases = new Map<string, Lease>();

  function start(
    { name, token, ttlMs, remainingMs }: LockRow,
    atMs: number,
    extraMs: number,
  ): void {
    const deadlineMs = atMs + remainingMs + extraMs;
    leases.set(name, { token, ttlMs, deadlineMs, keptAtMs: atMs, loggedMs: remainingMs });
  }
  for (const row of rows) start(row, nowMs, electionMs); // LE1

  return {
    changed: (row, atMs) => start(row, atMs, 0),
    ended: (name) => void leases.delete(name),
    keepAlive(name, token, atMs) {
      const lease = leases.get(name);
      if (lease?.token !== token) return "stale";
      if (lease.loggedMs < lease.ttlMs) return "log"; // LE3
      leases.set(name, { ...lease, deadlineMs: atMs + lease.ttlMs, keptAtMs: atMs });
      return "kept";
    },
    due: (atMs) =>
      [...leases].flatMap(([name, { deadlineMs }]) => (deadlineMs <= atMs ? [name] : [])),
    checkpoint(atMs) {
      const short: Remainder[] = [];
      for (const [name, lease] of leases) {
        if (lease.keptAtMs + TIMEOUT.lockCheckpointMs > atMs) continue;
        const remainingMs = Math.max(0, Math.min(lease.deadlineMs - atMs, lease.ttlMs));
        if (remainingMs >= lease.loggedMs) continue;
        leases.set(name, { ...lease, loggedMs: remainingMs });
        short.push({ name, token: lease.token, remainingMs });
      }
      return short;
    },
    get size() {
      return leases.size;
    },
  };
}
