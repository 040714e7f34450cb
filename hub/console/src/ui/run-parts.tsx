// What is beside the graph of a run: what comes next, its patches, what happened.

import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { useState } from "preact/hooks";
import { count, dateTime, duration, timeOfDay } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { isOver, type Next, operationWords, standingPatches } from "../core/run-graph.ts";
import { type Happening, happeningWords } from "../core/run-times.ts";
import type { RunPatch } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useNow } from "../live/now.ts";
import { PatchDifference } from "./difference.tsx";
import { PatchSentence } from "./patch-sentence.tsx";
import { Badge, Button, Card, Empty } from "./parts.tsx";
import { AskReason } from "./reason.tsx";
import { runPath, useMayMake } from "./run-acts.tsx";

const NEXT_MAX = 8;

export function NextList(props: {
  readonly run: RunView;
  readonly next: readonly Next[];
  readonly onChoose: (id: string) => void;
}) {
  const { run, next, onChoose } = props;
  // As high while it changes: what is below must not move under a hand.
  const [isLive] = useState(!isOver(run));
  return (
    <Card title="What runs next">
      <div
        class={isLive ? "next-steps" : ""}
        tabIndex={isLive ? 0 : -1}
        role="group"
        aria-label="Next nodes"
      >
        {next.length === 0 ? (
          <p class="faint">
            {isOver(run) ? "Nothing: the run is over." : "Nothing waits behind what is under way."}
          </p>
        ) : (
          <ul class="lines">
            {next.slice(0, NEXT_MAX).map((step) => (
              <li key={step.id}>
                <Button look="quiet" onClick={() => onChoose(step.id)}>
                  {step.id}
                </Button>
                <span class="faint">
                  <When step={step} isPaused={run.state === "paused"} />
                </span>
              </li>
            ))}
          </ul>
        )}
        {next.length > NEXT_MAX && <p class="faint">and {next.length - NEXT_MAX} more</p>}
      </div>
    </Card>
  );
}

function When({ step, isPaused }: { readonly step: Next; readonly isPaused: boolean }) {
  const nowMs = useNow();
  switch (step.kind) {
    case "ready":
      return <>{isPaused ? "when the run goes on" : "as soon as there is room"}</>;
    case "due": {
      const left = duration((Date.parse(step.at) - nowMs) / 1_000);
      return <>{step.isAsking ? `waits for a person, ${left} left` : `in ${left}`}</>;
    }
    case "after":
      return <>after {step.after.join(", ")}</>;
  }
}

export function PatchList(props: { readonly run: RunView; readonly patches: readonly RunPatch[] }) {
  const { run, patches } = props;
  const standing = standingPatches(patches);
  return (
    <Card title="Patches" aside={patches.length > 0 && count(patches.length, "patch", "patches")}>
      {patches.length === 0 ? (
        <p class="faint">Nobody changed this run. It is as its workflow says.</p>
      ) : (
        <ol class="lines">
          {patches.toReversed().map((patch) => (
            <Patch
              key={patch.number}
              run={run}
              patch={patch}
              isStanding={standing.has(patch.number)}
            />
          ))}
        </ol>
      )}
      <PatchSentence run={run} />
    </Card>
  );
}

function Patch(props: {
  readonly run: RunView;
  readonly patch: RunPatch;
  readonly isStanding: boolean;
}) {
  const { run: whole, patch, isStanding } = props;
  const { number, by, reason, at, operations, reverts, approvedBy } = patch;
  const { isBusy, run } = useAct();
  const [isAsking, setAsking] = useState(false);
  const mayRevert = useMayMake() && isStanding && reverts === undefined && !isOver(whole);
  return (
    <li>
      <div>
        <strong>Patch {number}</strong>{" "}
        {reverts !== undefined && <Badge>takes patch {reverts} back</Badge>}
        {!isStanding && <Badge>taken back</Badge>}
        <p>{reason}</p>
        <p class="faint">{operationWords(operations).join("; ")}</p>
        <PatchDifference path={`${runPath(whole.id)}/patches/${number}`} title="What it changed" />
        <p class="faint">
          {by}
          {approvedBy !== undefined && `, approved by ${approvedBy}`} · {dateTime(at)}
        </p>
      </div>
      {mayRevert && (
        <Button disabled={isBusy} onClick={() => setAsking(true)}>
          Take back
        </Button>
      )}
      {isAsking && (
        <AskReason
          title={`Take patch ${number} back?`}
          text="The graph becomes what it was before it. What has run already stays as it is; the hub refuses if that cannot be."
          verb="Take it back"
          isNeeded
          onClose={() => setAsking(false)}
          onYes={(why) =>
            run(
              () => post(`${runPath(whole.id)}/revert`, { patch: number, reason: why }),
              `Patch ${number} is taken back`,
            )
          }
        />
      )}
    </li>
  );
}

export interface RunHistoryProps {
  readonly id: string;
  readonly lines: readonly Happening[];
  readonly next: string | undefined;
  readonly isLater: boolean;
}

export function RunHistory({ id, lines, next, isLater }: RunHistoryProps) {
  return (
    <Card title="What happened">
      {lines.length === 0 ? (
        <Empty>Nothing yet.</Empty>
      ) : (
        <ol class="timeline run-history" tabIndex={0} aria-label="What happened, the oldest first">
          {lines.map((line, index) => (
            <li key={index}>
              {happeningWords(line)} <span class="faint">{timeOfDay(line.atMs)}</span>
            </li>
          ))}
        </ol>
      )}
      {(isLater || next !== undefined) && (
        <nav class="row" aria-label="Parts of the history">
          {isLater && (
            <a class="button" href={formatPlace("runs", id)}>
              From the start
            </a>
          )}
          {next !== undefined && (
            <a class="button" href={formatPlace("runs", id, { from: next })}>
              Later
            </a>
          )}
        </nav>
      )}
    </Card>
  );
}
