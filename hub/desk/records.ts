// Use cases: audit, costs, past events, flags, tokens, join codes, health.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { Random } from "@gantry/shared/base/prng.ts";
import {
  encodeJoinCode,
  JOIN_SECRET_BYTES,
  joinSecret,
} from "@gantry/shared/contract/join-code.ts";
import { aboutOf } from "@gantry/shared/contract/events.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import type { FlagRow } from "@gantry/shared/contract/rows.ts";
import { act, newId } from "../hub.ts";
import { journalId, type JournalRow } from "../ledger/journal.ts";
import { coldPrefix } from "../ledger/rows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { actorOf, byOf, type DeskParts, paramOf, seeEverything, seesAll } from "./context.ts";
import { isoTime } from "./views.ts";

const TOKEN_CHARS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOKEN_LENGTH = 43; // 256 bits

// ── the journal ─────────────────────────────────────────────────────────────────────────────────

const JOURNAL = coldPrefix("journal");
const AFTER_JOURNAL = `${JOURNAL}g`; // ids are hex digits

/** Journal rows of the disk; a checkpoint first, so that it has all of them. */
async function* journalRows(
  { hub, ledgerStore }: DeskParts,
  range: { from?: number; reverse: boolean },
): AsyncGenerator<JournalRow> {
  await hub.replica.checkpoint();
  const gte = range.from === undefined ? JOURNAL : `${JOURNAL}${journalId(range.from)}`;
  for await (const [, value] of ledgerStore.entries({
    gte,
    lt: AFTER_JOURNAL,
    reverse: range.reverse,
  })) {
    yield JSON.parse(new TextDecoder().decode(value)) as JournalRow;
  }
}

export async function audit(parts: DeskParts, { query }: DeskRequest): Promise<unknown> {
  const limit = Number(query["limit"] ?? 50);
  const below = query["after"] === undefined ? Infinity : Number(query["after"]);
  if (Number.isNaN(below))
    throw new GantryError("bad_request", "The cursor `after` is not one of ours");
  const entries: unknown[] = [];
  let next: string | undefined;
  for await (const row of journalRows(parts, { reverse: true })) {
    for (const { atMs, before: _, ...entry } of row.audit.toReversed()) {
      if (entry.seq >= below) continue;
      entries.push({ ...entry, at: isoTime(atMs) });
      next = String(entry.seq);
      if (entries.length >= limit) return { entries, next };
    }
  }
  return { entries };
}

/** Past events after a log position, oldest first; the page of /api/events?format=json. */
export async function events(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const { person, role } = actorOf(request);
  const since = Number(request.query["since"] ?? 0);
  const limit = Number(request.query["limit"] ?? 1_000);
  const types =
    typeof request.query["types"] === "string"
      ? new Set(request.query["types"].split(","))
      : undefined;
  const about = request.query["about"];
  const from = await entryHolding(parts, since);
  const found: unknown[] = [];
  let last = since;
  let looks = 0;
  for await (const row of journalRows(parts, { from, reverse: false })) {
    for (const event of row.events) {
      if (event.id <= since) continue;
      // A page ends only between commands: the cursor is a log position.
      const isFull = found.length >= limit || looks >= LIMIT.eventLooks.max;
      if (isFull && event.id !== last) return { events: found, next: last };
      last = event.id;
      looks += 1;
      if (typeof about === "string" && !aboutOf(event).includes(about)) continue;
      const isVisible = event.person === undefined || event.person === person || seesAll(role);
      if (isVisible && (types === undefined || types.has(event.type))) found.push(event);
    }
  }
  return { events: found };
}

/** The first position of the entry that holds `position`, or what is next after it. */
async function entryHolding({ hub, ledgerStore }: DeskParts, position: number): Promise<number> {
  await hub.replica.checkpoint();
  const lt = `${JOURNAL}${journalId(position + 1)}`;
  for await (const [key] of ledgerStore.entries({ gte: JOURNAL, lt, reverse: true, limit: 1 })) {
    return Number.parseInt(key.slice(JOURNAL.length), 16);
  }
  return 0;
}

// ── flags ───────────────────────────────────────────────────────────────────────────────────────

const flagView = ({ key, value, revision }: FlagRow): unknown => ({ key, value, revision });

export const flags = ({ hub }: DeskParts): unknown => ({
  flags: [...hub.rows.hot("flag").values()].map(flagView),
});

export async function flag(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const key = paramOf(request, "key");
  if (request.query["consistency"] === "linearizable") await seeEverything(hub, signal);
  const row = hub.rows.get("flag", key);
  if (row === undefined) throw new GantryError("not_found", `There is no flag ${key}`);
  const ageMs = request.query["consistency"] === "local" ? hub.replica.status().ageMs : 0;
  return { key, value: row.value, revision: row.revision, age_ms: ageMs };
}

export async function flagSet(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { value } = request.body as { value: unknown };
  const { ifRevision } = request;
  return act(
    hub,
    {
      type: "flagSet",
      key: paramOf(request, "key"),
      value,
      ...(ifRevision === undefined ? {} : { ifRevision }),
    },
    byOf(request),
    signal,
  );
}

export async function flagDeleted(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { ifRevision } = request;
  await act(
    hub,
    {
      type: "flagDeleted",
      key: paramOf(request, "key"),
      ...(ifRevision === undefined ? {} : { ifRevision }),
    },
    byOf(request),
    signal,
  );
  return { ok: true };
}

// ── people and machines ─────────────────────────────────────────────────────────────────────────

export function tokens({ hub }: DeskParts): unknown {
  return {
    tokens: [...hub.rows.hot("token").values()].map(
      ({ id, person, role, createdAtMs, expiresAtMs, revokedAtMs }) => ({
        id,
        person,
        role,
        createdAt: isoTime(createdAtMs),
        ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
        revoked: revokedAtMs !== undefined,
      }),
    ),
  };
}

/** `gt_` and 256 bits; only its hash is kept. */
export function makeSecret(random: Random): string {
  let text = "gt_";
  for (let place = 0; place < TOKEN_LENGTH; place += 1)
    text += TOKEN_CHARS[Math.floor(random() * TOKEN_CHARS.length)];
  return text;
}

export async function tokenMade(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { person, role, expiresInS } = request.body as {
    person: string;
    role: Role;
    expiresInS?: number;
  };
  const secret = makeSecret(hub.random);
  const id = newId(hub, "tok");
  const { replay: _, ...by } = byOf(request); // the secret is shown once: a repeat makes another
  const expiresAtMs =
    expiresInS === undefined ? {} : { expiresAtMs: hub.stampMs() + expiresInS * 1_000 };
  await act(
    hub,
    { type: "tokenMade", token: id, person, role, secretSha256: sha256(secret), ...expiresAtMs },
    by,
    signal,
  );
  return { id, token: secret, person, role };
}

export async function tokenRevoked(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  await act(hub, { type: "tokenRevoked", token: paramOf(request, "id") }, byOf(request), signal);
  return { ok: true };
}

export async function joinCodeMade(
  { hub, link }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { name } = request.body as { name: string };
  const bytes = Uint8Array.from({ length: JOIN_SECRET_BYTES }, () =>
    Math.floor(hub.random() * 256),
  );
  const secret = joinSecret(bytes);
  const expiresAtMs = hub.stampMs() + LIFE.joinCodeMs;
  const { replay: _, ...by } = byOf(request);
  await act(
    hub,
    {
      type: "joinCodeMade",
      code: newId(hub, "join"),
      name,
      secretSha256: sha256(secret),
      expiresAtMs,
    },
    by,
    signal,
  );
  const address = hub.rows.get("hub", hub.id)?.agentAddress;
  return {
    code: encodeJoinCode({ hubKey: link().publicKey, secret }),
    name,
    expiresAt: isoTime(expiresAtMs),
    ...(address === undefined ? {} : { hub: address }),
  };
}

export const health = (parts: DeskParts): unknown => parts.health();

export const metrics = ({ hub }: DeskParts): Promise<string> => hub.metrics.registry.metrics();
