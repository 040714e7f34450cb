import { money } from "../core/format.ts";
import type { Costs } from "../core/views.ts";
import { useResource } from "../live/resources.ts";
import { Empty, PageHead, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const HEAD = [
  "Day",
  "Person",
  "Tier",
  "Model",
  "Answers",
  "Cached",
  "Tokens in",
  "Tokens out",
  "Cost",
];

/** What answers cost, by day, person and model. */
export function CostsPage() {
  const costs = useResource<Costs>("/api/analytics/costs");
  return (
    <div class="page">
      <PageHead title="Costs" />
      <Waiting of={costs}>
        {(sums) => (
          <>
            <dl class="totals">
              <Total name="Spent" value={money(sums.total_cost_usd)} />
              <Total name="Answers" value={sums.answers.toLocaleString()} />
              <Total name="From the cache" value={sums.cached_answers.toLocaleString()} />
              <Total
                name="Tokens"
                value={(sums.prompt_tokens + sums.completion_tokens).toLocaleString()}
              />
            </dl>
            {sums.by.length === 0 ? (
              <Empty command='npx gantry ask "hello"'>No answer was given yet.</Empty>
            ) : (
              <Table caption="Costs by day, person and model" head={HEAD} numbers={[4, 5, 6, 7, 8]}>
                {sums.by.map((row) => (
                  <tr key={`${row.day} ${row.person} ${row.tier} ${row.model}`}>
                    <td>{row.day}</td>
                    <td>{row.person}</td>
                    <td>{row.tier}</td>
                    <td>{row.model}</td>
                    <td class="number">{row.answers}</td>
                    <td class="number">{row.cached_answers}</td>
                    <td class="number">{row.prompt_tokens.toLocaleString()}</td>
                    <td class="number">{row.completion_tokens.toLocaleString()}</td>
                    <td class="number">{money(row.cost_usd)}</td>
                  </tr>
                ))}
              </Table>
            )}
          </>
        )}
      </Waiting>
    </div>
  );
}

function Total({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div class="gauge">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
