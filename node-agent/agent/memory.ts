// What this node must not forget: fences of printers and what became of jobs. Kept in a journal.
//
// M1. The memory changes first, then the disk, then the world: who acts awaits `settled` journal
//     entries. A write that fails leaves the memory stricter than the disk, never laxer.
// M2. The highest token of a printer and of a job only grows.
// M3. Results stay until the hub has recorded them, and RECORDED_MAX of them after that, so that a
//     command that is told twice is not done twice.
// M4. Of the `once` jobs that were forgotten the highest token stays: leases are log positions, so a
//     lease of a job that is not known here and not newer than that is an old one, told late.

import { type ErrorRecord, isErrorCode } from "@gantry/shared/base/errors.ts";
import { EFFECTS } from "@gantry/shared/contract/rows.ts";
import { z } from "zod";
import type { Journal } from "../adapters/journal.ts";

const RECORDED_MAX = 256;
const COMPACT_BYTES = 1_048_576;

const errorSchema = z.object({
  code: z.string().refine(isErrorCode),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).exactOptional(),
});

export const entrySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("fence"),
    printer: z.string(),
    token: z.number().int(),
    job: z.string(),
  }),
  z.object({
    type: z.literal("accepted"),
    job: z.string(),
    token: z.number().int(),
    effect: z.enum(EFFECTS),
  }),
  z.object({
    type: z.literal("settled"),
    job: z.string(),
    token: z.number().int(),
    result: z.unknown().optional(),
    error: errorSchema.exactOptional(),
  }),
  z.object({ type: z.literal("recorded"), job: z.string(), token: z.number().int() }),
  z.object({ type: z.literal("forgotten"), token: z.number().int() }),
]);
export type Entry = z.infer<typeof entrySchema>;

export interface Outcome {
  readonly result?: unknown;
  readonly error?: ErrorRecord;
}

export interface KnownJob {
  readonly job: string;
  readonly token: number;
  readonly effect: "pure" | "idempotent" | "once";
  /** Undefined while it runs. */
  readonly outcome?: Outcome;
  readonly isRecorded: boolean;
}

export interface Fence {
  readonly token: number;
  readonly job: string;
}

export interface Memory {
  fenceOf(printer: string): Fence | undefined;
  job(id: string): KnownJob | undefined;
  /** M4; 0 while nothing was forgotten. */
  readonly forgottenToken: number;
  /** Jobs that run or whose outcome the hub has not recorded. */
  openJobs(): KnownJob[];
  /** Remembers at once; resolves when it is on disk. Throws disk_full, io_error. */
  keep(entry: Entry): Promise<void>;
}

/** The tables that entries fold into. */
export interface Tables {
  readonly fences: Map<string, Fence>;
  readonly jobs: Map<string, KnownJob>;
  /** M4. */
  forgottenToken: number;
}

export const makeTables = (): Tables => ({
  fences: new Map(),
  jobs: new Map(),
  forgottenToken: 0,
});

/** Changes the tables by one entry, as it happened or as it is read back. */
export function fold(tables: Tables, entry: Entry): void {
  const { fences, jobs } = tables;
  if (entry.type === "forgotten") {
    tables.forgottenToken = Math.max(tables.forgottenToken, entry.token);
    return;
  }
  if (entry.type === "fence") {
    const { printer, token, job } = entry;
    if (token >= (fences.get(printer)?.token ?? 0)) fences.set(printer, { token, job }); // M2
    return;
  }
  const { job, token } = entry;
  const known = jobs.get(job);
  if (known !== undefined && token < known.token) return; // M2
  jobs.delete(job); // the map's order is the order of the last change
  switch (entry.type) {
    case "accepted":
      jobs.set(job, { job, token, effect: entry.effect, isRecorded: false });
      break;
    case "settled": {
      const { result, error } = entry;
      const outcome = error === undefined ? { result } : { error };
      jobs.set(job, { job, token, effect: known?.effect ?? "once", outcome, isRecorded: false });
      break;
    }
    case "recorded":
      if (known !== undefined) jobs.set(job, { ...known, token, isRecorded: true });
      break;
  }
  forgetOldest(tables);
}

function forgetOldest(tables: Tables): void {
  const recorded = [...tables.jobs.values()].filter(({ isRecorded }) => isRecorded);
  for (const { job, token, effect } of recorded.slice(0, -RECORDED_MAX)) {
    tables.jobs.delete(job); // M3
    if (effect === "once") tables.forgottenToken = Math.max(tables.forgottenToken, token); // M4
  }
}

/** The fewest entries that fold into these tables. */
export function entriesOf({ fences, jobs, forgottenToken }: Tables): Entry[] {
  const entries: Entry[] = [...fences].map(([printer, { token, job }]) => ({
    type: "fence",
    printer,
    token,
    job,
  }));
  if (forgottenToken > 0) entries.push({ type: "forgotten", token: forgottenToken });
  for (const { job, token, effect, outcome, isRecorded } of jobs.values()) {
    entries.push({ type: "accepted", job, token, effect });
    if (outcome !== undefined) entries.push({ type: "settled", job, token, ...outcome });
    if (isRecorded) entries.push({ type: "recorded", job, token });
  }
  return entries;
}

export function makeMemory(tables: Tables, journal: Journal<Entry>): Memory {
  let compactAtBytes = Math.max(COMPACT_BYTES, journal.sizeBytes * 2);

  return {
    fenceOf: (printer) => tables.fences.get(printer),
    job: (id) => tables.jobs.get(id),
    get forgottenToken() {
      return tables.forgottenToken;
    },
    openJobs: () => [...tables.jobs.values()].filter(({ isRecorded }) => !isRecorded),
    async keep(entry) {
      fold(tables, entry); // M1
      await journal.append(entry);
      if (journal.sizeBytes < compactAtBytes) return;
      compactAtBytes = Number.POSITIVE_INFINITY; // one compaction at a time
      await journal.rewrite(() => entriesOf(tables));
      compactAtBytes = Math.max(COMPACT_BYTES, journal.sizeBytes * 2);
    },
  };
}
