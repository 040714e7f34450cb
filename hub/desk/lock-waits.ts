// Waiting for a lock's turn on behalf of a caller. The wait itself is in the ledger; this hub only
// watches for its end, whoever leads.
//
// LW1. The rows say what became of a ticket: it holds the lock, it waits, or it is over. Events only
//      say when to look, and why it is over.
// LW2. A request that can be repeated (Idempotency-Key, session) leaves its wait in place when its
//      caller is gone: the same request finds the place, or the lock. Any other gives up what nobody
//      would ever learn of.
// LW3. A hub that hears nothing more (it is cut off) does not keep the caller for ever.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { DeadlockStep } from "@gantry/shared/contract/rows.ts";
import { OWN_KEY } from "../cluster/desk.ts";
import { act, type By, type Hub } from "../hub.ts";
import type { FeedItem } from "../ports.ts";

export interface LockGiven {
  readonly name: string;
  readonly owner: string;
  readonly token: number;
  readonly ttlMs: number;
}

interface Joined {
  readonly name: string;
  readonly owner: string;
  readonly ticket: number;
}

/** What `lockAcquired` answers when it may wait (ledger/domains/locks.ts). */
export type LockReply = LockGiven | Joined | { readonly deadlock: readonly DeadlockStep[] };

/**
 * Resolves with the lock. Throws deadlock, lock_wait_over, outcome_unknown, or why the signal aborted.
 * `mayReturn`: asked when it aborts; whether somebody may still ask for this wait (LW2).
 */
export async function awaitTurn(
  hub: Hub,
  reply: LockReply,
  waitMs: number,
  by: By,
  signal: AbortSignal,
  mayReturn: () => boolean = () => isRepeatable(by),
): Promise<LockGiven> {
  if ("token" in reply) return reply;
  if ("deadlock" in reply) throw deadlockError(reply.deadlock);
  try {
    return await watchTurn(hub, reply, waitMs, signal);
  } catch (error) {
    if (signal.aborted && !mayReturn()) await giveUp(hub, reply, by); // LW2
    throw error;
  }
}

const isRepeatable = ({ replay, session }: By): boolean =>
  session !== undefined || (replay !== undefined && !replay.key.startsWith(OWN_KEY));

function deadlockError(cycle: readonly DeadlockStep[]): GantryError {
  const ring = cycle.map(({ owner, lock }) => `${owner} waits for ${lock}`).join(", ");
  return new GantryError("deadlock", `This would wait for itself: ${ring}`, { details: { cycle } });
}

async function watchTurn(
  hub: Hub,
  joined: Joined,
  waitMs: number,
  signal: AbortSignal,
): Promise<LockGiven> {
  const { clock, feed } = hub;
  let end: string | undefined;
  let wake = new AbortController();

  const take = (items: readonly FeedItem[]): void => {
    for (const item of items) {
      if (item.kind === "soft") continue;
      if (item.kind === "lapse") wake.abort();
      else if (item.events.some(({ type, subject }) => isOf(type, subject, joined.name))) {
        for (const { data } of item.events) end ??= endOf(data, joined.ticket);
        wake.abort();
      }
    }
  };

  using watching = makeStop();
  feed.watch(take, watching.signal);
  const untilMs = clock.monotonic() + waitMs + TIMEOUT.proposeMs;
  for (;;) {
    signal.throwIfAborted();
    const now = stateOf(hub, joined); // LW1
    if (now === "over") {
      throw new GantryError("lock_wait_over", `${joined.owner} did not get ${joined.name}`, {
        details: { ticket: joined.ticket, ...(end === undefined ? {} : { end }) },
      });
    }
    if (now !== "waiting") return now;
    const leftMs = untilMs - clock.monotonic();
    if (leftMs <= 0) {
      throw new GantryError("outcome_unknown", "This hub did not hear the end of the wait"); // LW3
    }
    wake = new AbortController();
    await clock.sleep(leftMs, AbortSignal.any([signal, wake.signal])).catch(() => {}); // either
  }
}

function makeStop(): Disposable & { readonly signal: AbortSignal } {
  const stop = new AbortController();
  return { signal: stop.signal, [Symbol.dispose]: () => stop.abort() };
}

const isOf = (type: string, subject: string, name: string): boolean =>
  subject === name && (type === "lock.changed" || type === "lock.waiting");

/** Why the wait of this ticket is over, if this event of lock-queue.ts says so. */
function endOf(data: unknown, ticket: number): string | undefined {
  const { ticket: its, end } = data as { readonly ticket?: number; readonly end?: string };
  return its === ticket ? end : undefined;
}

function stateOf({ rows }: Hub, { name, ticket }: Joined): LockGiven | "waiting" | "over" {
  const row = rows.get("lock", name);
  if (row?.ticket === ticket) {
    return { name, owner: row.owner, token: row.token, ttlMs: row.ttlMs };
  }
  const { waiters = [] } = rows.get("lockQueue", name) ?? {};
  return waiters.some((waiter) => waiter.ticket === ticket) ? "waiting" : "over";
}

/** The place, or the lock if it came meanwhile. What cannot be given up now ends by its own time. */
async function giveUp(
  hub: Hub,
  { name, owner, ticket }: Joined,
  { actor, requestId }: By,
): Promise<void> {
  const by = { actor, requestId }; // a command of its own: under the key it would not be done
  const signal = hub.clock.timeout(TIMEOUT.proposeMs);
  try {
    await act(hub, { type: "lockWaitCancelled", name, owner, ticket }, by, signal).catch(
      async (error: unknown) => {
        const row = hub.rows.get("lock", name);
        if (row?.ticket !== ticket) throw error;
        await act(hub, { type: "lockReleased", name, token: row.token }, by, signal);
      },
    );
  } catch (error) {
    hub.log.debug({ lock: name, ticket, error: String(error) }, "a wait was left to its time");
  }
}
