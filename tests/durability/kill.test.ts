// The crash matrix on the real disk: a child under load is killed with SIGKILL again and again, and
// every command whose acknowledgement came out of it must be there, once, when the data is opened.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { openSnapshotFiles } from "../../hub/replica/snapshot-files.ts";
import { openLevelStore } from "../../hub/adapters/level-store.ts";
import { openLogFolder } from "../../hub/adapters/log-folder.ts";
import { EMPTY_META, findBrokenAudit, type JournalRow } from "../../hub/ledger/journal.ts";
import { openTestReplica } from "../support/hub-parts.ts";
import { ROOT } from "../support/appliance.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");
const CHILD = join(import.meta.dirname, "child.ts");
const ACKS_BEFORE_KILL = [1, 37, 400, 1_500, 3_000];

/** Runs the child until it has acknowledged so many, kills it, and gives all it acknowledged. */
async function killAfter(count: number, folder: string, from: number): Promise<string[]> {
  const child = spawn(NODE, [CHILD, folder, `${from}`], { stdio: ["ignore", "pipe", "pipe"] });
  const faults: Buffer[] = [];
  child.stderr.on("data", (bytes: Buffer) => faults.push(bytes));
  const acks: string[] = [];
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("ack ")) acks.push(line.slice(4));
    if (acks.length === count) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  expect(Buffer.concat(faults).toString()).toBe("");
  expect(signal).toBe("SIGKILL");
  return acks;
}

it("[M32][K63][K85] kill -9 under load: every acknowledged command is there, none twice", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-kill-"));
  const acked = new Map<string, number>();
  try {
    let from = 0;
    for (const count of ACKS_BEFORE_KILL) {
      for (const ack of await killAfter(count, folder, from)) {
        const [key = "", revision = ""] = ack.split(" ");
        acked.set(key, Number(revision));
      }
      from += 100_000;
    }
    const logDisk = await openLogFolder(join(folder, "log"), { createIfMissing: false });
    const ledgerDisk = await openLevelStore(join(folder, "ledger"), { createIfMissing: false });
    const replica = await openTestReplica(logDisk, ledgerDisk, {
      checkpointMs: 3_600_000,
      snapshots: { store: await openSnapshotFiles(join(folder, "snapshots")) },
    });
    const flags = replica.ledger.rows.hot("flag");
    const wrong = [...acked].filter(([key, revision]) => flags.get(key)?.revision !== revision);
    expect(wrong).toEqual([]);
    expect(acked.size).toBeGreaterThanOrEqual(ACKS_BEFORE_KILL.reduce((sum, count) => sum + count));

    await replica.checkpoint();
    const journal = await Array.fromAsync(
      ledgerDisk.entries({ gte: "cold/journal/", lt: "cold/journal0" }),
    );
    const audit = journal.flatMap(
      ([, value]) => (JSON.parse(new TextDecoder().decode(value)) as JournalRow).audit,
    );
    expect(findBrokenAudit(audit, EMPTY_META)).toBeUndefined();
    expect(audit.filter(({ action }) => action === "flag.set")).toHaveLength(flags.size);
    await replica.close();
    await ledgerDisk.close();
    await logDisk.close();
  } finally {
    await rm(folder, { recursive: true });
  }
}, 60_000);
