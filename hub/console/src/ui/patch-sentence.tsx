// Changing a run by a sentence: what it would be is shown first, and what is unclear is asked back.

import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { useId, useState } from "preact/hooks";
import { isOver } from "../core/run-graph.ts";
import type { PatchProposal } from "../core/views.ts";
import { useAct } from "../live/act.ts";
import { call } from "../live/api.ts";
import { Difference } from "./difference.tsx";
import { Button } from "./parts.tsx";
import { runPath, useMayMake } from "./run-acts.tsx";

/** A model may have to answer three times. */
const PROPOSE_MS = 180_000;

export function PatchSentence({ run: whole }: { readonly run: RunView }) {
  const [sentence, setSentence] = useState("");
  const [told, setTold] = useState<{
    readonly sentence: string;
    readonly proposal: PatchProposal;
  }>();
  const { isBusy, run } = useAct();
  const field = useId();
  if (!useMayMake() || isOver(whole)) return null;
  const ask = async (wish: string, apply: boolean): Promise<void> => {
    const proposal = await call<PatchProposal>(`${runPath(whole.id)}/patches/propose`, {
      method: "POST",
      body: { sentence: wish, apply },
      timeoutMs: PROPOSE_MS,
    });
    setTold({ sentence: wish, proposal });
    if (apply) setSentence("");
  };
  const wish = sentence.trim();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (wish !== "") run(() => ask(wish, false));
      }}
    >
      <label for={field}>Change this run by a sentence</label>
      <div class="row fill">
        <input
          id={field}
          value={sentence}
          maxLength={1_000}
          autocomplete="off"
          placeholder="add a pause of 5 minutes at the end"
          onInput={(event) => {
            setSentence(event.currentTarget.value);
            setTold(undefined);
          }}
        />
        <Button type="submit" disabled={isBusy || wish === ""}>
          Show
        </Button>
      </div>
      <div role="status">{told !== undefined && <Told of={told.proposal} />}</div>
      {told?.proposal.kind === "patch" && !isDone(told.proposal) && (
        <Button
          look="primary"
          disabled={isBusy}
          onClick={() => run(() => ask(told.sentence, true))}
        >
          {told.proposal.needsApproval ? "Ask for approval" : "Change it"}
        </Button>
      )}
    </form>
  );
}

type Patch = Extract<PatchProposal, { kind: "patch" }>;
const isDone = ({ applied, approval }: Patch): boolean => applied || approval !== undefined;

function Told({ of }: { readonly of: PatchProposal }) {
  if (of.kind === "question")
    return (
      <div class="problem">
        <strong>{of.question}</strong>
        {of.choices.length > 0 && <p class="faint">{of.choices.join(", ")}</p>}
      </div>
    );
  return (
    <>
      {of.by === "model" && <p class="faint">A model wrote this: read it well.</p>}
      {of.difference !== undefined && <Difference of={of.difference} />}
      {of.applied && <p>The run is changed.</p>}
      {of.approval !== undefined && <p>It waits for a person’s word, under Approvals.</p>}
    </>
  );
}
