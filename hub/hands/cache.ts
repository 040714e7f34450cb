// The semantic cache at work: finds an answer that was given to a question which asks the same, keeps what
// may be kept, and measures how often that was wrong.
//
// SC1. Likeness proposes, the guard decides (hub/cache/guard), rights and revisions of what the answer
//      speaks of come last. Whichever says no, a model is asked.
// SC2. Nothing is embedded where no kept answer could be found: of another scope, or none at all.
// SC3. Of equal questions that come while the first one is being answered the others wait for its answer.
// SC4. One of AUDIT_ONE_IN hits is also answered anew and compared; what differs is dropped and its pair of
//      questions barred.
// SC5. Vectors are derived: they are made again by each leader, and for each embedder.

import { digestOf } from "@gantry/shared/base/digest.ts";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CacheFacts } from "@gantry/shared/contract/memory.ts";
import type { CacheRow } from "@gantry/shared/contract/rows.ts";
import { askModel, cacheUntilMs } from "../ask/model-answer.ts";
import { dependencesOf, isUsable } from "../ask/kept-answers.ts";
import type { Decision } from "../ask/plan.ts";
import { type AnswerTier, type Outcome, passed, taken, type Turn } from "../ask/tiers.ts";
import {
  type Calibration,
  calibrate,
  groupsOf,
  likenesses,
  UNMEASURED,
} from "../cache/calibration.ts";
import { type Difference, differenceOf } from "../cache/guard/guard.ts";
import { type Reading, readQuestion } from "../cache/guard/reading.ts";
import { namesFrom, type Names } from "../cache/guard/tokens.ts";
import { whyNotAlike, whyNotKept } from "../cache/keepable.ts";
import { SAME_QUESTIONS } from "../cache/labelled.ts";
import { saySame } from "../cache/same-answer.ts";
import { makeVectorIndex, type VectorIndex } from "../cache/vector-index.ts";
import { act, byHub, type Hub } from "../hub.ts";
import { embedderTag } from "./index-vectors.ts";
import type { Models } from "./models.ts";

const LOOKED_AT = 8;
const AUDIT_ONE_IN = 64; // 1.6 %
const EMBED_MS = 1_500;
const BATCH = 32;
const LOAD_STEP = 500;
const REST_MS = 1_000;

export interface CacheStatus {
  readonly size: number;
  readonly vectors: number;
  readonly tag: string | undefined;
  readonly dimensions: number | undefined;
  readonly threshold: number;
  readonly calibration: Calibration | undefined;
  readonly refused: Readonly<Partial<Record<Difference | "rights" | "barred", number>>>;
}

export interface Learnt {
  readonly cache?: CacheFacts;
  readonly hit?: { readonly key: string; readonly isExact: boolean; readonly savedMs: number };
}

export interface AnswerCache {
  readonly tier: AnswerTier;
  /** What an answer's entry says of the cache. */
  learn(turn: Turn, decision: Decision, latencyMs: number): Learnt;
  /** SC3, SC4: the answer is on record, or the question has failed. */
  ended(turn: Turn, decision: Decision | undefined): void;
  status(): CacheStatus;
  /** Every kept answer, the newest first. */
  rows(): Generator<CacheRow>;
  /** Of two questions, whichever was asked first. */
  pairOf(prompt: string, other: string): string;
  run(signal: AbortSignal): Promise<void>;
  close(): void;
}

interface Entry {
  readonly prompt: string;
  readonly scope: string;
  reading?: { readonly names: Names; readonly of: Reading };
}

export function makeAnswerCache(hub: Hub, models: Models, life: AbortSignal): AnswerCache {
  const { rows } = hub;
  const entries = new Map<string, Entry>();
  const scopes = new Map<string, number>();
  const lacking = new Set<string>();
  const flights = new Map<string, { readonly question: string; readonly ended: Promise<void> }>();
  const landings = new Map<string, () => void>();
  const asked = new Map<string, readonly number[]>(); // by prompt: vectors of recent questions
  const refused: Partial<Record<Difference | "rights" | "barred", number>> = {};
  const calibrations = new Map<string, Calibration>();
  let vectors: { readonly tag: string; readonly index: VectorIndex } | undefined;
  let names: { readonly of: Names; readonly untilMs: number } | undefined;

  // ── what is kept ──────────────────────────────────────────────────────────────────────────────

  function take(key: string, row: CacheRow | undefined): void {
    if (row?.facts === undefined) return drop(key);
    const { scope } = row.facts;
    const known = entries.get(key);
    if (known?.prompt === row.prompt && known.scope === scope) return undefined;
    drop(key);
    entries.set(key, { prompt: row.prompt, scope });
    scopes.set(scope, (scopes.get(scope) ?? 0) + 1);
    const vector = asked.get(row.prompt);
    if (vector === undefined || vectors === undefined) lacking.add(key);
    else vectors.index.put(key, scope, vector);
    return undefined;
  }

  function drop(key: string): void {
    const known = entries.get(key);
    if (known === undefined) return;
    entries.delete(key);
    lacking.delete(key);
    vectors?.index.drop(key);
    const left = (scopes.get(known.scope) ?? 1) - 1;
    if (left > 0) scopes.set(known.scope, left);
    else scopes.delete(known.scope);
  }

  const end = rows.observe("cache", {
    changed: (key, hot, cold) => take(key, hot ?? cold),
    reloaded() {
      for (const key of entries.keys()) drop(key); // read anew by the next reign
    },
  });

  function* kept(): Generator<CacheRow> {
    const made = rows.get("count", "cache") ?? 0;
    const first = Math.max(0, made - LIMIT.cacheRows.max);
    for (let place = made - 1; place >= first; place -= 1) {
      const slot = `cache/${place % LIMIT.cacheRows.max}`;
      const key = rows.get("order", slot);
      const row = key === undefined ? undefined : rows.get("cache", key);
      if (row !== undefined) yield row;
    }
  }

  async function load(signal: AbortSignal): Promise<void> {
    let count = 0;
    for (const row of kept()) {
      take(row.key, row);
      count += 1;
      if (count % LOAD_STEP === 0) await hub.clock.sleep(1, signal);
    }
  }

  // ── names, vectors, thresholds ────────────────────────────────────────────────────────────────

  function* namesNow(): Generator<string> {
    for (const { id } of rows.hot("device").values()) yield id;
    for (const { name } of rows.hot("node").values()) yield name;
    for (const { person } of rows.hot("token").values()) yield person;
    for (const { id } of rows.hot("spool").values()) yield id;
    for (const { name } of rows.hot("workflow").values()) yield name;
  }

  function liveNames(): Names {
    const nowMs = hub.clock.monotonic();
    if (names === undefined || names.untilMs <= nowMs)
      names = { of: namesFrom(namesNow()), untilMs: nowMs + 1_000 };
    return names.of;
  }

  function readingOf(entry: Entry, live: Names): Reading {
    if (entry.reading?.names !== live)
      entry.reading = { names: live, of: readQuestion(entry.prompt, live) };
    return entry.reading.of;
  }

  /** Undefined where nobody can, or not soon enough to be worth it. */
  async function vectorOf(
    text: string,
    signal: AbortSignal,
  ): Promise<readonly number[] | undefined> {
    try {
      const limit = hub.clock.timeout(EMBED_MS, signal);
      const { tag, vectors: found } = await models.embed([text], limit);
      const [vector] = found;
      if (vector === undefined) return undefined;
      useTag(tag, vector.length);
      keepAsked(text, vector);
      return vector;
    } catch {
      return undefined;
    }
  }

  /** SC5. */
  function useTag(tag: string, dimensions: number): void {
    if (vectors?.tag === tag && vectors.index.dimensions === dimensions) return;
    vectors = { tag, index: makeVectorIndex(dimensions) };
    asked.clear();
    for (const key of entries.keys()) lacking.add(key);
  }

  function keepAsked(text: string, vector: readonly number[]): void {
    const [oldest] = asked.keys();
    if (asked.size >= LIMIT.answersWaiting.max && oldest !== undefined) asked.delete(oldest);
    asked.set(text, vector);
  }

  const thresholdOf = (tag: string | undefined): number =>
    (tag === undefined ? undefined : calibrations.get(tag)?.threshold) ?? UNMEASURED;

  async function measure(tag: string, signal: AbortSignal): Promise<void> {
    const texts = SAME_QUESTIONS.flat();
    const found: (readonly number[])[] = [];
    for (let at = 0; at < texts.length; at += BATCH) {
      const answer = await models.embed(texts.slice(at, at + BATCH), signal);
      if (answer.tag !== tag) return;
      found.push(...answer.vectors);
    }
    const pairs = SAME_QUESTIONS.map(
      (_, at) => [found[2 * at] ?? [], found[2 * at + 1] ?? []] as const,
    );
    const { same, unrelated } = likenesses(pairs, groupsOf(SAME_QUESTIONS));
    const calibration = calibrate(same, unrelated);
    calibrations.set(tag, calibration);
    hub.log.info({ tag, ...calibration }, "the likeness of questions is measured");
  }

  // ── the tier ──────────────────────────────────────────────────────────────────────────────────

  async function answer(turn: Turn, signal: AbortSignal): Promise<Outcome> {
    const { plan } = turn;
    const { key, request } = turn.asked;
    if (plan.isFresh) return passed("a fresh answer is asked for");
    if (key === undefined) return passed("a repeat may differ");
    const shared = await landed(turn, key, signal); // SC3
    if (shared !== undefined) return shared;
    const { text } = plan.prefixed;
    if (text.length > LIMIT.likenessChars.max) return passed("it is too long to be compared");
    const why = whyNotAlike(
      text,
      request.messages.some(({ role }) => role === "assistant"),
    );
    if (why !== undefined) return passed(why);
    const scope = scopeOf(turn);
    if (!scopes.has(scope)) return passed("nothing was kept that it could be compared with"); // SC2
    const vector = await vectorOf(text, signal);
    if (vector === undefined || vectors === undefined) return passed("nobody can embed it now");
    return nearest(turn, scope, vector);
  }

  function nearest(turn: Turn, scope: string, vector: readonly number[]): Outcome {
    const { text } = turn.plan.prefixed;
    const live = liveNames();
    const reading = readQuestion(text, live);
    const threshold = thresholdOf(vectors?.tag);
    const near = vectors?.index.near(vector, [scope], LOOKED_AT, threshold) ?? [];
    let reason = `no kept question is at least ${threshold} alike`;
    for (const { id, likeness } of near) {
      const entry = entries.get(id);
      const row = rows.get("cache", id);
      if (entry === undefined || row === undefined) continue;
      const fault = faultOf(turn, row, differenceOf(reading, readingOf(entry, live)));
      if (fault === undefined) {
        hub.metrics.cacheLookups.inc({ result: "semantic" });
        turn.say(row.text);
        return taken(hitOf(row, likeness));
      }
      refused[fault] = (refused[fault] ?? 0) + 1;
      reason = `a kept question is ${likeness.toFixed(2)} alike and differs: ${fault}`;
    }
    return passed(reason);
  }

  /** SC1. */
  function faultOf(
    { plan }: Turn,
    row: CacheRow,
    difference: Difference | undefined,
  ): Difference | "rights" | "barred" | undefined {
    if (difference !== undefined) return difference;
    if (rows.get("cacheBar", pairOf(row.prompt, plan.prefixed.text)) !== undefined) return "barred";
    return isUsable(rows, row, plan.question.role, hub.stampMs()) ? undefined : "rights";
  }

  function hitOf(row: CacheRow, likeness: number): Decision {
    const { tier, model, confidence, metadata } = row.routing;
    return {
      text: row.text,
      tier,
      model,
      confidence,
      cached: true,
      reason: `a question that asks the same was answered before (${likeness.toFixed(2)} alike)`,
      metadata: {
        ...metadata,
        cache: "semantic",
        likeness: Math.round(likeness * 1_000) / 1_000,
        ageS: Math.round((hub.stampMs() - row.atMs) / 1_000),
        cacheKey: row.key,
      },
    };
  }

  /** SC3. Undefined: this one is the first, and others wait for it from now on. */
  async function landed(
    turn: Turn,
    key: string,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const flight = flights.get(key);
    const { id, role } = turn.plan.question;
    if (flight === undefined || flight.question === id) {
      const { promise, resolve } = Promise.withResolvers<void>();
      flights.set(key, { question: id, ended: promise });
      landings.set(id, () => {
        flights.delete(key);
        landings.delete(id);
        resolve();
      });
      return undefined;
    }
    await orAborted(flight.ended, signal);
    const row = rows.get("cache", key);
    if (row === undefined || !isUsable(rows, row, role, hub.stampMs())) return undefined;
    turn.say(row.text);
    const { tier, model, confidence, metadata } = row.routing;
    const reason = "the same question was being answered";
    const shared = { ...metadata, cache: "exact", ageS: 0, cacheKey: key };
    return taken({
      text: row.text,
      tier,
      model,
      confidence,
      cached: true,
      reason,
      metadata: shared,
    });
  }

  /** Everything that an answer may rest on but the words of the question: pictures beside them too. */
  function scopeOf({ asked: { request, wanted }, plan }: Turn): string {
    const { messages, session: _, ...options } = request;
    return digestOf({
      generation: rows.get("count", "cacheGeneration") ?? 0,
      model: wanted ?? "auto",
      provider: plan.question.provider ?? "",
      before: JSON.parse(JSON.stringify(messages.slice(0, -1))),
      beside: JSON.parse(JSON.stringify({ ...messages.at(-1), content: "" })),
      ...JSON.parse(JSON.stringify(options)), // without members that are undefined
    });
  }

  function learn(turn: Turn, decision: Decision, latencyMs: number): Learnt {
    const { plan, asked: question } = turn;
    if (decision.cached === true) {
      const key = String(decision.metadata?.["cacheKey"] ?? question.key ?? "");
      const spentMs = rows.get("cache", key)?.routing.latencyMs ?? latencyMs;
      const isExact = decision.metadata?.["cache"] !== "semantic";
      return { hit: { key, isExact, savedMs: Math.max(0, spentMs - latencyMs) } };
    }
    const key = decision.cacheKey;
    const { text } = plan.prefixed;
    const why = whyNotKept({
      question: text,
      answer: decision.text,
      hasEffects: (decision.effects ?? []).length > 0,
      tier: decision.tier,
      people: [...rows.hot("token").values()].map(({ person }) => person),
    });
    if (key === undefined || why !== undefined) return {};
    return {
      cache: {
        key,
        prompt: text,
        expiresAtMs: cacheUntilMs(hub),
        scope: scopeOf(turn),
        person: plan.question.person,
        role: plan.question.role,
        depends: dependencesOf(rows, `${text} ${decision.text}`),
        tags: [`model:${decision.model}`, `tier:${decision.tier}`],
      },
    };
  }

  // ── audits ────────────────────────────────────────────────────────────────────────────────────

  function ended(turn: Turn, decision: Decision | undefined): void {
    landings.get(turn.plan.question.id)?.();
    if (decision?.cached !== true || decision.metadata?.["cache"] !== "semantic") return;
    if (hub.random() * AUDIT_ONE_IN < 1) void audit(turn, decision);
  }

  /** SC4. */
  async function audit(turn: Turn, decision: Decision): Promise<void> {
    const key = String(decision.metadata?.["cacheKey"]);
    const prompt = rows.get("cache", key)?.prompt;
    if (prompt === undefined) return;
    try {
      const asker = { urgency: "batch" as const };
      const fresh = await askModel(hub, models, turn.asked, () => {}, life, asker);
      const agrees = saySame(fresh.text, decision.text);
      await act(hub, { type: "cacheAudited", key, agrees }, byHub(hub), life);
      if (agrees) return;
      const pair = pairOf(prompt, turn.plan.prefixed.text);
      await act(hub, { type: "cacheDropped", keys: [key], why: "audit", pair }, byHub(hub), life);
    } catch (error) {
      if (!life.aborted) hub.log.warn({ error: toErrorRecord(error) }, "a hit was not audited");
    }
  }

  /** Vectors of what was kept before this reign, and of what came while nobody could embed. */
  async function fill(signal: AbortSignal): Promise<void> {
    const tag = embedderTag(hub);
    if (tag === undefined || entries.size === 0) return;
    if (!calibrations.has(tag)) await measure(tag, signal);
    const batch = [...lacking].slice(0, BATCH);
    if (batch.length === 0) return;
    const texts = batch.map((key) => entries.get(key)?.prompt ?? "");
    const { tag: by, vectors: found } = await models.embed(texts, signal);
    const [first] = found;
    if (first !== undefined) useTag(by, first.length);
    for (const [at, key] of batch.entries()) {
      const entry = entries.get(key);
      const vector = found[at];
      if (entry === undefined || entry.prompt !== texts[at] || vector === undefined) continue;
      vectors?.index.put(key, entry.scope, vector);
      lacking.delete(key);
    }
  }

  return {
    tier: { tier: "semanticCache", answer },
    learn,
    ended,
    status: () => ({
      size: entries.size,
      vectors: vectors?.index.size ?? 0,
      tag: vectors?.tag ?? embedderTag(hub),
      dimensions: vectors?.index.dimensions,
      threshold: thresholdOf(vectors?.tag ?? embedderTag(hub)),
      calibration: calibrations.get(vectors?.tag ?? ""),
      refused: { ...refused },
    }),
    rows: kept,
    pairOf,
    async run(signal) {
      await load(signal);
      while (!signal.aborted) {
        await fill(signal).catch((error: unknown) => {
          if (!signal.aborted)
            hub.log.warn({ error: toErrorRecord(error) }, "kept questions wait for their vectors");
        });
        await hub.clock.sleep(lacking.size > BATCH ? 1 : REST_MS, signal).catch(() => {});
      }
    },
    close: end,
  };
}

const pairOf = (prompt: string, other: string): string =>
  digestOf([prompt, other].map((text) => text.normalize("NFKC").trim()).toSorted());

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
