// Use cases: what is remembered of the person who asks.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { MemoryDraft, MemoryKind, MemoryRow } from "@gantry/shared/contract/memory.ts";
import type { MemoryView } from "@gantry/shared/contract/schemas/memory.ts";
import type { RecallHands } from "../hands/recall.ts";
import { act, newId } from "../hub.ts";
import { decideFact } from "../memory/decide.ts";
import { hasSecret } from "../cache/personal.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { actorOf, byOf, type DeskParts, pageOf, paramOf, type UseCase } from "./context.ts";
import { isoTime } from "./views.ts";

const DAY_MS = 86_400_000;

export function memoryUseCases(
  recall: RecallHands | undefined,
): Partial<Record<RouteName, UseCase>> {
  if (recall === undefined) return {};
  return {
    memories,
    memoryKept: (parts, request, options) => kept(parts, recall, request, options),
    async memorySearched(_, request, { signal }) {
      const { q, limit } = request.query as { q: string; limit: number };
      const found = await recall.search(actorOf(request).person, q, limit, signal);
      return {
        memories: found.map(({ memory, likeness, byWords }) => ({
          ...memoryView(memory),
          byWords,
          ...(likeness === undefined ? {} : { likeness: Math.round(likeness * 1_000) / 1_000 }),
        })),
      };
    },
    memoryForgotten: (parts, request, { signal }) => {
      const { person } = actorOf(request);
      const body = { type: "memoryForgotten" as const, person, memories: [paramOf(request, "id")] };
      return act(parts.hub, body, byOf(request), signal);
    },
    memoriesForgotten(parts, request, { signal }) {
      const { person, role } = actorOf(request);
      const of = (request.query["person"] as string | undefined) ?? person;
      if (of !== person && !mayAct(role, "admin"))
        throw new GantryError("forbidden", `Only ${of} or an admin may forget this`);
      return act(parts.hub, { type: "memoryForgotten", person: of }, byOf(request), signal);
    },
    memoryReviewed: reviewed,
  };
}

export function memoryView(row: MemoryRow): MemoryView {
  const { id, kind, text, about, state, said, source, replaces, replacedBy } = row;
  const { atMs, changedAtMs, expiresAtMs } = row;
  return {
    id,
    kind,
    text,
    ...(about === undefined ? {} : { about }),
    state,
    said,
    at: isoTime(atMs),
    changedAt: isoTime(changedAtMs),
    ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
    ...(source.type === "told" ? {} : { source: { message: source.message, quote: source.quote } }),
    ...(replaces === undefined ? {} : { replaces }),
    ...(replacedBy === undefined ? {} : { replacedBy }),
  };
}

/** The newest first; those whose time is over are on their way out and are not shown. */
function memories({ hub }: DeskParts, request: DeskRequest): unknown {
  const { person } = actorOf(request);
  const state = request.query["state"];
  const nowMs = hub.stampMs();
  const own = [...hub.rows.hot("memory").values()]
    .filter((row) => row.person === person && (row.expiresAtMs ?? Infinity) > nowMs)
    .filter((row) => (state === undefined ? row.state !== "superseded" : row.state === state))
    .toSorted((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  const { items, next } = pageOf(request, own.length, (place) => own[place]);
  return { memories: items.map(memoryView), ...(next === undefined ? {} : { next }) };
}

async function kept(
  { hub }: DeskParts,
  recall: RecallHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<MemoryView> {
  const { text, kind, about, days } = request.body as {
    text: string;
    kind: MemoryKind;
    about?: string;
    days?: number;
  };
  if (hasSecret(text))
    throw new GantryError("bad_request", "This looks like a secret: secrets are not remembered");
  const { person } = actorOf(request);
  const near = await recall.search(person, text, 8, signal);
  const fact = about === undefined ? { text } : { text, about };
  const same = [...hub.rows.hot("memory").values()].filter(
    (row) =>
      row.person === person && row.state === "kept" && about !== undefined && row.about === about,
  );
  const verdict = decideFact(fact, [...same, ...near.map(({ memory }) => memory)]);
  const draft: MemoryDraft = {
    memory: newId(hub, "mem"),
    kind,
    ...fact,
    source: { type: "told" },
    state: "kept",
    ...(days === undefined ? {} : { expiresAtMs: hub.stampMs() + days * DAY_MS }),
    ...(verdict.kind === "replaces" ? { replaces: verdict.memory } : {}),
    ...(verdict.kind === "confirms" ? { confirms: verdict.memory } : {}),
  };
  const value = await act(hub, { type: "memoryKept", draft }, byOf(request), signal);
  const { memory } = value as { memory: string }; // domains/memory.ts
  const row = hub.rows.hot("memory").get(memory);
  if (row === undefined) throw new GantryError("not_found", `There is no memory ${memory}`);
  return memoryView(row);
}

async function reviewed(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { verdict } = request.body as { verdict: "keep" | "drop" };
  const memory = paramOf(request, "id");
  await act(hub, { type: "memoryReviewed", memory, verdict }, byOf(request), signal);
  return { ok: true };
}
