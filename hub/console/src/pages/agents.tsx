// Agents: what models work on with tools, step by step; and other servers whose tools they may use.

import type { ToolView, TurnView } from "@gantry/shared/contract/schemas/agents.ts";
import { useId, useState } from "preact/hooks";
import { dateTime } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { goTo } from "../live/place.ts";
import { useResource } from "../live/resources.ts";
import { useConsole } from "../live/store.ts";
import { ForeignServers } from "../ui/foreign-servers.tsx";
import { Pager, paged } from "../ui/pager.tsx";
import { Badge, Button, Card, Empty, Facts, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { TurnSteps } from "../ui/turn-steps.tsx";
import { Waiting } from "../ui/waiting.tsx";

const PATH = "/api/agents";
const MODES = ["solo", "council", "debate"] as const;

interface TurnPage {
  readonly turns: readonly TurnView[];
  readonly next?: string;
}

export interface AgentsPageProps {
  readonly id: string | undefined;
  readonly tab: string | undefined;
  readonly after: string | undefined;
}

export function AgentsPage({ id, tab, after }: AgentsPageProps) {
  if (id !== undefined) return <OneTurn key={id} id={id} />;
  const isTools = tab === "tools";
  return (
    <div class="page">
      <PageHead title="Agents" />
      <Tabs
        label="What to show"
        page="agents"
        tabs={[
          [undefined, "Turns"],
          ["tools", "Tools"],
        ]}
        current={isTools ? "tools" : undefined}
      />
      {isTools ? <Tools /> : <Turns after={after} />}
    </div>
  );
}

function Turns({ after }: { readonly after: string | undefined }) {
  const page = useResource<TurnPage>(paged(PATH, after));
  return (
    <>
      {after === undefined && <Begin />}
      <Waiting of={page}>
        {({ turns, next }) => (
          <>
            {turns.length === 0 ? (
              <Empty command='npx gantry agent run "look at the printers"'>
                No agent has worked yet.
              </Empty>
            ) : (
              <Table
                caption="Turns"
                head={["Goal", "State", "Mode", "Steps", "By", "Begun"]}
                numbers={[3]}
              >
                {turns.map((turn) => (
                  <tr key={turn.id}>
                    <td>
                      <a href={formatPlace("agents", turn.id)}>{turn.goal.slice(0, 100)}</a>
                    </td>
                    <td class="state-cell">
                      <StateBadge state={turn.state} />
                    </td>
                    <td>{turn.mode}</td>
                    <td class="number">{turn.steps.length}</td>
                    <td>{turn.by}</td>
                    <td>{dateTime(turn.at)}</td>
                  </tr>
                ))}
              </Table>
            )}
            <Pager page="agents" after={after} next={next} />
          </>
        )}
      </Waiting>
    </>
  );
}

function Begin() {
  const field = useId();
  const choice = useId();
  const [goal, setGoal] = useState("");
  const [mode, setMode] = useState<string>("solo");
  const { isBusy, run } = useAct();
  const begin = async (): Promise<void> => {
    const { id } = await post<TurnView>(PATH, { goal: goal.trim(), mode });
    goTo(formatPlace("agents", id));
  };
  return (
    <Card title="A new goal">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (goal.trim() !== "") run(begin);
        }}
      >
        <div class="field">
          <label for={field}>What is to be done</label>
          <textarea
            id={field}
            rows={2}
            maxLength={20_000}
            value={goal}
            onInput={(event) => setGoal(event.currentTarget.value)}
          />
        </div>
        <div class="row">
          <label for={choice}>How</label>
          <select id={choice} value={mode} onChange={(event) => setMode(event.currentTarget.value)}>
            {MODES.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
          <Button look="primary" type="submit" disabled={isBusy || goal.trim() === ""}>
            Begin
          </Button>
        </div>
      </form>
    </Card>
  );
}

function OneTurn({ id }: { readonly id: string }) {
  const turn = useResource<TurnView>(`${PATH}/${encodeURIComponent(id)}`);
  return (
    <div class="page">
      <PageHead title="A turn">
        <a class="button" href={formatPlace("agents")}>
          All turns
        </a>
      </PageHead>
      <Waiting of={turn}>
        {(view) => (
          <>
            <Card title={view.goal} aside={<StateBadge state={view.state} />}>
              <Facts
                rows={[
                  ["By", view.by],
                  ["Mode", view.mode],
                  ["Begun", dateTime(view.at)],
                  ["Answer", view.answer],
                  ["Why it ended", view.error?.message],
                ]}
              />
              {(view.state === "running" || view.state === "waiting") && <Stop id={id} />}
            </Card>
            <TurnSteps turn={view} />
          </>
        )}
      </Waiting>
    </div>
  );
}

function Stop({ id }: { readonly id: string }) {
  const { isBusy, run } = useAct();
  const stop = (): Promise<unknown> => post(`${PATH}/${encodeURIComponent(id)}/cancel`);
  return (
    <Button disabled={isBusy} onClick={() => run(stop, "It takes no further step")}>
      Stop
    </Button>
  );
}

function Tools() {
  const list = useResource<{ readonly tools: readonly ToolView[] }>("/api/tools");
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  return (
    <Waiting of={list}>
      {({ tools }) => (
        <>
          <p class="faint">What agents and MCP clients may use with your role ({role}).</p>
          <Table caption="Tools" head={["Tool", "What it does", "Hazard", "Needs"]}>
            {tools.map(({ name, description, hazardClass, role: needed, server }) => (
              <tr key={name}>
                <td>
                  <code>{name}</code> {server !== undefined && <Badge>{server}</Badge>}
                </td>
                <td>{description}</td>
                <td class="state-cell">
                  <Badge
                    tone={
                      hazardClass === "high" ? "bad" : hazardClass === "medium" ? "warn" : "plain"
                    }
                  >
                    {hazardClass}
                  </Badge>
                </td>
                <td>{needed}</td>
              </tr>
            ))}
          </Table>
          <ForeignServers />
        </>
      )}
    </Waiting>
  );
}
