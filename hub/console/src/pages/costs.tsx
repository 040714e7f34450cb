import type { ReplyOf } from "@gantry/shared/contract/schemas/table.ts";
import { mayAct } from "@gantry/shared/contract/roles.ts";
import { useState } from "preact/hooks";
import { count, money, percent } from "../core/format.ts";
import type { Costs, Problem } from "../core/views.ts";
import { call, ProblemError } from "../live/api.ts";
import { refresh, useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { Badge, Button, Card, Empty, PageHead, ProblemNote, Table } from "../ui/parts.tsx";
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
const NEARLY = 0.8; // as hub/ledger/domains/budgets.ts tells of it

type Budgets = ReplyOf<"budgets">;
type Providers = ReplyOf<"providers">;

/** What answers cost, by day, person and model; and what may be spent on cloud providers. */
export function CostsPage() {
  const costs = useResource<Costs>("/api/analytics/costs");
  return (
    <div class="page">
      <PageHead title="Costs" />
      <BudgetCard />
      <ProviderCard />
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

function BudgetCard() {
  const budgets = useResource<Budgets>("/api/budgets");
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  return (
    <Card title="Budgets for cloud providers">
      <Waiting of={budgets}>
        {({ budgets: rows, reserved }) => (
          <>
            {rows.length === 0 ? (
              <Empty command="npx gantry budget set appliance --day 5">
                No budget is set, so no provider is asked.
              </Empty>
            ) : (
              <Table
                caption="Budgets"
                head={["Budget", "Period", "Spent", "Reserved", "Of", "Used", "Share"]}
                numbers={[2, 3, 4]}
              >
                {rows.flatMap(linesOf).map((line) => (
                  <BudgetLine key={`${line.row.id} ${line.use?.period ?? ""}`} {...line} />
                ))}
              </Table>
            )}
            {reserved.length > 0 && (
              <p class="faint">
                {count(reserved.length, "call is", "calls are")} under way, with the worst case
                reserved.
              </p>
            )}
            {mayAct(role, "admin") && <BudgetForm />}
          </>
        )}
      </Waiting>
    </Card>
  );
}

type Budget = Budgets["budgets"][number];
interface Line {
  readonly row: Budget;
  readonly use?: Budget["use"][number];
}

const linesOf = (row: Budget): readonly Line[] =>
  row.use.length === 0 ? [{ row }] : row.use.map((use) => ({ row, use }));

function BudgetLine({ row, use }: Line) {
  if (use === undefined) {
    return (
      <tr>
        <td>{row.id}</td>
        <td colSpan={6}>
          {money(row.perDayUsd ?? row.perMonthUsd ?? 0)} for each person who has none
        </td>
      </tr>
    );
  }
  const share = use.maxUsd === 0 ? 1 : (use.spentUsd + use.reservedUsd) / use.maxUsd;
  return (
    <tr>
      <td>{row.id}</td>
      <td>{use.period}</td>
      <td class="number">{money(use.spentUsd)}</td>
      <td class="number">{money(use.reservedUsd)}</td>
      <td class="number">{money(use.maxUsd)}</td>
      <td>
        <progress max={1} value={Math.min(1, share)} aria-label={`Used of ${row.id}`} />
      </td>
      <td>
        <Badge tone={share >= 1 ? "bad" : share >= NEARLY ? "warn" : "good"}>
          {percent(share)}
        </Badge>
        {use.uncertainUsd > 0 && (
          <span class="faint">
            {" "}
            {money(use.uncertainUsd)} of calls that broke off, at their worst
          </span>
        )}
      </td>
    </tr>
  );
}

function BudgetForm() {
  const [id, setId] = useState("appliance");
  const [usd, setUsd] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const save = async (): Promise<void> => {
    try {
      setProblem(undefined);
      const path = `/api/budgets/${encodeURIComponent(id)}`;
      await call(path, { method: "PUT", body: { perDayUsd: Number(usd) } });
      setUsd("");
      refresh(["/api/budgets"]);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      setProblem(error.problem);
    }
  };
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label class="field">
        Budget
        <input
          value={id}
          list="budget-kinds"
          required
          onInput={({ currentTarget }) => setId(currentTarget.value)}
        />
      </label>
      <datalist id="budget-kinds">
        {[
          "appliance",
          "person:*",
          "workload:interactive",
          "workload:api",
          "workload:scheduled",
        ].map((kind) => (
          <option key={kind} value={kind} />
        ))}
      </datalist>
      <label class="field">
        Dollars a day
        <input
          type="number"
          min="0"
          step="any"
          required
          value={usd}
          onInput={({ currentTarget }) => setUsd(currentTarget.value)}
        />
      </label>
      <Button type="submit" look="primary">
        Set budget
      </Button>
      {problem !== undefined && <ProblemNote problem={problem} />}
    </form>
  );
}

function ProviderCard() {
  const list = useResource<Providers>("/api/providers");
  return (
    <Card title="Cloud providers">
      <Waiting of={list}>
        {({ providers, defaultClass }) =>
          providers.length === 0 ? (
            <p class="faint">None is configured: every answer is made in this house.</p>
          ) : (
            <>
              <Table
                caption="Models of providers"
                head={["Provider", "Model", "In, per million", "Out, per million", "State"]}
                numbers={[2, 3]}
              >
                {providers.flatMap(({ name, isUp, hasKey, models }) =>
                  models.map((model) => (
                    <tr key={`${name} ${model.name}`}>
                      <td>{name}</td>
                      <td>{model.name}</td>
                      <td class="number">{money(model.inputUsdPerMillion)}</td>
                      <td class="number">{money(model.outputUsdPerMillion)}</td>
                      <td>
                        <Badge tone={!hasKey ? "bad" : isUp ? "good" : "warn"}>
                          {!hasKey ? "no key" : isUp ? "ready" : "left alone for now"}
                        </Badge>
                      </td>
                    </tr>
                  )),
                )}
              </Table>
              <p class="faint">
                {defaultClass === "may-leave"
                  ? "Questions that say nothing may leave this house."
                  : "Only questions that say so, or name a provider, leave this house."}
              </p>
            </>
          )
        }
      </Waiting>
    </Card>
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
