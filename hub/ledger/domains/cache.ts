// Answers that may be given again: kept with the answer that made them, dropped when what they rest on
// changes or when somebody says they were wrong.
//
// CA1. There are at most LIMIT.cacheRows of them. A hand goes round; what was given again, and what cost
//      much to make, is passed over until its worth is used up (CLOCK with a count, after F. Corbató 1968).
// CA2. Whose answer was used by whom is audited.
// CA3. A pair of questions that was judged different is barred: no likeness brings it together again.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { CacheFacts } from "@gantry/shared/contract/memory.ts";
import type { Routing, Usage } from "@gantry/shared/contract/rows.ts";
import type { Context } from "../context.ts";
import { answerBought, answerGiven } from "./asking.ts";
import { keepDrafts } from "./memory.ts";

const LOOKS_MAX = 8;
const WORTH_MAX = 6;

export function answerLearnt(context: Context, command: CommandOf<"answerLearnt">): unknown {
  const { answer, reservation, memories, cache, hit, atMs, actor, requestId } = command;
  const body = { ...answer, atMs, actor, requestId };
  const reply =
    reservation === undefined
      ? answerGiven(context, { ...body, type: "answerGiven" })
      : answerBought(context, { ...body, type: "answerBought", reservation });
  const remembered = keepDrafts(context, memories, actor);
  if (cache !== undefined) keepEntry(context, cache, answer);
  if (hit !== undefined) noteHit(context, hit);
  return { ...(reply as object), remembered };
}

function noteHit(
  context: Context,
  { key, isExact, savedMs }: { key: string; isExact: boolean; savedMs: number },
): void {
  const { rows, command } = context;
  count(context, isExact ? "cacheHits/exact" : "cacheHits/semantic", 1);
  count(context, "cacheSavedMs", Math.max(0, Math.round(savedMs)));
  const row = rows.get("cache", key);
  if (row === undefined) return; // dropped while the answer was on its way
  const worth = Math.min(WORTH_MAX, (row.worth ?? 0) + 1);
  rows.cool("cache", key, { ...row, hits: (row.hits ?? 0) + 1, worth });
  context.audit("cache.used", key, { of: row.facts?.person ?? "unknown", by: command.actor }); // CA2
}

const count = ({ rows }: Context, name: string, more: number): void =>
  rows.cool("count", name, (rows.get("count", name) ?? 0) + more);

/** CA1. */
export function keepEntry(
  context: Context,
  { key, prompt, expiresAtMs, ...facts }: CacheFacts,
  answer: { readonly text: string; readonly routing: Routing; readonly usage: Usage },
): void {
  const { rows, nowMs } = context;
  const { text, routing, usage } = answer;
  const known = rows.get("cache", key);
  const worth = Math.min(WORTH_MAX, Math.floor(Math.log10(1 + routing.latencyMs)));
  rows.cool("cache", key, {
    key,
    prompt,
    text,
    routing,
    usage,
    atMs: nowMs,
    expiresAtMs,
    facts,
    hits: known?.hits ?? 0,
    worth,
  });
  if (known !== undefined) return; // it has its place
  const slot = freeSlot(context);
  const dropped = rows.get("order", slot);
  if (dropped !== undefined) rows.remove("cache", dropped);
  rows.cool("order", slot, key);
}

/** CA1. The hand is the count of the ring; it moves one place at least. */
function freeSlot({ rows, nowMs }: Context): string {
  let made = rows.get("count", "cache") ?? 0;
  for (let looks = 0; ; looks += 1, made += 1) {
    const slot = `cache/${made % LIMIT.cacheRows.max}`;
    const key = rows.get("order", slot);
    const row = key === undefined ? undefined : rows.get("cache", key);
    const worth = row?.worth ?? 0;
    const isFree = row === undefined || worth === 0 || row.expiresAtMs <= nowMs;
    if (isFree || looks === LOOKS_MAX) {
      rows.cool("count", "cache", made + 1);
      return slot;
    }
    rows.cool("cache", row.key, { ...row, worth: worth - 1 });
  }
}

export function cacheDropped(context: Context, command: CommandOf<"cacheDropped">): unknown {
  const { rows, nowMs } = context;
  const { keys, why, pair } = command;
  const known = keys.filter((key) => rows.get("cache", key) !== undefined);
  if (known.length === 0 && pair === undefined)
    throw new GantryError("not_found", "There is no such answer");
  for (const key of known) rows.remove("cache", key);
  if (pair !== undefined) bar(context, pair, why); // CA3
  count(context, `cacheDrops/${why}`, known.length);
  context.audit("cache.dropped", keys.length === 1 ? (keys[0] ?? "") : "several", {
    why,
    count: known.length,
    atMs: nowMs,
  });
  return { count: known.length };
}

function bar(context: Context, pair: string, why: CommandOf<"cacheDropped">["why"]): void {
  const { rows, nowMs } = context;
  const made = rows.get("count", "cacheBars") ?? 0;
  const slot = `cacheBars/${made % LIMIT.cacheBars.max}`;
  const oldest = rows.get("order", slot);
  if (oldest !== undefined) rows.remove("cacheBar", oldest);
  rows.cool("order", slot, pair);
  rows.cool("count", "cacheBars", made + 1);
  rows.cool("cacheBar", pair, { atMs: nowMs, why });
}

export function cacheAudited(
  context: Context,
  { key, agrees }: CommandOf<"cacheAudited">,
): unknown {
  count(context, agrees ? "cacheAudits/agree" : "cacheAudits/differ", 1);
  context.audit("cache.audited", key, { agrees });
  return { ok: true };
}
