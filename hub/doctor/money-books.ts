// Checks of what is counted of money: the appliance is all persons and all kinds of work, a month is its
// days, and what is reserved is what open reservations say.

import type { BudgetUseRow } from "@gantry/shared/contract/money.ts";
import { monthOf, scopesOf } from "../ledger/domains/budgets.ts";
import { type Check, makeFaults } from "./finding.ts";
import { tableOf } from "./table.ts";

const SUMS = ["spentMicroUsd", "uncertainMicroUsd", "reservedMicroUsd", "calls"] as const;
type Sums = Record<(typeof SUMS)[number], number>;

const NOTHING: Sums = { spentMicroUsd: 0, uncertainMicroUsd: 0, reservedMicroUsd: 0, calls: 0 };

const isDay = (period: string): boolean => period.length === 10;

export const money: Check = {
  name: "money",
  advice: "The counters of budgets do not agree. Run `replay` (above): if it is ok, report this.",
  async examine({ ledger }) {
    const faults = makeFaults();
    const rows = new Map<string, BudgetUseRow>();
    const parts = new Map<string, Sums>(); // by what they should add up to, and of what
    const add = (of: string, row: BudgetUseRow): void => {
      const before = parts.get(of) ?? NOTHING;
      parts.set(of, {
        spentMicroUsd: before.spentMicroUsd + row.spentMicroUsd,
        uncertainMicroUsd: before.uncertainMicroUsd + row.uncertainMicroUsd,
        reservedMicroUsd: before.reservedMicroUsd + row.reservedMicroUsd,
        calls: before.calls + row.calls,
      });
    };
    for await (const [id, row] of tableOf(ledger, "budgetUse")) {
      rows.set(id, row);
      const { scope, period } = row;
      if (isDay(period)) add(`${scope}|${monthOf(period)}|its days`, row);
      const [kind = ""] = scope.split(":");
      if (kind !== "appliance") add(`appliance|${period}|its ${kind}s`, row);
    }
    for (const [id, sums] of parts) {
      const [scope = "", period = "", what = ""] = id.split("|");
      const row = rows.get(`${scope}|${period}`);
      for (const sum of SUMS) {
        if (row?.[sum] !== sums[sum])
          faults.add(`${scope} ${period}: ${sum} is ${row?.[sum]}, ${what} give ${sums[sum]}`);
      }
    }
    const reserved = new Map<string, number>();
    for await (const [, row] of tableOf(ledger, "reservation")) {
      for (const scope of scopesOf(row)) {
        const id = `${scope}|${row.day}`;
        reserved.set(id, (reserved.get(id) ?? 0) + row.worstMicroUsd);
      }
    }
    for (const [id, { scope, period, reservedMicroUsd }] of rows) {
      const open = reserved.get(id) ?? 0;
      if (isDay(period) && reservedMicroUsd !== open)
        faults.add(`${scope} ${period}: ${reservedMicroUsd} are reserved, open calls say ${open}`);
    }
    return { note: `${rows.size} counters`, faults: faults.list() };
  },
};
