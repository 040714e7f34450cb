// Runs of workflows, the newest first.

import { RUN_PHASES } from "@gantry/shared/contract/run-rows.ts";
import type { RunSummary } from "@gantry/shared/contract/schemas/runs.ts";
import { useId, useState } from "preact/hooks";
import { dateTime, duration, words } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import type { RunPage, WorkflowPage } from "../core/views.ts";
import { useHeldList } from "../live/held-list.ts";
import { goTo } from "../live/place.ts";
import { useResource } from "../live/resources.ts";
import { FreshLine } from "../ui/fresh.tsx";
import { Pager } from "../ui/pager.tsx";
import { Badge, Button, Empty, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

const HEAD = ["Run", "State", "Started", "Took", "Patches", "By"];
/** Of workflows that are offered when a part of a name is typed. */
const OFFERED_MAX = 8;

export interface RunsPageProps {
  readonly state: string | undefined;
  readonly workflow: string | undefined;
  readonly parent: string | undefined;
  readonly after: string | undefined;
}

export function RunsPage({ state, workflow, parent, after }: RunsPageProps) {
  const query = new URLSearchParams({ limit: "50" });
  for (const [name, value] of Object.entries({ state, workflow, parent, after })) {
    if (value !== undefined) query.set(name, value);
  }
  const path = `/api/runs?${query.toString()}`;
  const page = useResource<RunPage>(path);
  const filter = { state, workflow, parent };
  return (
    <div class="page">
      <PageHead title="Runs">
        <a class="button" href={formatPlace("approvals")}>
          Approvals
        </a>
      </PageHead>
      <Filters {...filter} />
      <Waiting of={page}>
        {({ runs, next }) => (
          <>
            <RunList key={path} runs={runs} isFiltered={Object.values(filter).some(Boolean)} />
            <Pager page="runs" query={filter} after={after} next={next} />
          </>
        )}
      </Waiting>
    </div>
  );
}

type Filter = Pick<RunsPageProps, "state" | "workflow" | "parent">;

function Filters(filter: Filter) {
  const { state, workflow, parent } = filter;
  const go = (members: Partial<Filter>): void =>
    goTo(formatPlace("runs", undefined, { ...filter, ...members }));
  const stateField = useId();
  return (
    <>
      <div class="filters">
        <div>
          <label for={stateField}>State</label>
          <select
            id={stateField}
            value={state ?? ""}
            onChange={(event) => go({ state: event.currentTarget.value })}
          >
            <option value="">all</option>
            {RUN_PHASES.map((phase) => (
              <option key={phase} value={phase}>
                {words(phase)}
              </option>
            ))}
          </select>
        </div>
        <NameSearch key={workflow} name={workflow} onName={(name) => go({ workflow: name })} />
      </div>
      {parent !== undefined && (
        <p>
          Started by the run <a href={formatPlace("runs", parent)}>{parent}</a>.{" "}
          <a href={formatPlace("runs")}>Show all runs</a>
        </p>
      )}
    </>
  );
}

/** The hub finds runs by the whole name of their workflow; parts of it are completed here. */
function NameSearch(props: {
  readonly name: string | undefined;
  readonly onName: (name: string) => void;
}) {
  const { name, onName } = props;
  const [typed, setTyped] = useState(name ?? "");
  const [searched, setSearched] = useState<string>();
  const workflows = useResource<WorkflowPage>("/api/workflows?limit=500");
  const names = (workflows.value?.workflows ?? []).map((workflow) => workflow.name);
  const field = useId();
  const part = searched?.toLowerCase() ?? "";
  const found = names.filter((one) => one.toLowerCase().includes(part));
  const search = (text: string): void => {
    const like = names.filter((one) => one.toLowerCase().includes(text.toLowerCase()));
    const [only] = like;
    if (text === "" || names.includes(text)) onName(text);
    else if (only !== undefined && like.length === 1) onName(only);
    else setSearched(text);
  };
  return (
    <form
      role="search"
      class="name-search"
      onSubmit={(event) => {
        event.preventDefault();
        search(typed.trim());
      }}
    >
      <label for={field}>Workflow</label>
      <div class="row fill">
        <input
          id={field}
          type="search"
          list={`${field}-names`}
          value={typed}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setSearched(undefined);
          }}
        />
        <Button type="submit">Search</Button>
      </div>
      <datalist id={`${field}-names`}>
        {names.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <div role="status">
        {searched !== undefined && (
          <p class="row faint">
            {found.length === 0 ? `No workflow has “${searched}” in its name.` : "Which one?"}
            {found.slice(0, OFFERED_MAX).map((one) => (
              <Button key={one} look="quiet" onClick={() => onName(one)}>
                {one}
              </Button>
            ))}
          </p>
        )}
      </div>
    </form>
  );
}

function RunList(props: { readonly runs: readonly RunSummary[]; readonly isFiltered: boolean }) {
  const list = useHeldList(props.runs);
  if (list.rows.length === 0) {
    return props.isFiltered ? (
      <Empty>No run is like that.</Empty>
    ) : (
      <Empty command="npx gantry run start workflow.json">No workflow has run yet.</Empty>
    );
  }
  return (
    <>
      <FreshLine of={list} noun="run" />
      <Table caption="Runs" head={HEAD} numbers={[3, 4]}>
        {list.rows.map(({ item, isGone }) => (
          <RunLine key={item.id} run={item} isGone={isGone} />
        ))}
      </Table>
    </>
  );
}

function RunLine({ run, isGone }: { readonly run: RunSummary; readonly isGone: boolean }) {
  const { id, workflow, state, createdAt, endedAt, revision, by, error, replayOf, parent } = run;
  return (
    <tr>
      <td>
        <a href={formatPlace("runs", id)}>{workflow ?? "Without a name"}</a>
        <br />
        <code class="faint">{id}</code>
        {replayOf !== undefined && <p class="faint">replay</p>}
        {parent !== undefined && <p class="faint">subworkflow</p>}
        {error !== undefined && <p class="faint">{error.message}</p>}
      </td>
      <td class="state-cell">
        {isGone ? <Badge>not in this list now</Badge> : <StateBadge state={state} />}
      </td>
      <td>{dateTime(createdAt)}</td>
      <td class="number">
        {endedAt === undefined
          ? "–"
          : duration((Date.parse(endedAt) - Date.parse(createdAt)) / 1_000)}
      </td>
      <td class="number">{revision}</td>
      <td>{by}</td>
    </tr>
  );
}
