import { appendFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { type Journal, openJournal } from "./journal.ts";

async function temporaryPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-journal-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "deep", "journal");
}

const parse = (value: unknown): number => z.number().parse(value);

async function open(path: string): Promise<{ journal: Journal<number>; entries: number[] }> {
  const entries: number[] = [];
  const journal = await openJournal(path, parse, (entry) => entries.push(entry));
  onTestFinished(() => journal.close().catch(() => {}));
  return { journal, entries };
}

test("J1: what was appended is read back in order, however many waited together", async () => {
  const path = await temporaryPath();
  const { journal } = await open(path);
  await Promise.all(Array.from({ length: 500 }, (_, index) => journal.append(index)));
  await journal.append(500);
  expect(journal.sizeBytes).toBe((await stat(path)).size);
  await journal.close();
  const { entries } = await open(path);
  expect(entries).toEqual(Array.from({ length: 501 }, (_, index) => index));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("J2: a torn last line is cut off, and what comes after it is whole", async () => {
  const path = await temporaryPath();
  const first = await open(path);
  await first.journal.append(1);
  await first.journal.close();
  await appendFile(path, "12");
  const second = await open(path);
  expect(second.entries).toEqual([1]);
  await second.journal.append(2);
  await second.journal.close();
  expect((await open(path)).entries).toEqual([1, 2]);
});

test("J2: damage before the last line is never skipped", async () => {
  const path = await temporaryPath();
  const first = await open(path);
  await first.journal.append(1);
  await first.journal.close();
  await writeFile(path, "1\nfence\n3\n");
  await expect(open(path)).rejects.toMatchObject({ code: "data_damaged" });
});

test("J3: rewriting loses nothing that was acknowledged before, during or after it", async () => {
  const path = await temporaryPath();
  const { journal } = await open(path);
  const kept: number[] = [];
  const keep = (entry: number): Promise<void> => {
    kept.push(entry); // as the memory does: first here, then on the disk
    return journal.append(entry);
  };
  const before = Array.from({ length: 50 }, (_, entry) => keep(entry));
  const rewriting = journal.rewrite(() => kept);
  const during = [keep(50), keep(51)];
  await Promise.all([...before, rewriting, ...during]);
  await keep(52);
  await journal.close();
  const { entries } = await open(path);
  expect(new Set(entries)).toEqual(new Set(kept));
});
