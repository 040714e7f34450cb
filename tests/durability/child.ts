// The process that kill.test.ts kills: a replica on LevelDB under load. It writes a line on stdout for
// each command that was acknowledged, after it was: `ack VALUE REVISION`.

import { writeSync } from "node:fs";
import { join } from "node:path";
import { openLevelStore } from "../../hub/adapters/level-store.ts";
import { openLogFolder } from "../../hub/adapters/log-folder.ts";
import { openSnapshotFiles } from "../../hub/replica/snapshot-files.ts";
import { NEVER, command, openTestReplica } from "../support/hub-parts.ts";

const IN_FLIGHT = 40;
const [folder = "", from = "0"] = process.argv.slice(2);

const logDisk = await openLogFolder(join(folder, "log"), { createIfMissing: true });
const ledgerDisk = await openLevelStore(join(folder, "ledger"), { createIfMissing: true });
const replica = await openTestReplica(logDisk, ledgerDisk, {
  checkpointMs: 5,
  snapshots: { store: await openSnapshotFiles(join(folder, "snapshots")), logEntries: 50 },
});

let value = Number(from);
async function propose(): Promise<void> {
  for (;;) {
    value += 1;
    const key = `flag-${value}`;
    const reply = await replica.propose(command({ type: "flagSet", key, value }), NEVER);
    writeSync(1, `ack ${key} ${reply.position}\n`);
  }
}
await Promise.all(Array.from({ length: IN_FLIGHT }, propose));
