// Waiting for a lock: a queue for each lock that somebody waits for.
//
// Q1. Only a lock that is held has a queue, and no queue is empty: the command that frees a lock gives
//     it to the next one. Nobody can come between.
// Q2. First come, first served. An owner has one place in a queue; its ticket is the log position at
//     which it joined.
// Q3. A turn is passed over, and that wait is over, if by the ledger's time it has lasted too long, or
//     what the lock was to be bound to is gone: nothing is given to who cannot use it.
// Q4. A wait that would close a circle (wait-graph.ts) does not begin: who asked for it is told, with
//     the circle; everybody else keeps what they have. So there never is a deadlock, and the way out of
//     one is the caller's: it still holds its locks and knows whom they keep waiting.
// Q5. That it happened is a fact: an audit row, an event, and the list of the last ones.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type {
  DeadlockStep,
  LockQueueRow,
  LockRow,
  LockWaiter,
} from "@gantry/shared/contract/rows.ts";
import { type Context, inOrder } from "../context.ts";
import { checkReign } from "./cluster.ts";
import { findCycle, type Wait } from "./wait-graph.ts";

/** Names are unique within who acts. */
type Owner = Pick<LockRow, "owner" | "by">;
const identityOf = ({ owner, by }: Owner): string => JSON.stringify([by, owner]);
const isSame = (a: Owner, b: Owner): boolean => a.owner === b.owner && a.by === b.by;

type Bound = Pick<LockRow, "node" | "session" | "by">;

/** What a lock is bound to must be there, or the lock would never end with it. */
export function bindingFault(
  { rows, nowMs }: Context,
  { node, session, by }: Bound,
): GantryError | undefined {
  if (node !== undefined && rows.get("node", node)?.state !== "alive") {
    return new GantryError("conflict", `Node ${node} is not alive`);
  }
  if (session === undefined) return undefined;
  const row = rows.get("session", session);
  if (row?.actor === by && row.usedAtMs + LIFE.clientSessionMs >= nowMs) return undefined;
  return new GantryError("session_expired", "The lock cannot be bound to this session");
}

const bindingOf = ({ node, session }: Pick<LockRow, "node" | "session">): object => ({
  ...(node === undefined ? {} : { node }),
  ...(session === undefined ? {} : { session }),
});

export interface Wish extends Bound, Owner {
  readonly ttlMs: number;
  readonly waitMs: number;
}

/** The command is a wait for `held`. Answers with its ticket, or with the circle it would close. */
export function joinQueue(context: Context, held: LockRow, wish: Wish): unknown {
  const { rows, position, nowMs } = context;
  const { name } = held;
  const waiters = rows.get("lockQueue", name)?.waiters ?? [];
  checkRoom(context, name, waiters, wish);
  const closing = waitOf(held, waiters.at(-1), wish);
  const cycle = findCycle(allWaits(context), closing);
  if (cycle !== undefined) return tellDeadlock(context, cycle);
  const { owner, by, ttlMs, waitMs } = wish;
  const waiter: LockWaiter = {
    ticket: position,
    owner,
    by,
    ttlMs,
    sinceMs: nowMs,
    untilMs: nowMs + waitMs,
    ...bindingOf(wish),
  };
  rows.put("lockQueue", name, { name, waiters: [...waiters, waiter] });
  context.audit("lock.waiting", name, { owner, ticket: position });
  context.emit("lock.waiting", name, { ...waiter, place: waiters.length + 1 });
  return { name, owner, ttlMs, ticket: position, untilMs: waiter.untilMs };
}

function checkRoom(
  { rows }: Context,
  name: string,
  waiters: readonly LockWaiter[],
  wish: Wish,
): void {
  if (waiters.some((waiter) => isSame(waiter, wish))) {
    throw new GantryError("conflict", `${wish.owner} waits for ${name} already`); // Q2
  }
  let all = 0;
  for (const queue of rows.hot("lockQueue").values()) all += queue.waiters.length;
  if (waiters.length < LIMIT.lockQueue.max && all < LIMIT.lockWaits.max) return;
  const what = waiters.length < LIMIT.lockQueue.max ? "locks" : name;
  throw new GantryError("busy", `Too many wait for ${what}`, { details: { retryAfterS: 5 } });
}

const waitOf = (held: LockRow, ahead: LockWaiter | undefined, waiter: Owner): Wait => ({
  who: identityOf(waiter),
  lock: held.name,
  behind: ahead === undefined ? [identityOf(held)] : [identityOf(held), identityOf(ahead)],
});

function* allWaits({ rows }: Context): Generator<Wait> {
  for (const { name, waiters } of rows.hot("lockQueue").values()) {
    const held = rows.get("lock", name);
    if (held === undefined) continue; // Q1: never
    for (const [place, waiter] of waiters.entries()) {
      yield waitOf(held, waiters[place - 1], waiter);
    }
  }
}

/** Q4, Q5. */
function tellDeadlock(context: Context, waits: readonly Wait[]): unknown {
  const { rows, position, nowMs } = context;
  const cycle = waits.map(({ who, lock }): DeadlockStep => {
    const [by, owner] = JSON.parse(who) as [string, string]; // identityOf wrote it
    return { owner, by, lock };
  });
  const made = rows.get("count", "deadlocks") ?? 0;
  rows.put("deadlock", String(made % LIMIT.deadlocks.max), { id: position, atMs: nowMs, cycle });
  rows.put("count", "deadlocks", made + 1);
  const lock = waits[0]?.lock ?? "";
  context.audit("lock.deadlock", lock, { cycle });
  context.emit("lock.deadlock", lock, { cycle });
  return { deadlock: cycle };
}

/** Who gets the lock that was just freed; those passed over are told (Q3). Undefined: nobody waits. */
export function takeNext(context: Context, name: string): LockWaiter | undefined {
  const row = context.rows.get("lockQueue", name);
  if (row === undefined) return undefined;
  const isUsable = (waiter: LockWaiter): boolean => whyOver(context, waiter) === undefined;
  const at = row.waiters.findIndex(isUsable);
  const passed = at < 0 ? row.waiters : row.waiters.slice(0, at);
  const left = at < 0 ? [] : row.waiters.slice(at + 1);
  keepQueue(context, { name, waiters: left });
  for (const waiter of passed)
    tellEnd(context, name, waiter, whyOver(context, waiter) ?? "timeout");
  return at < 0 ? undefined : row.waiters[at];
}

type End = "timeout" | "cancelled" | "node_lost" | "session_over";

function whyOver(context: Context, waiter: LockWaiter): End | undefined {
  if (waiter.untilMs <= context.nowMs) return "timeout";
  if (bindingFault(context, waiter) === undefined) return undefined;
  return waiter.node === undefined ? "session_over" : "node_lost";
}

function keepQueue({ rows }: Context, row: LockQueueRow): void {
  if (row.waiters.length === 0) rows.remove("lockQueue", row.name); // Q1
  else rows.put("lockQueue", row.name, row);
}

function tellEnd(context: Context, name: string, { owner, ticket }: LockWaiter, end: End): void {
  context.audit("lock.waitEnded", name, { owner, ticket, end });
  context.emit("lock.waiting", name, { owner, ticket, end });
}

/** Ends the waits for which `why` gives a reason; says how many. In the order of names and places. */
function endWaits(context: Context, why: (waiter: LockWaiter) => End | undefined): number {
  let ended = 0;
  for (const { name, waiters } of inOrder(context, "lockQueue")) {
    const left = waiters.filter((waiter) => why(waiter) === undefined);
    if (left.length === waiters.length) continue;
    keepQueue(context, { name, waiters: left });
    for (const waiter of waiters) {
      const end = why(waiter);
      if (end === undefined) continue;
      tellEnd(context, name, waiter, end);
      ended += 1;
    }
  }
  return ended;
}

export function endWaitsOf(context: Context, what: "node" | "session", id: string): void {
  const end = what === "node" ? "node_lost" : "session_over";
  endWaits(context, (waiter) => (waiter[what] === id ? end : undefined));
}

export function lockWaitCancelled(
  context: Context,
  command: CommandOf<"lockWaitCancelled">,
): unknown {
  const { name, owner, ticket, actor } = command;
  const { waiters = [] } = context.rows.get("lockQueue", name) ?? {};
  const mine = waiters.find((waiter) => isSame(waiter, { owner, by: actor }));
  if (mine === undefined || (ticket !== undefined && mine.ticket !== ticket)) {
    throw new GantryError("not_found", `${owner} does not wait for ${name}`);
  }
  keepQueue(context, { name, waiters: waiters.filter((waiter) => waiter !== mine) });
  tellEnd(context, name, mine, "cancelled");
  return { name, owner, ticket: mine.ticket };
}

export function lockWaitsExpired(
  context: Context,
  command: CommandOf<"lockWaitsExpired">,
): unknown {
  checkReign(context, command.term);
  const ended = endWaits(context, ({ untilMs }) =>
    untilMs <= context.nowMs ? "timeout" : undefined,
  );
  if (ended > 0) return { ended };
  throw new GantryError("conflict", "No wait for a lock is over");
}
