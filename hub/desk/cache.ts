// Use cases: answers that may be given again, how often they were, and how often that was wrong.

import { CACHE_DROPS } from "@gantry/shared/contract/memory.ts";
import type { CacheRow } from "@gantry/shared/contract/rows.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { CacheEntryView, CacheStatusView } from "@gantry/shared/contract/schemas/memory.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { upperBound } from "../cache/calibration.ts";
import type { AnswerCache } from "../hands/cache.ts";
import { act } from "../hub.ts";
import type { DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, pageOf, paramOf, type UseCase } from "./context.ts";
import { isoTime } from "./views.ts";

export function cacheUseCases(cache: AnswerCache | undefined): Partial<Record<RouteName, UseCase>> {
  return {
    cacheList: (parts) => status(parts, cache),
    cacheEntries: (parts, request) => entries(request, cache),
    async cacheCleared({ hub }, request, { signal }) {
      const { prefix, tag } = request.query as { prefix?: string; tag?: string };
      if (prefix === undefined && tag === undefined) {
        await act(hub, { type: "cacheCleared" }, byOf(request), signal);
        return { ok: true };
      }
      const keys = [...(cache?.rows() ?? [])]
        .filter((row) => isMeant(row, prefix, tag))
        .map(({ key }) => key);
      if (keys.length === 0) return { ok: true, count: 0 };
      const why = tag === undefined ? ("prefix" as const) : ("tag" as const);
      const done = await act(hub, { type: "cacheDropped", keys, why }, byOf(request), signal);
      return { ok: true, ...(done as { count: number }) };
    },
    cacheDropped: ({ hub }, request, { signal }) =>
      act(
        hub,
        { type: "cacheDropped", keys: [paramOf(request, "key")], why: "person" },
        byOf(request),
        signal,
      ),
    cacheWrong({ hub }, request, { signal }) {
      const key = paramOf(request, "key");
      const { question } = request.body as { question?: string };
      const prompt = hub.rows.get("cache", key)?.prompt;
      const pair =
        question === undefined || prompt === undefined
          ? undefined
          : cache?.pairOf(prompt, question);
      const body = { type: "cacheDropped" as const, keys: [key], why: "person" as const };
      return act(hub, pair === undefined ? body : { ...body, pair }, byOf(request), signal);
    },
  };
}

function isMeant(row: CacheRow, prefix: string | undefined, tag: string | undefined): boolean {
  const { tags = [], depends = [] } = row.facts ?? {};
  const isTagged =
    tag === undefined || tags.includes(tag) || depends.some((of) => of.startsWith(`${tag}@`));
  return (
    isTagged && (prefix === undefined || row.prompt.toLowerCase().startsWith(prefix.toLowerCase()))
  );
}

function status({ hub, ask }: DeskParts, cache: AnswerCache | undefined): CacheStatusView {
  const count = (name: string): number => hub.rows.get("count", name) ?? 0;
  const now = cache?.status();
  const [agree, differ] = [count("cacheAudits/agree"), count("cacheAudits/differ")];
  const audits = agree + differ;
  return {
    size: now?.size ?? Math.min(count("cache"), LIMIT.cacheRows.max),
    hits: ask.cache.hits,
    misses: ask.cache.misses,
    exactHits: count("cacheHits/exact"),
    semanticHits: count("cacheHits/semantic"),
    savedMs: count("cacheSavedMs"),
    vectors: now?.vectors ?? 0,
    ...(now?.tag === undefined ? {} : { embedder: now.tag }),
    ...(now?.dimensions === undefined ? {} : { dimensions: now.dimensions }),
    threshold: now?.threshold ?? 1,
    ...(now?.calibration === undefined ? {} : { calibration: { ...now.calibration } }),
    audits: {
      agree,
      differ,
      ...(audits === 0 ? {} : { falseHitRate: differ / audits }),
      ...(audits === 0 ? {} : { falseHitRateMost: upperBound(differ, audits) }),
    },
    dropped: Object.fromEntries(
      CACHE_DROPS.map((why) => [why, count(`cacheDrops/${why}`)]),
    ) as CacheStatusView["dropped"], // of every word there is
    refused: { ...now?.refused },
  };
}

function entries(request: DeskRequest, cache: AnswerCache | undefined): unknown {
  const q = (request.query["q"] as string | undefined)?.toLowerCase();
  const all = [...(cache?.rows() ?? [])]
    .filter(({ prompt, text }) => q === undefined || `${prompt}\n${text}`.toLowerCase().includes(q))
    .toReversed();
  const { items, next } = pageOf(request, all.length, (place) => all[place]);
  return { entries: items.map(entryView), ...(next === undefined ? {} : { next }) };
}

function entryView({
  key,
  prompt,
  text,
  routing,
  hits,
  facts,
  atMs,
  expiresAtMs,
}: CacheRow): CacheEntryView {
  return {
    key,
    prompt,
    text,
    model: routing.model,
    hits: hits ?? 0,
    ...(facts === undefined ? {} : { person: facts.person, role: facts.role }),
    depends: [...(facts?.depends ?? [])],
    tags: [...(facts?.tags ?? [])],
    at: isoTime(atMs),
    expiresAt: isoTime(expiresAtMs),
  };
}
