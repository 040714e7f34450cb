// Lists of runs, by the numbers that the ledger keeps for them (ledger/domains/run-index.ts).
//
//   failed, cancelled, words, or
//   a time of ends                   the list of ends that is shortest, the last end first
//   a state that is not over         the live runs, the last start first
//   anything else                    the list of starts that is shortest, the last start first
//
// RL1. The cursor is the number of the last run shown: of its start, or of its end. Lists grow at the
//      end that is shown first, so a page is what it would have been however much was added since.
// RL2. One page looks at LIMIT.runLooks entries at most; where few of them are like what was asked for
//      it is a short one, and `next` goes on from there.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunLineRow } from "@gantry/shared/contract/run-rows.ts";
import type { RunSummary } from "@gantry/shared/contract/schemas/runs.ts";
import {
  bucketsOf,
  COST_GROUPS,
  costGroup,
  costList,
  searchWords,
} from "../ledger/domains/run-index.ts";
import { type Numbers, numbersIn } from "../ledger/postings.ts";
import type { Rows } from "../ledger/rows.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { DeskRequest } from "../ports.ts";
import { type DeskParts, pageOf } from "./context.ts";
import { lineSummary, runSummary } from "./run-views.ts";

export interface RunsQuery {
  readonly state?: string;
  readonly workflow?: string;
  readonly by?: string;
  readonly from?: string;
  readonly to?: string;
  readonly endedFrom?: string;
  readonly endedTo?: string;
  readonly text?: string;
  readonly sort?: "time" | "cost";
  readonly parent?: string;
}

/** A run in a list: live, or over and known by its line. */
type Entry =
  | { readonly kind: "live"; readonly row: RunRow }
  | { readonly kind: "over"; readonly line: RunLineRow };

interface Wanted {
  readonly state: string | undefined;
  readonly workflow: string | undefined;
  readonly by: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly endedFromMs: number;
  readonly endedToMs: number;
  readonly words: readonly string[];
}

export function runs({ hub }: DeskParts, request: DeskRequest): unknown {
  const query = request.query as RunsQuery;
  const { rows } = hub;
  const nowMs = hub.stampMs();
  const wanted = readWanted(query);
  const limit = Number(request.query["limit"] ?? 50);
  const show = (entry: Entry): RunSummary =>
    entry.kind === "live" ? runSummary(entry.row) : lineSummary(entry.line, nowMs);
  if (query.parent !== undefined) return below(rows, request, query.parent, wanted, show);
  const after = cursorOf(request);
  const found =
    query.sort === "cost"
      ? { entries: dearest(rows, wanted, limit), next: undefined }
      : pageFor(rows, wanted, after, limit);
  const { entries, next } = found;
  return { runs: entries.map(show), ...(next === undefined ? {} : { next: String(next) }) };
}

function readWanted(query: RunsQuery): Wanted {
  const { state, workflow, by, from, to, endedFrom, endedTo, text } = query;
  const words = text === undefined ? [] : [...new Set(searchWords(text))];
  if (text !== undefined && words.length === 0)
    throw new GantryError("bad_request", "text: there is no word in it");
  return {
    state,
    workflow,
    by,
    fromMs: from === undefined ? -Infinity : Date.parse(from),
    toMs: to === undefined ? Infinity : Date.parse(to),
    endedFromMs: endedFrom === undefined ? -Infinity : Date.parse(endedFrom),
    endedToMs: endedTo === undefined ? Infinity : Date.parse(endedTo),
    words,
  };
}

function cursorOf({ query }: DeskRequest): number {
  const after = query["after"];
  if (after === undefined) return Infinity;
  const number = Number(after);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new GantryError("bad_request", "The cursor `after` is not one of ours");
}

interface Page {
  readonly entries: readonly Entry[];
  readonly next: number | undefined;
}

/** There is a list of ends for it; RX1 says why none for those that are done. */
const isListed = (state: string | undefined): boolean =>
  state === "failed" || state === "cancelled";

const isByEnd = ({ endedFromMs, endedToMs }: Wanted): boolean =>
  endedFromMs > -Infinity || endedToMs < Infinity;

function pageFor(rows: Rows, wanted: Wanted, after: number, limit: number): Page {
  if (isListed(wanted.state) || wanted.words.length > 0 || isByEnd(wanted))
    return endedPage(rows, wanted, after, limit);
  if (wanted.state !== undefined && wanted.state !== "done")
    return livePage(rows, wanted, after, limit);
  return startedPage(rows, wanted, after, limit);
}

// ── in the order of starts ──────────────────────────────────────────────────────────────────────

function startedPage(rows: Rows, wanted: Wanted, after: number, limit: number): Page {
  const count = rows.get("count", "runs") ?? 0;
  const startMs = (number: number): number => {
    const entry = numbered(rows, number);
    return entry === undefined ? Infinity : factsOf(entry).createdAtMs;
  };
  const isTimed = wanted.fromMs > -Infinity || wanted.toMs < Infinity;
  const first = isTimed ? firstPlace(count, (number) => startMs(number) >= wanted.fromMs) : 0;
  const last = isTimed ? firstPlace(count, (number) => startMs(number) >= wanted.toMs) : count;
  const { workflow, by } = wanted;
  const lists = [
    ...(workflow === undefined ? [] : [`runs/of/${workflow}`]),
    ...(by === undefined ? [] : [`runs/by/${by}`]),
  ];
  const numbers = lists.length === 0 ? everyPlace(count) : numbersIn(rows, shortest(rows, lists));
  return walk(numbers, Math.min(after, last), first, limit, (number) => {
    const entry = numbered(rows, number);
    return entry !== undefined && isLike(entry, wanted) ? entry : undefined;
  });
}

function numbered(rows: Rows, number: number): Entry | undefined {
  const id = rows.get("order", `runs/${number}`);
  return id === undefined ? undefined : entryOf(rows, id);
}

function entryOf(rows: Rows, id: string): Entry | undefined {
  const row = rows.hot("run").get(id);
  if (row !== undefined) return { kind: "live", row };
  const line = rows.get("runLine", id);
  return line === undefined ? undefined : { kind: "over", line };
}

// ── in the order of ends ────────────────────────────────────────────────────────────────────────

function endedPage(rows: Rows, wanted: Wanted, after: number, limit: number): Page {
  const { state, workflow, by, words } = wanted;
  const lists = words.map((word) => `runs/word/${word}`);
  if (isListed(state)) {
    lists.push(`runs/${state}`);
    if (workflow !== undefined) lists.push(`runs/${state}/of/${workflow}`);
    if (by !== undefined) lists.push(`runs/${state}/by/${by}`);
  }
  const numbers =
    lists.length === 0
      ? everyPlace(rows.get("count", "runs/ended") ?? 0)
      : numbersIn(rows, shortest(rows, lists));
  let isPast = false; // what ended before `from` began before it, and so did all that ended earlier
  const page = walk(
    numbers,
    after,
    0,
    limit,
    (ended) => {
      const line = endedLine(rows, ended);
      if (line === undefined) return undefined;
      isPast = line.endedMs < Math.max(wanted.fromMs, wanted.endedFromMs);
      if (line.parent !== undefined) return undefined; // RX2
      const entry: Entry = { kind: "over", line };
      return isLike(entry, wanted) ? entry : undefined;
    },
    () => isPast,
  );
  return page;
}

/** RX1: undefined for an end that was not the last one of its run. */
function endedLine(rows: Rows, ended: number): RunLineRow | undefined {
  const id = rows.get("order", `runs/ended/${ended}`);
  const line = id === undefined ? undefined : rows.get("runLine", id);
  return line?.ended === ended ? line : undefined;
}

// ── live ones, dear ones, those below another ───────────────────────────────────────────────────

/** They are all in memory: LIMIT.runs of them at most. */
function livePage(rows: Rows, wanted: Wanted, after: number, limit: number): Page {
  const like = [...rows.hot("run").values()].filter(
    (row) =>
      row.number !== undefined && row.number < after && isLike({ kind: "live", row }, wanted),
  );
  like.sort((a, b) => (b.number ?? 0) - (a.number ?? 0));
  const entries = like.slice(0, limit).map((row): Entry => ({ kind: "live", row }));
  return { entries, next: like.length > limit ? like[limit - 1]?.number : undefined };
}

/** Buckets from the dearest down, until there are enough; what is in one is ordered exactly. */
function dearest(rows: Rows, wanted: Wanted, limit: number): readonly Entry[] {
  const found: RunLineRow[] = [];
  let looks = 0;
  for (let group = COST_GROUPS - 1; group >= 0 && found.length < limit; group -= 1) {
    const buckets = bucketsOf(group);
    const first = buckets[0];
    if (first === undefined || (rows.get("count", costGroup(first)) ?? 0) === 0) continue;
    for (const bucket of buckets) {
      if (found.length >= limit || looks >= LIMIT.runLooks.max) break;
      const numbers = numbersIn(rows, costList(bucket));
      for (let place = numbers.count - 1; place >= 0 && looks < LIMIT.runLooks.max; place -= 1) {
        looks += 1;
        const line = endedLine(rows, numbers.at(place));
        if (line !== undefined && isLike({ kind: "over", line }, wanted)) found.push(line);
      }
    }
  }
  found.sort((a, b) => costOf(b) - costOf(a) || b.ended - a.ended);
  return found.slice(0, limit).map((line): Entry => ({ kind: "over", line }));
}

const costOf = ({ usage }: RunLineRow): number => usage?.costMicroUsd ?? 0;

function below(
  rows: Rows,
  request: DeskRequest,
  parent: string,
  wanted: Wanted,
  show: (entry: Entry) => RunSummary,
): unknown {
  const list = `runs/below/${parent}`;
  const { items, next } = pageOf(request, rows.get("count", list) ?? 0, (place) => {
    const id = rows.get("order", `${list}/${place}`);
    const entry = id === undefined ? undefined : entryOf(rows, id);
    return entry !== undefined && isLike(entry, wanted) ? show(entry) : undefined;
  });
  return { runs: items, ...(next === undefined ? {} : { next }) };
}

// ── what lists have in common ───────────────────────────────────────────────────────────────────

interface Facts extends Pick<RunRow, "workflow" | "by" | "createdAtMs"> {
  readonly state: string;
}

const factsOf = (entry: Entry): Facts =>
  entry.kind === "over" ? entry.line : { ...entry.row, state: entry.row.state.state };

function isLike(entry: Entry, wanted: Wanted): boolean {
  const { state, workflow, by, createdAtMs } = factsOf(entry);
  if (wanted.state !== undefined && state !== wanted.state) return false;
  if (wanted.workflow !== undefined && workflow !== wanted.workflow) return false;
  if (wanted.by !== undefined && by !== wanted.by) return false;
  if (createdAtMs < wanted.fromMs || createdAtMs >= wanted.toMs) return false;
  if (isByEnd(wanted) && !endedIn(entry, wanted)) return false;
  if (wanted.words.length === 0) return true;
  const words = entry.kind === "over" ? (entry.line.words ?? []) : [];
  return wanted.words.every((word) => words.includes(word));
}

const endedIn = (entry: Entry, { endedFromMs, endedToMs }: Wanted): boolean =>
  entry.kind === "over" && entry.line.endedMs >= endedFromMs && entry.line.endedMs < endedToMs;

const everyPlace = (count: number): Numbers => ({ count, at: (place) => place });

function shortest(rows: Rows, lists: readonly string[]): string {
  const [first = "runs"] = lists.toSorted(
    (a, b) => (rows.get("count", a) ?? 0) - (rows.get("count", b) ?? 0),
  );
  return first;
}

/** The first place of an ordered list for which it holds, or `count`. About 17 looks for 100,000. */
export function firstPlace(count: number, holds: (place: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Numbers below `before` and not below `first`, downwards. */
function walk(
  numbers: Numbers,
  before: number,
  first: number,
  limit: number,
  read: (number: number) => Entry | undefined,
  isPast: () => boolean = () => false,
): Page {
  const { count } = numbers;
  const start = before === Infinity ? count : firstPlace(count, (at) => numbers.at(at) >= before);
  const entries: Entry[] = [];
  let looks = 0;
  for (let place = start - 1; place >= 0; place -= 1) {
    const number = numbers.at(place);
    if (number < first) return { entries, next: undefined };
    const entry = read(number);
    if (isPast()) return { entries, next: undefined };
    if (entry !== undefined) entries.push(entry);
    looks += 1;
    const isFull = entries.length >= limit || looks >= LIMIT.runLooks.max;
    if (isFull) return { entries, next: place > 0 ? number : undefined }; // RL1, RL2
  }
  return { entries, next: undefined };
}
