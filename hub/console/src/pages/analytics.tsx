// What runs came to: how many, how many failed and of what, how long they took, what they cost.

import type { ANALYTICS_SCHEMAS } from "@gantry/shared/contract/schemas/analytics.ts";
import type { infer as Infer } from "zod";
import { latency, money, percent } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useResource } from "../live/resources.ts";
import { Empty, PageHead, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { Waiting } from "../ui/waiting.tsx";

type Summary = Infer<typeof ANALYTICS_SCHEMAS.analyticsSummary.reply>;
type Workflows = Infer<typeof ANALYTICS_SCHEMAS.analyticsWorkflows.reply>;

const HEAD = ["Workflow", "Runs", "Done", "Failed", "Mean", "p95", "Faults", "Cost"];
const DAYS: Readonly<Record<string, number>> = { day: 1, month: 30 };
const DAY_MS = 86_400_000;

/** Whole UTC days, today included; without a tab the hub's own seven. */
function windowOf(tab: string | undefined): string {
  const days = tab === undefined ? undefined : DAYS[tab];
  if (days === undefined) return "";
  const from = new Date(Date.now() - (days - 1) * DAY_MS).toISOString().slice(0, 10);
  return `?from=${from}`;
}

export function AnalyticsPage({ tab }: { readonly tab: string | undefined }) {
  const query = windowOf(tab);
  const summary = useResource<Summary>(`/api/analytics/summary${query}`);
  const workflows = useResource<Workflows>(`/api/analytics/workflows${query}`);
  return (
    <div class="page">
      <PageHead title="Analytics" />
      <Tabs
        label="How far back"
        page="analytics"
        tabs={[
          [undefined, "7 days"],
          ["day", "Today"],
          ["month", "30 days"],
        ]}
        current={tab}
      />
      <Waiting of={summary}>{(sums) => <Totals sums={sums} />}</Waiting>
      <Waiting of={workflows}>
        {({ workflows: rows }) =>
          rows.length === 0 ? (
            <Empty command="npx gantry run start FILE -f">No run has ended in that time.</Empty>
          ) : (
            <Table caption="By workflow" head={HEAD} numbers={[1, 2, 3, 4, 5, 7]}>
              {rows.map((row) => (
                <tr key={row.workflow}>
                  <td>
                    <a href={formatPlace("runs", undefined, { workflow: row.workflow })}>
                      {row.workflow === "" ? "without a name" : row.workflow}
                    </a>
                  </td>
                  <td class="number">{row.runs}</td>
                  <td class="number">{row.done}</td>
                  <td class="number">{row.failed}</td>
                  <td class="number">{timeOf(row.avg_execution_ms)}</td>
                  <td class="number">{timeOf(row.p95_execution_ms)}</td>
                  <td>{row.failures.map(({ code, count }) => `${code} ${count}`).join(", ")}</td>
                  <td class="number">{money(row.cost_usd)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Waiting>
    </div>
  );
}

const timeOf = (ms: number | undefined): string => (ms === undefined ? "" : latency(ms));

function Totals({ sums }: { readonly sums: Summary }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Running now", String(sums.active)],
    ["Ended", String(sums.runs)],
    ["Success", sums.success_rate === undefined ? "" : percent(sums.success_rate)],
    ["Median", timeOf(sums.p50_execution_ms)],
    ["95 of 100 within", timeOf(sums.p95_execution_ms)],
    ["Spent", money(sums.cost_usd)],
  ];
  return (
    <dl class="totals">
      {facts
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <div class="gauge" key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
