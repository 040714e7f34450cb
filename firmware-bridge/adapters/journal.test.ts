import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { JobRow } from "../ports.ts";
import { openJournal } from "./journal.ts";

let dir = "";
let path = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gantry-journal-"));
  path = join(dir, "bridge", "journal");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const row = (job: string, changes: Partial<JobRow> = {}): JobRow => ({
  printer: "sim",
  job,
  token: 1,
  phase: "started",
  progress: 0,
  startedCount: 1,
  isAcknowledged: false,
  ...changes,
});

it("keeps tokens and jobs through a restart", async () => {
  const first = await openJournal(path);
  await first.raiseToken("sim", 7);
  await first.raiseToken("sim", 5);
  await first.put(row("j1"));
  await first.put(row("j1", { phase: "done", progress: 1 }));
  await first.close();
  const second = await openJournal(path);
  expect(second.highestToken("sim")).toBe(7);
  expect(second.highestToken("other")).toBe(0);
  expect(second.find("sim", "j1")).toEqual(row("j1", { phase: "done", progress: 1 }));
  await second.close();
});

it("drops a torn last line (JN2)", async () => {
  const first = await openJournal(path);
  await first.put(row("j1"));
  await first.close();
  appendFileSync(path, '0123456789abcdef {"kind":"job","row":{"pri');
  const second = await openJournal(path);
  expect(second.rows("sim")).toEqual([row("j1")]);
  await second.put(row("j2"));
  await second.close();
  const third = await openJournal(path);
  expect(third.rows("sim").map(({ job }) => job)).toEqual(["j1", "j2"]);
  await third.close();
});

it("refuses a damaged line in the middle (JN2)", async () => {
  const first = await openJournal(path);
  await first.put(row("j1"));
  await first.put(row("j2"));
  await first.close();
  writeFileSync(path, readFileSync(path, "utf8").replace("j1", "jX"));
  await expect(openJournal(path)).rejects.toMatchObject({ code: "data_damaged" });
});

it("forgets only acknowledged jobs, the oldest first, and stays small", async () => {
  const journal = await openJournal(path);
  await journal.put(row("kept"));
  const puts = Array.from({ length: 600 }, (_, index) =>
    journal.put(row(`j${index}`, { phase: "done", isAcknowledged: true })),
  );
  await Promise.all(puts);
  expect(journal.rows("sim")).toHaveLength(512);
  expect(journal.find("sim", "kept")).toBeDefined();
  expect(journal.find("sim", "j0")).toBeUndefined();
  expect(journal.find("sim", "j599")).toBeDefined();
  await journal.close();
}, 30_000);
