// What this node must not forget: fences of printers and what became of jobs. Kept in a journal.
//
// M1. The memory changes first, then the disk, then the world: who acts awaits `settled` journal
//     entries. A write that fails leaves the memory stricter than the disk, never laxer.
// M2. The highest token of a printer and of a job only grows.
// M3. Results stay until the hub has recorded them, and RECORDED_MAX of them after that, so that a
//     command that is told twice is not done twice.

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
  /** Jobs that run or whose outcome the hub has not recorded. */
  openJobs(): KnownJob[];
  /** Remembers at once; resolves when it is on disk. Throws disk_full, io_error. */
  keep(entry: Entry): Promise<void>;
}

/** The tables that entries fold into. */
export interface Tables {
  readonly fences: Map<string, Fence>;
  readonly jobs: Map<string, KnownJob>;
}

export const makeTables = (): Tables => ({ fences: new Map(), jobs: new Map() });

/** Changes the tables by one entry, as it happened or as it is read back. */
export function fold({ fences, jobs }: Tables, entry: Entry): void {
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
  forgetOldest(jobs);
}

function forgetOldest(jobs: Map<string, KnownJob>): void {
  const recorded = [...jobs.values()].filter(({ isRecorded }) => isRecorded);
  for (const { job } of recorded.slice(0, -RECORDED_MAX)) jobs.delete(job); // M3
}

/** The fewest entries that fold into these tables. */
export function entriesOf({ fences, jobs }: Tables): Entry[] {
  const entries: Entry[] = [...fences].map(([printer, { token, job }]) => ({
    type: "fence",
    printer,
    token,
    job,
  }));
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
