import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { command, NEVER, openAlone, openTestReplica } from "../../tests/support/hub-parts.ts";
import { openBlobFiles } from "../adapters/blob-files.ts";
import { openDataDir, pathsIn } from "../adapters/data-dir.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { openLogFolder } from "../adapters/log-folder.ts";
import { openTailMark } from "../adapters/tail-mark.ts";
import { openSnapshotFiles } from "../replica/snapshot-files.ts";
import type { JournalRow } from "../ledger/journal.ts";
import * as made from "../ledger/testing/rig.ts";
import { examine, type Report } from "./doctor.ts";
import { stateOf } from "./state.ts";
import { parseRow } from "./table.ts";

const GCODE = "G28\n";
const NODE = join(import.meta.dirname, "..", "..", "node_modules", ".bin", "node");
const PROGRAM = join(import.meta.dirname, "..", "bin", "doctor.js");
const quiet = (): void => {};

/** What a workshop does in a day: machines, a print that was confirmed and done, talk, queued work. */
function dayOf(): readonly CommandBody[] {
  const confirm = { type: "confirmationConsumed", confirmation: "cfm_1", phrase: null } as const;
  const gcode = made.gcode({ sha256: sha256(GCODE), sizeBytes: GCODE.length });
  return [
    { type: "joinCodeMade", code: "join", name: "n", secretSha256: "s", expiresAtMs: 2e12 },
    {
      type: "nodeEnrolled",
      code: "join",
      codeSecretSha256: "s",
      node: "node_1",
      name: "n",
      publicKey: "k",
      secretSha256: "s",
    },
    {
      type: "nodeRegistered",
      node: "node_1",
      bootId: "boot_1",
      labels: {},
      capabilities: { models: [], commands: [], printers: [made.printer()] },
      capabilitiesDigest: "",
    },
    made.print({ gcode, confirmation: made.confirmation() }),
    { ...confirm, role: "safety" },
    { type: "questionAsked", conversation: "cnv_1", message: "msg_1", text: "hi", role: "maker" },
    made.answer("msg_1", { usage: made.usage(700) }),
    made.job(),
    made.job({ job: "job_2", class: "low" }),
    { type: "jobCancelled", job: "job_1" },
    made.print({ job: "prt_2", gcode, confirmation: made.confirmation({ id: "cfm_2" }) }),
  ];
}

async function withDataDir(
  use: (root: string) => Promise<void>,
  options: { isTrimmed?: boolean } = {},
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "gantry-patient-"));
  try {
    const paths = await openDataDir(root);
    const writer = await (await openBlobFiles(paths.blobs)).write();
    await writer.write(new TextEncoder().encode(GCODE));
    await writer.finish();
    const log = await openLogFolder(paths.log, { createIfMissing: true });
    const ledger = await openLevelStore(paths.ledger, { createIfMissing: true });
    const tail = await openTailMark(paths.logTail);
    const replica = await openTestReplica(log, ledger, {
      checkpointMs: 3_600_000,
      logStore: await openAlone(log, tail),
      snapshots: {
        store: await openSnapshotFiles(paths.snapshots),
        logEntries: options.isTrimmed === true ? 1 : 1e9,
      },
    });
    for (const body of dayOf()) {
      const reply = await replica.propose(command(body), NEVER);
      expect(reply).toMatchObject({ ok: true });
      await replica.maintain();
    }
    await replica.close();
    await tail.close();
    await ledger.close();
    await log.close();
    await use(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

/** Changes one stored row behind the hub's back; undefined removes it. */
async function tamper(
  root: string,
  key: string,
  change: (row: Record<string, unknown>) => unknown,
  store: "ledger" | "log" = "ledger",
): Promise<void> {
  const db = await (store === "log" ? openLogFolder : openLevelStore)(pathsIn(root)[store], {
    createIfMissing: false,
  });
  const value = db.getSync(key);
  if (value === undefined) throw new Error(`there is no ${key}`);
  const row = change(parseRow(value) as Record<string, unknown>);
  const bytes = new TextEncoder().encode(JSON.stringify(row));
  await db.batch([row === undefined ? { type: "del", key } : { type: "put", key, value: bytes }], {
    sync: true,
  });
  await db.close();
}

const run = (...words: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync(NODE, [PROGRAM, ...words], { encoding: "utf8" });

const failedIn = ({ checks }: Report): readonly string[] =>
  checks.filter(({ isOk }) => !isOk).map(({ name }) => name);

const faultsOf = (report: Report, name: string): string =>
  report.checks.find((check) => check.name === name)?.faults.join("\n") ?? "";

async function fingerprint(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const lines = files.map(async ({ parentPath, name }) => {
    const path = join(parentPath, name);
    return `${path} ${createHash("sha256")
      .update(await readFile(path))
      .digest("hex")}`;
  });
  return (await Promise.all(lines)).toSorted();
}

describe("the doctor", () => {
  it("[M83] finds nothing wrong where nothing is, and changes no byte of the folder (DC1)", () =>
    withDataDir(async (root) => {
      const before = await fingerprint(root);
      const report = await examine(root, quiet);
      expect(failedIn(report)).toEqual([]);
      expect(report.isOk).toBe(true);
      expect(await fingerprint(root)).toEqual(before);
    }));

  it("[K78][A24] replays from the oldest snapshot where the log was trimmed", () =>
    withDataDir(
      async (root) => {
        const report = await examine(root, quiet);
        expect(report.checks.flatMap(({ faults }) => faults)).toEqual([]);
        expect(report.checks.find(({ name }) => name === "snapshots")?.note).toBe("2 of them");
      },
      { isTrimmed: true },
    ));

  it("[M69][K69] names the audit row in which one byte was changed", () =>
    withDataDir(async (root) => {
      const db = await openLevelStore(pathsIn(root).ledger, { createIfMissing: false });
      const rows = await Array.fromAsync(db.entries({ gte: "cold/journal/", lt: "cold/journal0" }));
      await db.close();
      const [key = ""] = rows[3] ?? [];
      let seq = 0;
      await tamper(root, key, (row) => {
        const [first, ...rest] = (row as unknown as JournalRow).audit;
        seq = first?.seq ?? 0;
        return { ...row, audit: [{ ...first, actor: "adb" }, ...rest] };
      });
      const report = await examine(root, quiet);
      expect(faultsOf(report, "audit")).toBe(`Audit row ${seq} does not follow`);
      expect(failedIn(report)).toEqual(["audit", "replay"]);
      expect(faultsOf(report, "replay")).toContain(key);
    }));

  it("[M69] sees that the end of the audit was cut off", () =>
    withDataDir(async (root) => {
      await tamper(root, "hot/meta/ledger", (row) => ({ ...row, auditSeq: 99 }));
      expect(faultsOf(await examine(root, quiet), "audit")).toContain("should end at 99");
    }));

  it.each([
    ["counts", "hot/count/open/low", 7],
    ["counts", "cold/count/prints", 3],
    ["counts", "cold/job/job_1", undefined],
    ["conversations", "cold/message/cnv_1/1", undefined],
    ["conversations", "cold/answer/msg_1", "cnv_1/9"],
    ["references", "hot/confirmation/cfm_2", undefined],
  ] as const)("[M83] %s: %s is not as the other rows say", (name, key, row) =>
    withDataDir(async (root) => {
      await tamper(root, key, () => row);
      const failed = failedIn(await examine(root, quiet));
      expect(failed).toContain(name);
      expect(failed).toContain("replay");
    }),
  );

  it("[K36][K64] recounts the money from the messages", () =>
    withDataDir(async (root) => {
      const id = "2023-11-14|ada|local|small";
      await tamper(root, `hot/spend/${id}`, (row) => ({ ...row, costMicroUsd: 1 }));
      expect(faultsOf(await examine(root, quiet), "conversations")).toBe(
        `${id}: costMicroUsd is 1, a recount gives 700`,
      );
    }));

  it("[M83] misses a file, and finds one with other bytes", () =>
    withDataDir(async (root) => {
      const name = sha256(GCODE);
      const path = join(root, "blobs", name.slice(0, 2), name.slice(2, 4), name);
      await writeFile(path, "G29\n");
      expect(faultsOf(await examine(root, quiet), "references")).toContain("bytes it is named for");
      await rm(path);
      expect(faultsOf(await examine(root, quiet), "references")).toBe(
        `The file ${name} is missing`,
      );
    }));

  it("[M83] reads every log entry and says which one is damaged", () =>
    withDataDir(async (root) => {
      const db = await openLogFolder(pathsIn(root).log, { createIfMissing: false });
      const key = "l/0000000000000004";
      const value = db.getSync(key)?.slice() ?? new Uint8Array();
      value[40] = (value[40] ?? 0) ^ 1;
      await db.batch([{ type: "put", key, value }], { sync: true });
      await db.close();
      const report = await examine(root, quiet);
      expect(faultsOf(report, "log")).toBe("Log entry 4 does not match its checksum");
      expect(failedIn(report)).toEqual(["log", "replay"]);
    }));

  it("[M83] sees by the tail mark that the end of the log is gone", () =>
    withDataDir(async (root) => {
      const db = await openLogFolder(pathsIn(root).log, { createIfMissing: false });
      const last = await Array.fromAsync(
        db.entries({ gte: "l/", lt: "l0", reverse: true, limit: 1 }),
      );
      const [[key] = [""]] = last;
      await db.batch([{ type: "del", key }], { sync: true });
      await db.close();
      const report = await examine(root, quiet);
      expect(faultsOf(report, "log")).toMatch(/had been synced|was committed/);
      expect(failedIn(report)).toEqual(["log", "replay"]);
    }));

  it("[M83] sees a membership in which nobody votes, or that the checkpoint does not know", () =>
    withDataDir(async (root) => {
      await tamper(root, "applied", (mark) => ({
        ...mark,
        membership: { ...(mark["membership"] as object), learners: ["hub-1"] },
      }));
      const report = await examine(root, quiet);
      expect(faultsOf(report, "membership")).toMatch(/has hub-1 as voter and as learner/);
      expect(faultsOf(report, "membership")).toMatch(/Log and checkpoint disagree/);
      expect(failedIn(report)).toEqual(["membership"]);
    }));

  it("tells the state at any entry that is kept, the same from checkpoint and log alone", () =>
    withDataDir(async (root) => {
      const before = await fingerprint(root);
      const last = await stateOf(root);
      expect(last.sha256).toMatch(/^[0-9a-f]{64}$/);
      const earlier = await stateOf(root, last.index - 1);
      expect(earlier.sha256).not.toBe(last.sha256);
      expect(earlier.position).toBe(last.position - 1);
      await expect(stateOf(root, last.index + 1)).rejects.toMatchObject({ code: "not_found" });
      expect(await fingerprint(root)).toEqual(before);
      await rm(pathsIn(root).ledger, { recursive: true });
      await (await openLevelStore(pathsIn(root).ledger, { createIfMissing: true })).close();
      expect(await stateOf(root, earlier.index)).toEqual(earlier); // from the log alone
    }));

  it("does not examine what a running hub holds (DC2), nor what is no data folder", () =>
    withDataDir(async (root) => {
      const held = await openLogFolder(pathsIn(root).log, { createIfMissing: false });
      await expect(examine(root, quiet)).rejects.toMatchObject({ code: "data_dir_locked" });
      await held.close();
      await expect(examine(join(root, "gcode"), quiet)).rejects.toMatchObject({
        code: "not_found",
      });
    }));

  it("is a program: a table or JSON, and an exit code", () =>
    withDataDir(async (root) => {
      const well = run(root);
      expect(well.stdout).toMatch(/^ok {4}format[^]*ok {4}references[^]*All is well\.\n$/m);
      expect(well.status).toBe(0);
      await tamper(root, "hot/count/open/low", () => 7);
      const ill = run(root, "--json");
      expect(ill.status).toBe(74);
      expect((JSON.parse(ill.stdout) as Report).isOk).toBe(false);
      expect(run(root).stdout).toContain("FAIL  counts");
      expect(run(join(root, "nothing")).status).toBe(66);
      expect(run().status).toBe(64);
    }));
});
