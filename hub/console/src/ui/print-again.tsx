// The file of a print that is over, or that was only kept, once more: a job of its own, with a
// confirmation of its own.

import { mayAct } from "@gantry/shared/contract/roles.ts";
import type { PrintAccepted, PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { useState } from "preact/hooks";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useConsole } from "../live/store.ts";
import { Button } from "./parts.tsx";

const OVER: ReadonlySet<PrintView["state"]> = new Set([
  "done",
  "failed",
  "cancelled",
  "interrupted",
]);

export function PrintAgain({ print }: { readonly print: PrintView }) {
  const role = useConsole(({ session }) => (session.kind === "in" ? session.me.role : "viewer"));
  const { isBusy, run } = useAct();
  const [made, setMade] = useState<string>();
  if (!OVER.has(print.state) || !mayAct(role, "maker")) return null;
  if (made !== undefined) {
    return (
      <a class="button" href={formatPlace("prints", made)}>
        See the new print
      </a>
    );
  }
  const again = async (): Promise<void> => {
    const path = `/api/fabrication/jobs/${encodeURIComponent(print.id)}/again`;
    const { job } = await post<PrintAccepted>(path);
    setMade(job.id);
  };
  return (
    <Button
      disabled={isBusy}
      onClick={() => run(again, `${print.name} waits for its confirmation`)}
    >
      {print.kept === true ? "Print it" : "Print again"}
    </Button>
  );
}
