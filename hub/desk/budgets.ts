// Use cases: budgets and providers. Whoever may see the appliance's money sees all of it; others see the
// budgets that bound themselves.

import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { BudgetBounds, BudgetRow } from "@gantry/shared/contract/money.ts";
import type { BudgetView } from "@gantry/shared/contract/schemas/money.ts";
import type { Cloud } from "../ask/cloud.ts";
import { act, type Hub } from "../hub.ts";
import { dayOf, monthOf, useOf } from "../ledger/domains/budgets.ts";
import { actorOf, byOf, paramOf, seesAll, type UseCase } from "./context.ts";
import { isoTime } from "./views.ts";

const MICRO = 1_000_000;

export const budgetUseCases = (cloud: Cloud | undefined): Partial<Record<RouteName, UseCase>> => ({
  budgets({ hub }, request) {
    const { person, role } = actorOf(request);
    const isMine = (id: string): boolean =>
      seesAll(role) || id === "appliance" || id === "person:*" || id === `person:${person}`;
    const rows = [...hub.rows.hot("budget").values()].filter(({ id }) => isMine(id));
    const reserved = [...hub.rows.hot("reservation").values()].filter(
      (row) => seesAll(role) || row.person === person,
    );
    return {
      budgets: rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((row) => budgetView(hub, row)),
      reserved: reserved.map(
        ({ id, person: of, workload, provider, model, worstMicroUsd, atMs }) => ({
          id,
          person: of,
          workload,
          provider,
          model,
          worstUsd: worstMicroUsd / MICRO,
          at: isoTime(atMs),
        }),
      ),
    };
  },
  async budgetSet({ hub }, request, { signal }) {
    const { perDayUsd, perMonthUsd } = request.body as { perDayUsd?: number; perMonthUsd?: number };
    const bounds: BudgetBounds = {
      ...(perDayUsd === undefined ? {} : { perDayMicroUsd: Math.round(perDayUsd * MICRO) }),
      ...(perMonthUsd === undefined ? {} : { perMonthMicroUsd: Math.round(perMonthUsd * MICRO) }),
    };
    const budget = paramOf(request, "budget");
    const row = await act(hub, { type: "budgetSet", budget, ...bounds }, byOf(request), signal);
    return budgetView(hub, row as BudgetRow); // domains/budgets.ts
  },
  async budgetDropped({ hub }, request, { signal }) {
    const budget = paramOf(request, "budget");
    await act(hub, { type: "budgetDropped", budget }, byOf(request), signal);
    return { ok: true };
  },
  providers: () => ({
    defaultClass: cloud?.defaultClass ?? "local-only",
    providers: cloud?.views() ?? [],
  }),
});

function budgetView({ rows, stampMs }: Hub, row: BudgetRow): BudgetView {
  const { id, perDayMicroUsd, perMonthMicroUsd, by, changedAtMs } = row;
  const day = dayOf(stampMs());
  const use = (period: string, maxMicroUsd: number | undefined): BudgetView["use"] => {
    if (maxMicroUsd === undefined || id === "person:*") return [];
    const found = useOf(rows, id, period);
    return [
      {
        period,
        maxUsd: maxMicroUsd / MICRO,
        spentUsd: found.spentMicroUsd / MICRO,
        uncertainUsd: found.uncertainMicroUsd / MICRO,
        reservedUsd: found.reservedMicroUsd / MICRO,
        calls: found.calls,
      },
    ];
  };
  return {
    id,
    by,
    changedAt: isoTime(changedAtMs),
    ...(perDayMicroUsd === undefined ? {} : { perDayUsd: perDayMicroUsd / MICRO }),
    ...(perMonthMicroUsd === undefined ? {} : { perMonthUsd: perMonthMicroUsd / MICRO }),
    use: [...use(day, perDayMicroUsd), ...use(monthOf(day), perMonthMicroUsd)],
  };
}
