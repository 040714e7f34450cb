// Jobs that run or wait when the hub goes: each ends, once for whoever asks, and none is forgotten.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { until } from "../support/appliance.ts";
import { startSlowCommand } from "../support/slow-command.ts";

const JOBS = 5;
/** Of one machine (hands/duties.ts); the fifth waits. */
const AT_ONCE = 4;
const PATIENCE_MS = 60_000;
/** Leaves a line when it begins, and runs until the file `go` is there. */
const SCRIPT = 'echo begun >> "$0/begun"; until [ -e "$0/go" ]; do sleep 0.1; done; echo over';

describe("the hub goes while a machine has five jobs to do", { timeout: 3 * PATIENCE_MS }, () => {
  it.each(["SIGKILL", "SIGTERM"] as const)(
    "[M31] %s: all five go on and end as done, and none is done again",
    async (signal) => {
      await using slow = await startSlowCommand(SCRIPT, { timeoutMs: PATIENCE_MS, effect: "once" });
      const { appliance: a, folder } = slow;
      const ids = await Promise.all(
        Array.from({ length: JOBS }, async () => {
          const { body } = await a.api("POST", "/api/jobs", { kind: "command", command: "slow" });
          return String(body.job.id);
        }),
      );
      const begun = async (): Promise<number> =>
        (await readFile(join(folder, "begun"), "utf8").catch(() => "")).split("\n").length - 1;
      await until("as many as run at once", async () => (await begun()) === AT_ONCE);
      await a.kill("hub", signal);
      await a.start("hub");

      const views = (): Promise<{ status: number; body: { state: string } }[]> =>
        Promise.all(ids.map((id) => a.api("GET", `/api/jobs/${id}`)));
      expect((await views()).map(({ status }) => status)).toEqual(ids.map(() => 200)); // no 404
      await writeFile(join(folder, "go"), "");
      await until(
        "all jobs to end",
        async () => (await views()).every(({ body }) => !["ready", "leased"].includes(body.state)),
        PATIENCE_MS,
      );
      expect((await views()).map(({ body }) => body.state)).toEqual(ids.map(() => "done"));
      expect(await begun()).toBe(JOBS);
    },
  );
});
