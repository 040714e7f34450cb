// One node of a run: how it stands, what it gave, and what a person may do with it.

import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { useState } from "preact/hooks";
import { dateTime, latency } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { countWords, isOver, type Inside, type RunNode, type TopNode } from "../core/run-graph.ts";
import { type Happening, timesOf } from "../core/run-times.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { AskFirst } from "./dialog.tsx";
import { foldedWords } from "./graph-parts.tsx";
import { Json } from "./json.tsx";
import { Button, Card, Facts, StateBadge } from "./parts.tsx";
import { AskReason } from "./reason.tsx";
import { runPath, useMayMake } from "./run-acts.tsx";

export interface NodePanelProps {
  readonly run: RunView;
  /** Undefined: none is chosen, or an item that is over. */
  readonly node: RunNode | undefined;
  readonly top: TopNode | undefined;
  readonly lines: readonly Happening[];
  readonly onChoose: (place: string) => void;
}

export function NodePanel({ run, node, top, lines, onChoose }: NodePanelProps) {
  if (node === undefined || top === undefined) {
    return (
      <Card title="Node">
        <p class="faint">
          {top === undefined
            ? "Choose a node of the graph to see what it did."
            : "This item is over. Its output is in that of the node around it."}
        </p>
        {top !== undefined && <Button onClick={() => onChoose(top.id)}>Show {top.id}</Button>}
      </Card>
    );
  }
  const { place, type, state, attempt, take, dueAt, fault, output } = node;
  const { beganMs, endedMs } = timesOf(lines, place);
  const child = run.children[place];
  const isTop = place === top.id;
  return (
    <Card title={place} aside={<StateBadge state={state} />} tone={fault ? "bad" : "plain"}>
      <Facts
        rows={[
          ["Type", type],
          ["Tries", attempt],
          ["Began", beganMs === undefined ? undefined : dateTime(beganMs)],
          [
            "Took",
            beganMs === undefined || endedMs === undefined ? undefined : latency(endedMs - beganMs),
          ],
          ["Due", dueAt === undefined ? undefined : dateTime(dueAt)],
          ["Took the way", take],
          [
            "Patched by",
            isTop && top.patches.length > 0 ? `patch ${top.patches.join(", ")}` : undefined,
          ],
          ["Runs", child && <a href={formatPlace("runs", child)}>{child}</a>],
          [
            "Waits for",
            run.approvals[place] && <a href={formatPlace("approvals")}>a person's word</a>,
          ],
        ]}
      />
      {!isTop && (
        <Button look="quiet" onClick={() => onChoose(top.id)}>
          Inside {top.id}
        </Button>
      )}
      {fault !== undefined && (
        <div class="problem">
          <strong>{fault.message}</strong>
          <p class="faint">{fault.code}</p>
        </div>
      )}
      {output !== undefined && (
        <>
          <h3>Output</h3>
          <Json value={output} label={`Output of ${place}`} />
        </>
      )}
      {isTop && top.inside !== undefined && (
        <Folded inside={top.inside} type={type} onChoose={onChoose} />
      )}
      <NodeActs run={run} node={node} isTop={isTop} />
    </Card>
  );
}

/** Nodes of items that are shown at once; those that need a person come first. */
const INSIDE_MAX = 30;
const FIRST = ["failed", "unknown", "running", "waiting", "ready", "pending"];

const urgency = ({ state }: RunNode): number => (FIRST.indexOf(state) + 100) % 100;

function Folded(props: {
  readonly inside: Inside;
  readonly type: string;
  readonly onChoose: (place: string) => void;
}) {
  const { inside, type, onChoose } = props;
  const { nodes, items, counts } = inside;
  const shown = nodes.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, INSIDE_MAX);
  return (
    <>
      <h3>Inside</h3>
      <p>
        {foldedWords(items, type)}
        {nodes.length > 0 && `: ${countWords(counts)}`}
      </p>
      <ul class="lines">
        {shown.map(({ place, state }) => (
          <li key={place}>
            <Button look="quiet" onClick={() => onChoose(place)}>
              {place}
            </Button>
            <StateBadge state={state} />
          </li>
        ))}
      </ul>
      {nodes.length > shown.length && (
        <p class="faint">and {nodes.length - shown.length} more, in the list of nodes.</p>
      )}
    </>
  );
}

type Outcome = "done" | "failed" | "again";
const OUTCOMES: Readonly<Record<Outcome, readonly [verb: string, text: string]>> = {
  done: ["It was done", "The run goes on as if the node had ended well, without an output."],
  failed: ["It failed", "The run goes on as if the node had failed."],
  again: ["Do it again", "The node is begun again. What it did before may happen twice."],
};

function NodeActs(props: {
  readonly run: RunView;
  readonly node: RunNode;
  readonly isTop: boolean;
}) {
  const { run: whole, node, isTop } = props;
  const { isBusy, run } = useAct();
  const [asks, setAsks] = useState<Outcome | "retry">();
  if (!useMayMake()) return null;
  const path = runPath(whole.id);
  const close = (): void => setAsks(undefined);
  if (node.state === "unknown") {
    return (
      <>
        <p>Its worker was lost in the middle. Look what became of it, and say so.</p>
        <div class="row">
          {(["done", "failed", "again"] as const).map((outcome) => (
            <Button key={outcome} disabled={isBusy} onClick={() => setAsks(outcome)}>
              {OUTCOMES[outcome][0]}
            </Button>
          ))}
        </div>
        {asks !== undefined && asks !== "retry" && (
          <AskReason
            title={`${node.place}: ${OUTCOMES[asks][0].toLowerCase()}?`}
            text={OUTCOMES[asks][1]}
            verb={OUTCOMES[asks][0]}
            isNeeded
            onClose={close}
            onYes={(reason) =>
              run(
                () => post(`${path}/resolve`, { place: node.place, outcome: asks, reason }),
                "Noted",
              )
            }
          />
        )}
      </>
    );
  }
  if (!isTop || !isOver(whole) || node.state === "pending") return null;
  return (
    <>
      <Button disabled={isBusy} onClick={() => setAsks("retry")}>
        Run again from here
      </Button>
      {asks === "retry" && (
        <AskFirst
          title={`Run again from ${node.place}?`}
          text="The outputs of this node and of all after it are made anew; what they do to the world, they do again."
          verb="Run again"
          onClose={close}
          onYes={() => run(() => post(`${path}/retry`, { node: node.place }), "It runs again")}
        />
      )}
    </>
  );
}
