// The journal as one file of lines: sum, space, JSON. Appended and synced; rewritten when long.
//
// JN1. A write resolves after fdatasync: the first byte of a job leaves only after `put` did.
// JN2. A torn last line (power cut) is dropped at the next start; a damaged line before the last one
//      is refused with data_damaged, for it may be the one that says "started".
// JN3. The rewrite goes to a new file that is synced and renamed over the old one.

import { mkdir, open, readFile, rename, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { JobRow, Journal } from "../ports.ts";

type Entry =
  | { readonly kind: "token"; readonly printer: string; readonly token: number }
  | { readonly kind: "job"; readonly row: JobRow };

/** Acknowledged rows that are kept to know a repeated start by; the oldest goes first. */
const ROWS_MAX = 512;
const ENTRIES_MAX = 4_096;

/** Throws data_damaged or io_error. */
export async function openJournal(path: string): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true });
  const tokens = new Map<string, number>();
  const jobs = new Map<string, JobRow>();
  for (const entry of await readEntries(path)) apply(entry);
  let file = await rewrite();
  let entriesInFile = tokens.size + jobs.size;
  let tail: Promise<void> = Promise.resolve();

  function apply(entry: Entry): void {
    if (entry.kind === "token") {
      tokens.set(entry.printer, Math.max(entry.token, tokens.get(entry.printer) ?? 0));
      return;
    }
    const { row } = entry;
    const key = keyOf(row.printer, row.job);
    jobs.delete(key); // a changed row becomes the newest
    jobs.set(key, row);
    if (jobs.size <= ROWS_MAX) return;
    const oldest = [...jobs].find(([, { isAcknowledged }]) => isAcknowledged);
    if (oldest !== undefined) jobs.delete(oldest[0]);
  }

  /** JN3 */
  async function rewrite(): Promise<FileHandle> {
    const next = `${path}.new`;
    const handle = await open(next, "w");
    const entries: Entry[] = [
      ...[...tokens].map(([printer, token]): Entry => ({ kind: "token", printer, token })),
      ...[...jobs.values()].map((row): Entry => ({ kind: "job", row })),
    ];
    await handle.writeFile(entries.map(lineOf).join(""));
    await handle.sync();
    await handle.close();
    await rename(next, path);
    const folder = await open(dirname(path), "r");
    await folder.sync();
    await folder.close();
    return open(path, "a");
  }

  async function append(entry: Entry): Promise<void> {
    if (entriesInFile >= ENTRIES_MAX) {
      await file.close();
      file = await rewrite();
      entriesInFile = tokens.size + jobs.size;
    }
    await file.appendFile(lineOf(entry));
    await file.datasync(); // JN1
    entriesInFile += 1;
  }

  /** One write after the other, in the order of the calls. */
  function record(entry: Entry): Promise<void> {
    apply(entry);
    const written = tail.then(() => append(entry));
    tail = written.catch(() => undefined);
    return written;
  }

  return {
    highestToken: (printer) => tokens.get(printer) ?? 0,
    raiseToken: (printer, token) =>
      token > (tokens.get(printer) ?? 0) ? record({ kind: "token", printer, token }) : tail,
    find: (printer, job) => jobs.get(keyOf(printer, job)),
    rows: (printer) => [...jobs.values()].filter((row) => row.printer === printer),
    put: (row) => record({ kind: "job", row }),
    async close() {
      await tail;
      await file.close();
    },
  };
}

const keyOf = (printer: string, job: string): string => `${printer}\n${job}`;

function lineOf(entry: Entry): string {
  const text = JSON.stringify(entry);
  return `${sha256(text).slice(0, 16)} ${text}\n`;
}

/** JN2 */
async function readEntries(path: string): Promise<readonly Entry[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new GantryError("io_error", `${path} cannot be read`, { cause: error });
  });
  const lines = text.split("\n");
  const entries: Entry[] = [];
  for (const [index, line] of lines.entries()) {
    const entry = parseEntry(line);
    if (entry !== undefined) entries.push(entry);
    else if (index < lines.length - 1) {
      throw new GantryError("data_damaged", `Line ${index + 1} of ${path} is damaged`);
    }
  }
  return entries;
}

function parseEntry(line: string): Entry | undefined {
  const text = line.slice(17);
  if (line.length < 18 || sha256(text).slice(0, 16) !== line.slice(0, 16)) return undefined;
  return JSON.parse(text) as Entry; // the sum says that this program wrote it
}
