import fc from "fast-check";
import { expect, it } from "vitest";
import type { BudgetUseRow } from "@gantry/shared/contract/money.ts";
import { makeForgetfulStore } from "../../tests/support/forgetful-store.ts";
import { makeLedgerRig, type LedgerRig } from "../ledger/testing/rig.ts";
import type { Patient } from "./patient.ts";
import { money } from "./money-books.ts";

const put = (key: string, row: unknown) => ({
  type: "put" as const,
  key,
  value: new TextEncoder().encode(JSON.stringify(row)),
});

/** What the doctor finds in the rows of this ledger, after `tamper` had its way with one. */
async function faultsOf(
  rig: LedgerRig,
  tamper: (id: string, row: BudgetUseRow) => BudgetUseRow = (_, row) => row,
): Promise<readonly string[]> {
  const store = makeForgetfulStore();
  const changes = rig.rows.takeBatch().filter(({ row }) => row !== undefined);
  rig.rows.batchStored();
  const uses = changes.map(({ key, row }) => {
    const [, table, id = ""] = key.split("/");
    return put(key, table === "budgetUse" ? tamper(id, row as BudgetUseRow) : row);
  });
  await store.batch(uses, { sync: true });
  const patient = { ledger: store } as unknown as Patient; // all that this check reads of it
  return (await money.examine(patient, () => {})).faults;
}

function spent(ends: readonly ("reported" | "worst" | "released" | "open")[]): LedgerRig {
  const rig = makeLedgerRig();
  rig.act({ type: "budgetSet", budget: "appliance", perDayMicroUsd: 1_000_000 });
  for (const [n, how] of ends.entries()) {
    const reservation = `r${n}`;
    rig.at(n * 40_000_000); // over several days, and a month's end
    rig.act({
      type: "spendReserved",
      reservation,
      worstMicroUsd: 100 + n,
      person: n % 2 === 0 ? "ada" : "bob",
      workload: n % 3 === 0 ? "api" : "interactive",
      provider: "p",
      model: "m",
      term: 1,
    });
    if (how === "open") continue;
    const cost = how === "reported" ? { costMicroUsd: 10 + n } : {};
    rig.act({ type: "spendSettled", reservation, how, ...cost });
  }
  return rig;
}

it("[K36] money that the ledger has counted adds up, whatever was bought", async () => {
  const ends = fc.constantFrom("reported", "worst", "released", "open" as const);
  await fc.assert(
    fc.asyncProperty(fc.array(ends, { maxLength: 40 }), async (list) => {
      expect(await faultsOf(spent(list))).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

it("[K36] a counter that was changed by hand is found, by name", async () => {
  const rig = spent(["reported", "worst", "open"]);
  const faults = await faultsOf(rig, (id, row) =>
    id === "person:ada|2023-11-14" ? { ...row, spentMicroUsd: row.spentMicroUsd - 1 } : row,
  );
  expect(faults.join("\n")).toContain("appliance 2023-11-14: spentMicroUsd");
  expect(faults.join("\n")).toContain("person:ada 2023-11: spentMicroUsd");
});
