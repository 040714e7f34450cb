// One run: its graph as it is now, what comes next, what was changed in it and what happened.

import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { useState } from "preact/hooks";
import { count, dateTime, duration } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import {
  countStates,
  countWords,
  isOver,
  nextOf,
  patchMarks,
  topNodes,
  topOf,
  type TopNode,
} from "../core/run-graph.ts";
import { happenings } from "../core/run-times.ts";
import type { RunPatches, RunTimeline } from "../core/views.ts";
import { useNow } from "../live/now.ts";
import { useResource } from "../live/resources.ts";
import type { EdgeFacts } from "../ui/graph-parts.tsx";
import { Graph } from "../ui/graph.tsx";
import { Json } from "../ui/json.tsx";
import { NodePanel } from "../ui/node-panel.tsx";
import { Button, Card, Empty, Facts, Hash, PageHead, StateBadge, Table } from "../ui/parts.tsx";
import { RunActs } from "../ui/run-acts.tsx";
import { NextList, PatchList, RunHistory } from "../ui/run-parts.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** Of the timeline, in one reading; later entries have a link. */
const ENTRIES = 200;

export interface RunPageProps {
  readonly id: string;
  /** Cursor of the timeline. */
  readonly from: string | undefined;
}

export function RunPage({ id, from }: RunPageProps) {
  const path = `/api/runs/${encodeURIComponent(id)}`;
  const run = useResource<RunView>(path);
  const name = run.value?.workflow ?? (run.value === undefined ? "Run" : "Run without a name");
  return (
    <div class="page">
      <PageHead title={name}>
        <a href={formatPlace("runs")}>All runs</a>
      </PageHead>
      <Waiting of={run}>{(value) => <Run key={id} run={value} path={path} from={from} />}</Waiting>
    </div>
  );
}

interface RunProps {
  readonly run: RunView;
  readonly path: string;
  readonly from: string | undefined;
}

function Run({ run, path, from }: RunProps) {
  const patches = useResource<RunPatches>(`${path}/patches`).value?.patches ?? [];
  const cursor = from === undefined ? "" : `&after=${encodeURIComponent(from)}`;
  const timeline = useResource<RunTimeline>(`${path}/timeline?limit=${ENTRIES}${cursor}`);
  const lines = happenings(timeline.value?.entries ?? []);
  const [chosen, setChosen] = useState<string>();
  const tops = topNodes(run, patches);
  const node = run.nodes.find(({ place }) => place === chosen);
  const top = tops.find(({ id }) => chosen !== undefined && id === topOf(chosen));
  return (
    <>
      <Standing run={run} />
      <div class="run-graph">
        <GraphCard run={run} tops={tops} chosen={top?.id} onChoose={setChosen} patches={patches} />
        <NodePanel run={run} node={node} top={top} lines={lines} onChoose={setChosen} />
      </div>
      <div class="split">
        <div class="stack">
          <NextList run={run} next={nextOf(run)} onChoose={setChosen} />
          <PatchList run={run} patches={patches} />
          <Values run={run} />
        </div>
        <RunHistory
          id={run.id}
          lines={lines}
          next={timeline.value?.next}
          isLater={from !== undefined}
        />
      </div>
    </>
  );
}

function Standing({ run }: { readonly run: RunView }) {
  const { id, state, by, createdAt, endedAt, revision, version, parent, replayOf, forkOf, error } =
    run;
  return (
    <Card title="Standing" aside={<StateBadge state={state} />} tone={error ? "bad" : "plain"}>
      <Facts
        rows={[
          ["Run", <code key="id">{id}</code>],
          ["Started by", by],
          ["Started", dateTime(createdAt)],
          [endedAt === undefined ? "Running for" : "Took", <Age key="age" run={run} />],
          ["Patches", revision],
          ["Version", <Hash key="version" value={version} />],
          ["Fidelity", run.fidelity],
          ["Part of", parent && <a href={formatPlace("runs", parent)}>{parent}</a>],
          ["Begun in", forkOf && <a href={formatPlace("runs", forkOf)}>{forkOf}</a>],
          ["Replay of", replayOf && <a href={formatPlace("runs", replayOf)}>{replayOf}</a>],
        ]}
      />
      {run.nodes.length > 0 && (
        <p class="node-counts">
          {count(run.nodes.length, "node")}: {countWords(countStates(run.nodes))}
        </p>
      )}
      {error !== undefined && (
        <div class="problem">
          <strong>{error.message}</strong>
          <p class="faint">
            {error.code}
            {error.place !== undefined && ` · at ${error.place}`}
          </p>
        </div>
      )}
      <RunActs run={run} />
    </Card>
  );
}

function Age({ run }: { readonly run: RunView }) {
  const nowMs = useNow();
  const endMs = run.endedAt === undefined ? nowMs : Date.parse(run.endedAt);
  return <>{duration((endMs - Date.parse(run.createdAt)) / 1_000)}</>;
}

interface GraphCardProps {
  readonly run: RunView;
  readonly tops: readonly TopNode[];
  readonly chosen: string | undefined;
  readonly onChoose: (id: string) => void;
  readonly patches: RunPatches["patches"];
}

function GraphCard({ run, tops, chosen, onChoose, patches }: GraphCardProps) {
  const [isList, setList] = useState(false);
  const [showsPatches, setShowsPatches] = useState(true);
  const states = new Map(tops.map(({ id, node }) => [id, node]));
  const { edges: drawn } = patchMarks(patches);
  const edges = run.edges.map(({ from, to, on }): EdgeFacts => {
    const [source, target] = [states.get(from), states.get(to)];
    const isLeft = source !== undefined && ["done", "failed", "skipped"].includes(source.state);
    const isReached = target !== undefined && !["pending", "skipped"].includes(target.state);
    return { from, to, on, isTaken: isLeft && isReached, isPatched: drawn.has(`${from}>${to}`) };
  });
  return (
    <Card
      title="Graph"
      aside={
        <>
          {patches.length > 0 && (
            <label class="check">
              <input
                type="checkbox"
                checked={showsPatches}
                onChange={(event) => setShowsPatches(event.currentTarget.checked)}
              />
              Mark patches
            </label>
          )}
          <Button aria-pressed={isList} onClick={() => setList(!isList)}>
            As a list
          </Button>
        </>
      }
    >
      {tops.length === 0 ? (
        <Empty>This run has no nodes.</Empty>
      ) : isList ? (
        <NodeTable run={run} onChoose={onChoose} />
      ) : (
        <Graph
          nodes={tops}
          edges={edges}
          chosen={chosen}
          onChoose={onChoose}
          showsPatches={showsPatches}
        />
      )}
      {isOver(run) && run.state !== "done" && (
        <p class="faint">What was not begun stays pending: this run is {run.state}.</p>
      )}
    </Card>
  );
}

/** Rows of the list; beyond them a person looks into single nodes. */
const LISTED_MAX = 500;

function NodeTable({ run, onChoose }: Pick<GraphCardProps, "run" | "onChoose">) {
  return (
    <>
      <Table caption="Nodes" head={["Node", "State", "Type", "Tries"]} numbers={[3]}>
        {run.nodes.slice(0, LISTED_MAX).map(({ place, state, type, attempt }) => (
          <tr key={place}>
            <td>
              <Button look="quiet" onClick={() => onChoose(place)}>
                {place}
              </Button>
            </td>
            <td>
              <StateBadge state={state} />
            </td>
            <td>{type}</td>
            <td class="number">{attempt}</td>
          </tr>
        ))}
      </Table>
      {run.nodes.length > LISTED_MAX && (
        <p class="faint">
          The first {LISTED_MAX} of {run.nodes.length}.
        </p>
      )}
    </>
  );
}

function Values({ run }: { readonly run: RunView }) {
  return (
    <Card title="What went in and came out">
      <h3>Inputs</h3>
      {Object.keys(run.inputs).length === 0 ? (
        <p class="faint">It was given none.</p>
      ) : (
        <Json value={run.inputs} label="Inputs" />
      )}
      <h3>Result</h3>
      {run.result === undefined || run.result === null ? (
        <p class="faint">{run.state === "done" ? "It gave nothing." : "It is not done."}</p>
      ) : (
        <Json value={run.result} label="Result" />
      )}
    </Card>
  );
}
