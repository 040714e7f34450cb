// Checks of what the rows say about each other: counters, sums, numbering, references.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { startSha256 } from "@gantry/shared/base/digest.ts";
import type { GcodeFacts, MessageRow, PrintRow, SpendRow } from "@gantry/shared/contract/rows.ts";
import { messageId } from "../ledger/domains/conversation-rows.ts";
import { openCount } from "../ledger/domains/job-rows.ts";
import type { OrderedStore } from "../ports.ts";
import { type Check, makeFaults } from "./finding.ts";
import { rowAt, tableOf } from "./table.ts";

const ADVICE = "The rows do not agree. Run `replay` (above): if it is ok, report this as a bug.";

/** Each list has every place once and names a row; open jobs are counted. */
export const counts: Check = {
  name: "counts",
  advice: ADVICE,
  async examine({ ledger }) {
    const faults = makeFaults();
    const jobs = await countList(ledger, "jobs", "job", faults.add);
    const prints = await countList(ledger, "prints", "print", faults.add);
    const open = new Map<string, number>();
    for await (const name of openJobs(ledger)) open.set(name, (open.get(name) ?? 0) + 1);
    const counted = new Map<string, number>();
    for await (const [name, count] of tableOf(ledger, "count")) {
      if (name.startsWith("open/")) counted.set(name, count);
    }
    for (const name of new Set([...open.keys(), ...counted.keys()])) {
      const [found = 0, count = 0] = [open.get(name), counted.get(name)];
      if (found !== count) faults.add(`${found} jobs are ${name}, ${count} are counted`);
    }
    return { note: `${jobs} jobs, ${prints} prints`, faults: faults.list() };
  },
};

async function countList(
  ledger: OrderedStore,
  list: "jobs" | "prints",
  table: "job" | "print",
  addFault: (fault: string) => void,
): Promise<number> {
  const count = rowAt(ledger, "count", list) ?? 0;
  for (let place = 0; place < count; place += 1) {
    const id = rowAt(ledger, "order", `${list}/${place}`);
    const isThere = id !== undefined && rowAt(ledger, table, id) !== undefined;
    if (!isThere) addFault(`Place ${place} of ${list} names no ${table}`);
  }
  const ids = new Set<string>();
  for await (const [id, row] of tableOf(ledger, table)) {
    if (ids.has(id)) addFault(`The ${table} ${id} is stored twice`);
    if (!isWork(row)) ids.add(id);
  }
  if (ids.size !== count) addFault(`${list} counts ${count}, there are ${ids.size} rows`);
  return count;
}

/** Of each job that has not ended, the row that counts it. */
async function* openJobs(ledger: OrderedStore): AsyncGenerator<string> {
  for await (const [id, row] of tableOf(ledger, "job")) {
    if (ledger.getSync(`hot/job/${id}`) !== undefined) yield openCount(row);
  }
}

/** Work of programs is in lists of its own. */
const isWork = (row: object): boolean => "kind" in row && row.kind === "work";

/** Messages are numbered without a gap, answers have theirs, and money adds up. */
export const conversations: Check = {
  name: "conversations",
  advice: ADVICE,
  async examine({ ledger }, onProgress) {
    const faults = makeFaults();
    let expected = 0;
    for await (const [id, { messages }] of tableOf(ledger, "conversation")) {
      expected += messages;
      for (let seq = 0; seq < messages; seq += 1) {
        const message = rowAt(ledger, "message", messageId(id, seq));
        if (message?.seq !== seq) faults.add(`Message ${seq} of ${id} is missing`);
      }
    }
    const spent = new Map<string, SpendRow>();
    let messages = 0;
    for await (const [, message] of tableOf(ledger, "message")) {
      messages += 1;
      addSpend(spent, message);
      if (messages % 10_000 === 0) onProgress(`message ${messages} of ${expected}`);
    }
    if (messages !== expected) faults.add(`${messages} messages, conversations count ${expected}`);
    for await (const [question, message] of tableOf(ledger, "answer")) {
      const isThere = rowAt(ledger, "message", message)?.role === "assistant";
      if (!isThere) faults.add(`The answer to ${question} has no message ${message}`);
    }
    await compareSpend(ledger, spent, faults.add);
    return { note: `${messages} messages`, faults: faults.list() };
  },
};

function addSpend(spent: Map<string, SpendRow>, message: MessageRow): void {
  const { routing, usage, person } = message;
  if (routing === undefined || usage === undefined) return;
  const day = new Date(message.atMs).toISOString().slice(0, 10);
  const { tier, model } = routing;
  const id = `${day}|${person}|${tier}|${model}`;
  const before = spent.get(id);
  spent.set(id, {
    day,
    person,
    tier,
    model,
    answers: (before?.answers ?? 0) + 1,
    cachedAnswers: (before?.cachedAnswers ?? 0) + (routing.cached ? 1 : 0),
    promptTokens: (before?.promptTokens ?? 0) + usage.promptTokens,
    completionTokens: (before?.completionTokens ?? 0) + usage.completionTokens,
    costMicroUsd: (before?.costMicroUsd ?? 0) + usage.costMicroUsd,
  });
}

const SUMS = [
  "answers",
  "cachedAnswers",
  "promptTokens",
  "completionTokens",
  "costMicroUsd",
] as const satisfies readonly (keyof SpendRow)[];

async function compareSpend(
  ledger: OrderedStore,
  spent: ReadonlyMap<string, SpendRow>,
  addFault: (fault: string) => void,
): Promise<void> {
  const seen = new Set<string>();
  for await (const [id, row] of tableOf(ledger, "spend")) {
    seen.add(id);
    for (const sum of SUMS) {
      const recount = spent.get(id)?.[sum] ?? 0;
      if (row[sum] !== recount)
        addFault(`${id}: ${sum} is ${row[sum]}, a recount gives ${recount}`);
    }
  }
  for (const id of spent.keys()) if (!seen.has(id)) addFault(`${id}: there is no sum of it`);
}

/** A print and its confirmation name each other and agree; the file of each print is there. */
export const references: Check = {
  name: "references",
  advice: "A missing file cannot be printed: cancel the job and send it again.",
  async examine({ ledger, paths }, onProgress) {
    const faults = makeFaults();
    const files = new Map<string, GcodeFacts>();
    for await (const [, print] of tableOf(ledger, "print")) {
      files.set(print.gcode.sha256, print.gcode);
      const fault = confirmationFault(ledger, print);
      if (fault !== undefined) faults.add(fault);
    }
    for await (const [id, { pending }] of tableOf(ledger, "conversation")) {
      const state =
        pending === undefined ? "pending" : rowAt(ledger, "confirmation", pending)?.state;
      if (state !== "pending")
        faults.add(`${id} waits for ${pending}, which is ${state ?? "gone"}`);
    }
    for (const { sha256, sizeBytes } of files.values()) {
      onProgress(`file ${sha256.slice(0, 12)}`);
      const fault = await fileFault(join(paths.blobs, blobName(sha256)), sha256, sizeBytes);
      if (fault !== undefined) faults.add(fault);
    }
    return { note: `${files.size} files`, faults: faults.list() };
  },
};

/** As hub/adapters/blob-files.ts lays them out. */
const blobName = (sha256: string): string => join(sha256.slice(0, 2), sha256.slice(2, 4), sha256);

function confirmationFault(ledger: OrderedStore, print: PrintRow): string | undefined {
  const { id, state, confirmation } = print;
  if (confirmation === undefined) {
    return state === "awaiting" ? `${id} awaits a confirmation that it does not name` : undefined;
  }
  const asked = rowAt(ledger, "confirmation", confirmation);
  if (asked === undefined) return `${id} names the confirmation ${confirmation}, which is missing`;
  if (asked.action.type === "tool") return `${confirmation} is for a tool, not for ${id}`;
  if (asked.action.job !== id) return `${confirmation} is for ${asked.action.job}, not for ${id}`;
  const isAwaiting = state === "awaiting";
  if (isAwaiting !== (asked.state === "pending"))
    return `${id} is ${state}, ${confirmation} ${asked.state}`;
  if (print.startedCount > 0 && asked.state !== "consumed") return `${id} started unconfirmed`;
  return print.startedCount > 1 ? `${id} started ${print.startedCount} times` : undefined;
}

async function fileFault(
  path: string,
  sha256: string,
  sizeBytes: number,
): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return `The file ${sha256} is missing`;
  if (found.size !== sizeBytes)
    return `The file ${sha256} has ${found.size} bytes, not ${sizeBytes}`;
  const hasher = startSha256();
  for await (const bytes of createReadStream(path)) hasher.update(bytes as Uint8Array);
  return hasher.hex() === sha256
    ? undefined
    : `The file ${sha256} does not have the bytes it is named for`;
}
