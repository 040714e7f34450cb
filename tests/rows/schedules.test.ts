// Rows about standing jobs that the ledger alone proves.

import { expect, it } from "vitest";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { job, type LedgerRig, makeLedgerRig, START_MS } from "../../hub/ledger/testing/rig.ts";

const CYCLE_MS = 15 * 60_000;
const FIRST = START_MS + CYCLE_MS;

const work = { ...job(), hazard: "none", summary: "ready tasks" } as const;
const cycle: CommandBody = {
  type: "scheduleMade",
  schedule: "sch_1",
  name: "tasks",
  role: "maker",
  when: { kind: "every", everyMs: CYCLE_MS, anchorMs: FIRST },
  target: { type: "job", work },
  policy: { catchUp: "skip", catchUpMax: 1, overlap: "skip", jitterMs: 0, lateMs: CYCLE_MS },
  nextMs: FIRST,
};
const fired = (why: "due" | "person", id: string): CommandBody => ({
  type: "scheduleFired",
  schedule: "sch_1",
  plannedMs: FIRST,
  why,
  start: { type: "job", draft: job({ job: id }) },
  nextMs: FIRST + CYCLE_MS,
});

function due(): LedgerRig {
  const rig = makeLedgerRig();
  const token = { token: "tok_ada", person: "ada", role: "maker", secretSha256: "secret" } as const;
  rig.act({ type: "tokenMade", ...token });
  rig.act(cycle);
  rig.at(CYCLE_MS);
  return rig;
}
const jobs = (rig: LedgerRig): readonly string[] => [...rig.rows.hot("job").keys()];

it("[K51] a run by hand and the cycle at the same instant start the work once, whichever is first", () => {
  const byHandFirst = due();
  byHandFirst.act(fired("person", "job_hand"));
  expect(byHandFirst.act(fired("due", "job_due"))).toMatchObject({ outcome: "skipped" });
  expect(jobs(byHandFirst)).toEqual(["job_hand"]);
  const cycleFirst = due();
  expect(cycleFirst.act(fired("due", "job_due"))).toMatchObject({ outcome: "started" });
  cycleFirst.restart();
  expect(cycleFirst.refuse(fired("person", "job_hand"))).toBe("conflict");
  expect(jobs(cycleFirst)).toEqual(["job_due"]);
});
