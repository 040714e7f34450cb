// Use cases: machines by selector, watches, locks, client sessions.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import { labelsOf } from "@gantry/shared/contract/labels.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { LockRow, LockWaiter } from "@gantry/shared/contract/rows.ts";
import type { LockView } from "@gantry/shared/contract/schemas/locks.ts";
import { parseSelector, type Selector, selects } from "@gantry/shared/contract/selector.ts";
import { WATCH_KINDS, type WatchKind } from "@gantry/shared/contract/watch-kinds.ts";
import { act, newId } from "../hub.ts";
import type { Rows } from "../ledger/rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { watchFilter } from "../registry/watches.ts";
import { makeRegistryWatches } from "../registry/watching.ts";
import {
  actorOf,
  byOf,
  type DeskParts,
  paramOf,
  type RegistryHands,
  type UseCase,
  seeEverything,
} from "./context.ts";
import { awaitTurn, type LockReply } from "./lock-waits.ts";
import { isoTime } from "./views.ts";

const forEver = new AbortController().signal; // as long as the process

/**
 * The use cases of this room, over the registry's hands or, where there are none, over its own. Watches
 * begin to keep changes now, not with the first watcher: one that comes from another hub goes on here.
 */
export function registryUseCases(parts: DeskParts): Partial<Record<RouteName, UseCase>> {
  const hands: RegistryHands = parts.registry ?? {
    watches: makeRegistryWatches(parts.hub, forEver),
    keepAlive: () => "log",
  };
  return {
    registry,
    registryWatch: (_parts, request, options) => registryWatch(hands, request, options),
    locks,
    lock,
    lockAcquired,
    lockWaitCancelled,
    lockRenewed: (_parts, request, options) => lockRenewed(parts, hands, request, options),
    lockReleased,
    clientSessionOpened,
    clientSessionClosed,
  };
}

// ── machines ────────────────────────────────────────────────────────────────────────────────────

function selectorOf({ query }: DeskRequest): Selector {
  const { selector } = query;
  return typeof selector === "string" ? parseSelector(selector) : [];
}

function registry({ hub, link }: DeskParts, request: DeskRequest): unknown {
  const selector = selectorOf(request);
  const heard = link().heard();
  const nodes = [...hub.rows.hot("node").values()].filter((row) =>
    selects(selector, selector.length === 0 ? new Map() : labelsOf(row)),
  );
  return {
    revision: hub.replica.ledger.position,
    nodes: nodes.map(({ id, name, bootId, state, labels, capabilities, changedAtMs }) => ({
      id,
      name,
      bootId,
      state,
      labels,
      lastSeenMs: Math.round(heard.get(id) ?? hub.clock.now() - changedAtMs),
      capabilities,
    })),
  };
}

/**
 * What is next after `since`; waits for it up to TIMEOUT.watchProgressMs, but for `now`, which is
 * answered at once by a progress mark. The door asks again with the
 * revision it was given and `isResumed`.
 */
async function registryWatch(
  { watches }: RegistryHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const {
    since = 0,
    kinds,
    prefix,
    isResumed,
  } = request.query as {
    readonly since?: number | "now";
    readonly kinds?: string;
    readonly prefix?: string;
    readonly isResumed?: boolean;
  };
  const filter = watchFilter({
    kinds: kinds === undefined || kinds === "" ? undefined : kindsOf(kinds),
    prefix,
    selector: selectorOf(request),
  });
  const watcher = watches.open(filter, since, isResumed);
  const messages = since === "now" ? [watcher.progress()] : await watches.pull(watcher, signal);
  return { revision: watcher.revision, messages };
}

function kindsOf(text: string): WatchKind[] {
  return text.split(",").map((name) => {
    const kind = WATCH_KINDS.find((known) => known === name.trim());
    if (kind !== undefined) return kind;
    const path = "query.kinds";
    const message = `"${name.slice(0, 40)}" is not one of ${WATCH_KINDS.join(", ")}`;
    throw new GantryError("bad_request", `${path}: ${message}`, {
      details: { fields: [{ path, message }] },
    });
  });
}

// ── locks ───────────────────────────────────────────────────────────────────────────────────────

function lockView(rows: Rows, row: LockRow): LockView {
  const { name, owner, by, token, ttlMs, acquiredAtMs, node, session } = row;
  const queue = rows.get("lockQueue", name);
  return {
    name,
    owner,
    by,
    token,
    ttlMs,
    acquiredAt: isoTime(acquiredAtMs),
    ...(node === undefined ? {} : { node }),
    ...(session === undefined ? {} : { session }),
    ...(queue === undefined ? {} : { waiting: queue.waiters.map(waiterView) }),
  };
}

const waiterView = ({ owner, by, ticket, sinceMs, untilMs }: LockWaiter) => ({
  owner,
  by,
  ticket,
  since: isoTime(sinceMs),
  until: isoTime(untilMs),
});

const locks = ({ hub: { rows, replica } }: DeskParts): unknown => ({
  revision: replica.ledger.position,
  locks: [...rows.hot("lock").values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => lockView(rows, row)),
  deadlocks: [...rows.hot("deadlock").values()]
    .toSorted((a, b) => b.id - a.id)
    .map(({ atMs, cycle }) => ({ at: isoTime(atMs), cycle })),
});

/** Linearizable: who asks whether it still holds a lock must not hear of the past. */
async function lock(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  await seeEverything(hub, signal);
  return lockView(hub.rows, lockRow({ hub }, paramOf(request, "key")));
}

function lockRow({ hub }: Pick<DeskParts, "hub">, name: string): LockRow {
  const row = hub.rows.get("lock", name);
  if (row === undefined) throw new GantryError("not_found", `Nobody holds ${name}`);
  return row;
}

/** With `wait` it answers when it is this owner's turn (lock-waits.ts). */
async function lockAcquired(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const body = request.body as {
    readonly owner?: string;
    readonly ttlMs: number;
    readonly node?: string;
    readonly session?: string;
    readonly wait?: boolean;
    readonly waitMs?: number;
  };
  const { owner = actorOf(request).person, ttlMs, node, session, wait = false } = body;
  const waitMs = wait ? (body.waitMs ?? LIFE.lockWaitMs) : undefined;
  const by = byOf(request);
  const command = {
    type: "lockAcquired" as const,
    name: paramOf(request, "key"),
    owner,
    ttlMs,
    ...(node === undefined ? {} : { node }),
    ...(session === undefined ? {} : { boundTo: session }),
    ...(waitMs === undefined ? {} : { waitMs }),
  };
  const reply = (await act(hub, command, by, signal)) as LockReply; // ledger/domains/locks.ts
  return awaitTurn(hub, reply, waitMs ?? 0, by, signal);
}

async function lockWaitCancelled(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const name = paramOf(request, "key");
  const { owner = actorOf(request).person } = request.query as { readonly owner?: string };
  await act(hub, { type: "lockWaitCancelled", name, owner }, byOf(request), signal);
  return { ok: true };
}

/** In the leader's memory where that is enough, else in the log. */
async function lockRenewed(
  { hub }: DeskParts,
  { keepAlive }: RegistryHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const name = paramOf(request, "key");
  const { token } = request.body as { readonly token: number };
  const kept = keepAlive(name, token);
  if (kept !== "kept") {
    // `stale` may be this hub's own ignorance: the log has the last word, and says why.
    return act(hub, { type: "lockRenewed", name, token }, byOf(request), signal);
  }
  const { owner, ttlMs } = lockRow({ hub }, name);
  return { name, owner, token, ttlMs };
}

async function lockReleased(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const name = paramOf(request, "key");
  const token = request.query["token"] as number;
  await act(hub, { type: "lockReleased", name, token }, byOf(request), signal);
  return { ok: true };
}

// ── client sessions ─────────────────────────────────────────────────────────────────────────────

async function clientSessionOpened(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const body = { type: "sessionOpened" as const, clientSession: newId(hub, "ses") };
  const { session } = (await act(hub, body, byOf(request), signal)) as { session: string }; // domains/sessions.ts; a replay gives the first
  return { session, idleS: LIFE.clientSessionMs / 1_000 };
}

async function clientSessionClosed(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const clientSession = paramOf(request, "id");
  await act(hub, { type: "sessionClosed", clientSession }, byOf(request), signal);
  return { ok: true };
}
