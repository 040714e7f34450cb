// What a person may do with a run.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { useState } from "preact/hooks";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useConsole } from "../live/store.ts";
import { AskFirst } from "./dialog.tsx";
import { Button } from "./parts.tsx";
import { AskReason } from "./reason.tsx";

export const runPath = (id: string): string => `/api/runs/${encodeURIComponent(id)}`;

export function useMayMake(): boolean {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  return mayAct(role, "maker");
}

export function RunActs({ run: { id, state } }: { readonly run: RunView }) {
  const { isBusy, run } = useAct();
  const [asks, setAsks] = useState<"cancel" | "retry">();
  const path = runPath(id);
  if (!useMayMake()) return null;
  const close = (): void => setAsks(undefined);
  return (
    <div class="row acts">
      {state === "running" && (
        <Button disabled={isBusy} onClick={() => run(() => post(`${path}/pause`), "Paused")}>
          Pause
        </Button>
      )}
      {state === "paused" && (
        <Button
          look="primary"
          disabled={isBusy}
          onClick={() => run(() => post(`${path}/resume`), "It goes on")}
        >
          Resume
        </Button>
      )}
      {(state === "running" || state === "paused") && (
        <Button look="danger" disabled={isBusy} onClick={() => setAsks("cancel")}>
          Cancel run
        </Button>
      )}
      {(state === "failed" || state === "cancelled") && (
        <Button disabled={isBusy} onClick={() => setAsks("retry")}>
          Retry
        </Button>
      )}
      {state === "undoing" && <span class="faint">It is undoing what was done.</span>}
      {asks === "cancel" && (
        <AskReason
          title="Cancel this run?"
          text="Nothing more begins, work under way is stopped, and nodes with an undo are undone."
          verb="Cancel the run"
          onClose={close}
          onYes={(reason) => run(() => post(`${path}/cancel`, { reason }), "Cancelled")}
        />
      )}
      {asks === "retry" && (
        <AskFirst
          title="Retry this run?"
          text="It goes on from the node that failed it, with the outputs of the nodes before. What comes after that node is done again."
          verb="Retry the run"
          onClose={close}
          onYes={() => run(() => post(`${path}/retry`), "It runs again")}
        />
      )}
    </div>
  );
}
