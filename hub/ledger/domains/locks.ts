// Locks: the exclusive right to something, with a fencing token that whoever owns the thing must check.
//
// X1. A token is the log position of the acquisition: every later one is greater.
// X2. Only the present token renews, releases or expires a lock.
// X3. The life time is a minimum. Expiry is judged by the leader and refused here if the lock was
//     renewed, checkpointed or acquired anew since (`revision`), if another reign has begun, or if by
//     the ledger's own time it still has some (etcd #15247: a stuck ex-leader revoked every lease).
// X4. A lock bound to a node or a session ends with it at once, in the same command.
// X5. A lock is never given twice: not even to its owner, who may be an older start of itself.
// X6. Whoever waits for a lock (lock-queue.ts) gets it in the command in which it ends, with that
//     command's position as its token. A lock ends at most once in a command, so X1 holds: who gets it
//     is bound to nothing that is gone.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { LockRow } from "@gantry/shared/contract/rows.ts";
import { type Context, inOrder, rowOf } from "../context.ts";
import { checkReign } from "./cluster.ts";
import { bindingFault, endWaitsOf, joinQueue, takeNext } from "./lock-queue.ts";

/** Answers with the token, or, where it is to wait, with a ticket or {deadlock} (lock-queue.ts Q4). */
export function lockAcquired(context: Context, command: CommandOf<"lockAcquired">): unknown {
  const { rows, nowMs } = context;
  const { name, owner, ttlMs, node, boundTo, waitMs, actor } = command;
  const wish = {
    owner,
    by: actor,
    ttlMs,
    ...(node === undefined ? {} : { node }),
    ...(boundTo === undefined ? {} : { session: boundTo }),
  };
  const held = rows.get("lock", name);
  if (held !== undefined && waitMs === undefined) throw isHeld(held, nowMs); // X5
  if (held === undefined && rows.hot("lock").size >= LIMIT.locks.max) {
    throw new GantryError("busy", "There are too many locks", { details: { retryAfterS: 30 } });
  }
  const fault = bindingFault(context, wish);
  if (fault !== undefined) throw fault;
  if (held === undefined) return giveLock(context, name, wish);
  return joinQueue(context, held, { ...wish, waitMs: waitMs ?? 0 });
}

type Wish = Pick<LockRow, "owner" | "by" | "ttlMs" | "node" | "session" | "ticket">;

function giveLock(context: Context, name: string, wish: Wish): unknown {
  const { rows, position, nowMs } = context;
  const { owner, ttlMs } = wish;
  const row: LockRow = {
    name,
    ...wish,
    token: position, // X1
    acquiredAtMs: nowMs,
    revision: position,
    expiresAtMs: nowMs + ttlMs,
    remainingMs: ttlMs,
  };
  rows.put("lock", name, row);
  context.audit("lock.acquired", name, { owner, token: position });
  context.emit("lock.changed", name, row);
  return { name, owner, token: position, ttlMs };
}

function isHeld({ name, owner, token, by, expiresAtMs }: LockRow, nowMs: number): GantryError {
  const retryAfterS = Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1_000));
  return new GantryError("lock_held", `${owner} holds ${name}`, {
    details: { holder: owner, by, token, retryAfterS },
  });
}

/** X2. */
function heldBy(context: Context, name: string, token: number): LockRow {
  const row = rowOf(context, "lock", name, "lock");
  if (row.token === token) return row;
  throw new GantryError("stale_token", `Token ${token} is not the present one of ${name}`);
}

export function lockRenewed(context: Context, command: CommandOf<"lockRenewed">): unknown {
  const row = heldBy(context, command.name, command.token);
  const { name, token, ttlMs } = row;
  changeLock(context, row, ttlMs);
  context.emit("lock.changed", name, context.rows.get("lock", name));
  return { name, owner: row.owner, token, ttlMs };
}

export function lockReleased(context: Context, command: CommandOf<"lockReleased">): unknown {
  const row = heldBy(context, command.name, command.token);
  dropLock(context, row, "released");
  return { name: row.name };
}

export function lockExpired(context: Context, command: CommandOf<"lockExpired">): unknown {
  checkReign(context, command.term); // X3
  const row = heldBy(context, command.name, command.token);
  if (row.revision !== command.revision || row.expiresAtMs > context.nowMs) {
    throw new GantryError("conflict", `${row.name} was renewed since`);
  }
  dropLock(context, row, "expired");
  return { name: row.name };
}

/** Names that are gone or held anew since are passed over. */
export function locksCheckpointed(
  context: Context,
  command: CommandOf<"locksCheckpointed">,
): unknown {
  checkReign(context, command.term);
  let kept = 0;
  for (const { name, token, remainingMs } of command.locks) {
    const row = context.rows.get("lock", name);
    if (row?.token !== token) continue;
    changeLock(context, row, Math.min(Math.max(0, remainingMs), row.ttlMs));
    kept += 1;
  }
  return { kept };
}

function changeLock({ rows, nowMs, position }: Context, row: LockRow, remainingMs: number): void {
  const expiresAtMs = nowMs + remainingMs;
  rows.put("lock", row.name, { ...row, revision: position, remainingMs, expiresAtMs });
}

/** X4. In the order of names, so that every hub does it alike. Its waits end before a turn can come. */
export function releaseLocksOf(context: Context, what: "node" | "session", id: string): void {
  endWaitsOf(context, what, id);
  for (const row of inOrder(context, "lock")) {
    if (row[what] === id) dropLock(context, row, what === "node" ? "node_lost" : "session_over");
  }
}

type End = "released" | "expired" | "node_lost" | "session_over";

function dropLock(context: Context, { name, owner, token }: LockRow, end: End): void {
  context.rows.remove("lock", name);
  context.audit("lock.ended", name, { owner, token, end });
  context.emit("lock.changed", name, { name, owner, token, end, deleted: true });
  const next = takeNext(context, name); // X6
  if (next === undefined) return;
  const { sinceMs: _s, untilMs: _u, ...wish } = next;
  giveLock(context, name, wish);
}
