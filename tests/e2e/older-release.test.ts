// A hub that was taken back to an older release meets what the newer one wrote: it ends, with the one
// code and sentence for it, as often as it is started, and leaves the log and the rows as they are.

import { describe, expect, it } from "vitest";
import { pathsIn } from "../../hub/adapters/data-dir.ts";
import { openLevelStore } from "../../hub/adapters/level-store.ts";
import { openLogFolder } from "../../hub/adapters/log-folder.ts";
import { openRaftLog } from "../../hub/adapters/raft-log.ts";
import { openTailMark } from "../../hub/adapters/tail-mark.ts";
import { rowAt } from "../../hub/doctor/table.ts";
import { encodeEntry } from "../../hub/replica/entry-codec.ts";
import { APPLIED_KEY, readApplied } from "../../hub/replica/ledger-store.ts";
import { command } from "../../hub/ledger/testing/rig.ts";
import { startAppliance, until } from "../support/appliance.ts";

/** What a newer hub would have written: one entry, in which one command is new. */
async function writeNewer(dataDir: string): Promise<number> {
  const paths = pathsIn(dataDir);
  const store = await openLogFolder(paths.log, { createIfMissing: false });
  const tail = await openTailMark(paths.logTail);
  const log = await openRaftLog(store, tail);
  const { hardState, lastIndex, lastTerm } = log.restored;
  const known = command({ type: "flagSet", key: "beside", value: 1 });
  const data = encodeEntry(
    [known, { ...known, type: "flagRenamed" }].map((each) => JSON.stringify(each)),
  );
  const entry = { index: lastIndex + 1, term: lastTerm, kind: "commands", data } as const;
  await log.append({ hardState, entries: [entry], isSync: true });
  await tail.close();
  await store.close();
  return entry.index;
}

async function look(dataDir: string) {
  const paths = pathsIn(dataDir);
  const ledger = await openLevelStore(paths.ledger, { createIfMissing: false });
  const { index, position } = readApplied(ledger.getSync(APPLIED_KEY));
  const [beside, old] = [rowAt(ledger, "flag", "beside"), rowAt(ledger, "flag", "old")?.value];
  await ledger.close();
  return { index, position, beside, old };
}

describe("a hub of an older release", { timeout: 60_000 }, () => {
  it("ends at a command that it does not know, and says which release is needed (FG3)", async () => {
    await using appliance = await startAppliance({ parts: ["hub"] });
    const { dataDir } = appliance;
    expect((await appliance.api("PUT", "/api/flags/old", { value: 1 })).status).toBe(200);
    expect(await appliance.kill("hub", "SIGTERM")).toBe(0);
    const before = await look(dataDir);
    expect(before).toMatchObject({ old: 1, beside: undefined });
    const index = await writeNewer(dataDir);

    for (let starts = 0; starts < 2; starts += 1) {
      const ended = await appliance.start("hub").then(
        () => "it started",
        () => "it ended",
      );
      expect(ended).toBe("it ended");
      expect(await until("its end", () => appliance.kill("hub", "SIGKILL"))).toBe(78);
      const said = appliance.output("hub");
      expect(said).toContain('"code":"release_too_old"');
      expect(said).toContain('"command":"flagRenamed"');
      expect(said).toMatch(/install release \d+\.\d+\.\d+/); // as this hub told it when it was newer
      expect(said).not.toContain('"code":"internal"');
      expect(await look(dataDir)).toEqual(before);
    }
    expect(before.index).toBeLessThan(index);
  });
});
