// By what runs are found: numbers in the order of starts, numbers in the order of ends, and for each
// thing that a list may ask for the numbers of those that have it. Every list grows at its end alone,
// so a cursor stays good.
//
//   runs/N                 the N-th start -> run          runs/of/WORKFLOW, runs/by/PERSON -> N
//   runs/ended/E           the E-th end -> run            runs/STATE, runs/STATE/of/WORKFLOW and
//   runs/below/RUN         runs below one                 runs/STATE/by/PERSON of failed and cancelled
//                                                         ones, runs/word/WORD -> E
//   runs/cost/POWER/BUCKET -> E, by what a run cost       runs/cost/POWER: how many
//
// Lists of numbers are postings (../postings.ts).
//
// RX1. The lists of ends hold E's; one counts while the line of that run has the same E. A run that was
//      retried has left its lists by that, without being looked for in them.
//      Those that are done are nearly all of those that began: they are found in the lists of starts,
//      and cost no list of their own.
// RX2. A run below another is in `runs/below` and in `runs/ended`, and in no list beside.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { RunLineRow } from "@gantry/shared/contract/run-rows.ts";
import type { Json } from "../../workflow/json-value.ts";
import { allRead, appendOrder, type Context } from "../context.ts";
import { bucketOf } from "../histogram.ts";
import type { Postings } from "../postings.ts";
import { OF_RESULTS, type RunRow } from "../run-row.ts";
import type { RunSums } from "./run-sums.ts";

const WORD_CHARS_MAX = 40;
const TEXT_CHARS_MAX = 4_000; // of one run, looked at for words

/** The run with its number, in the lists of starts. */
export function indexStart(context: Context, postings: Postings, begun: RunRow): RunRow {
  const row = { ...begun, position: context.position };
  if (row.parent !== undefined) {
    appendOrder(context, `runs/below/${row.parent.run}`, row.id);
    return row;
  }
  const number = appendOrder(context, "runs", row.id);
  if (row.workflow !== "") postings.append(`runs/of/${row.workflow}`, number);
  postings.append(`runs/by/${row.by}`, number);
  return { ...row, number };
}

/** Its line, in the lists of ends and in the sums. */
export function indexEnd(context: Context, postings: Postings, sums: RunSums, row: RunRow): void {
  const ended = appendOrder(context, "runs/ended", row.id);
  const line = lineOf(row, ended, context);
  context.rows.cool("runLine", row.id, line);
  sums.count(line, 1);
  if (row.parent !== undefined) return; // RX2
  for (const list of endLists(line)) postings.append(list, ended);
  const cost = line.usage?.costMicroUsd ?? 0;
  if (cost === 0) return;
  const bucket = bucketOf(cost);
  postings.append(costList(bucket), ended);
  const group = costGroup(bucket);
  context.rows.cool("count", group, (context.rows.get("count", group) ?? 0) + 1);
}

/** It moves again. RX1. */
export function unindexEnd(context: Context, sums: RunSums, id: string): void {
  const line = context.rows.get("runLine", id);
  if (line === undefined) return;
  sums.count(line, -1);
  context.rows.remove("runLine", id);
}

const COST_GROUP = 32;
export const COST_GROUPS = 60; // beyond the bucket of 2^53
export const costGroup = (bucket: number): string => `runs/cost/${Math.floor(bucket / COST_GROUP)}`;
export const costList = (bucket: number): string => `${costGroup(bucket)}/${bucket}`;
/** Buckets of a group, the dearest first. */
export const bucketsOf = (group: number): number[] =>
  Array.from({ length: COST_GROUP }, (_, index) => (group + 1) * COST_GROUP - 1 - index);

function endLists({ state, workflow, by, words = [] }: RunLineRow): string[] {
  const found = words.map((word) => `runs/word/${word}`);
  if (state === "done") return found;
  const of = workflow === "" ? [] : [`runs/${state}/of/${workflow}`];
  return [`runs/${state}`, ...of, `runs/${state}/by/${by}`, ...found];
}

function lineOf(row: RunRow, ended: number, context: Context): RunLineRow {
  const { nowMs, position } = context;
  const { state } = row;
  const isFound = row.fidelity === "full" && row.parent === undefined;
  const ofResult = isFound && allRead(context, OF_RESULTS) ? resultWords(row) : [];
  const words = isFound ? [...new Set([...wordsOf(row), ...ofResult])] : [];
  return {
    id: row.id,
    ...(row.number === undefined ? {} : { number: row.number }),
    ended,
    workflow: row.workflow,
    definition: row.definition,
    fidelity: row.fidelity,
    state: state.state as RunLineRow["state"], // it is over
    revision: state.revision,
    by: row.by,
    createdAtMs: row.createdAtMs,
    changedAtMs: row.changedAtMs,
    endedMs: nowMs,
    fault: state.fault,
    ...(row.parent === undefined ? {} : { parent: row.parent.run }),
    ...(row.replayOf === undefined ? {} : { replayOf: row.replayOf.run }),
    ...(row.usage === undefined ? {} : { usage: row.usage }),
    ...(words.length === 0 ? {} : { words }),
    positions: [row.position ?? 0, position],
    entries: row.entries,
  };
}

/** Of its name, its inputs and its fault; at most LIMIT.runWords. */
function wordsOf({ workflow, state }: RunRow): readonly string[] {
  const { fault } = state;
  const texts = [workflow, ...(fault === null ? [] : [fault.code])];
  let chars = 0;
  const look = (value: Json): void => {
    if (chars >= TEXT_CHARS_MAX || value === null) return;
    if (typeof value === "string" || typeof value === "number") {
      const text = String(value).slice(0, TEXT_CHARS_MAX - chars);
      chars += text.length + 1;
      texts.push(text);
    } else if (typeof value === "object") for (const each of Object.values(value)) look(each);
  };
  look(state.inputs);
  if (fault !== null) texts.push(fault.message);
  const words = new Set<string>();
  for (const text of texts) {
    for (const word of searchWords(text)) {
      words.add(word);
      if (words.size === LIMIT.runWords.max) return [...words];
    }
  }
  return [...words];
}

/** Of what it gave; at most LIMIT.runResultWords, of the first TEXT_CHARS_MAX characters. */
function resultWords({ state }: RunRow): readonly string[] {
  const words = new Set<string>();
  let chars = TEXT_CHARS_MAX;
  const look = (value: Json): void => {
    if (chars <= 0 || words.size >= LIMIT.runResultWords.max || value === null) return;
    if (typeof value === "object") {
      for (const each of Object.values(value)) look(each);
      return;
    }
    if (typeof value === "boolean") return;
    const text = String(value).slice(0, chars);
    chars -= text.length + 1;
    for (const word of searchWords(text))
      if (words.size < LIMIT.runResultWords.max) words.add(word);
  };
  look(state.output);
  return [...words];
}

/** Letters and digits, in lower case. */
export const searchWords = (text: string): string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => word.slice(0, WORD_CHARS_MAX));
