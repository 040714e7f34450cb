import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useConsole } from "../live/store.ts";
import { Button } from "./parts.tsx";

/** A person's word on a print whose end nobody saw. The hub never guesses it. */
export function Resolve({ print }: { readonly print: PrintView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  if (!mayAct(role, "operator")) return null;
  const say = (outcome: "done" | "failed"): void =>
    run(
      () => post(`/api/fabrication/jobs/${encodeURIComponent(print.id)}/resolve`, { outcome }),
      `${print.name} is noted as ${outcome}`,
    );
  return (
    <div class="row">
      <Button disabled={isBusy} onClick={() => say("done")}>
        It is done
      </Button>
      <Button look="danger" disabled={isBusy} onClick={() => say("failed")}>
        It failed
      </Button>
    </div>
  );
}
