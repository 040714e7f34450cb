import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { isUnresolved } from "../core/attention.ts";
import { duration } from "../core/format.ts";
import { useResource } from "../live/resources.ts";
import { ConfirmationCard } from "../ui/confirmation.tsx";
import { LayerView } from "../ui/layer-view.tsx";
import { Card, PageHead, ProblemNote, Progress, StateBadge } from "../ui/parts.tsx";
import { PrintAgain } from "../ui/print-again.tsx";
import { PrintFacts } from "../ui/print-facts.tsx";
import { PrintActs } from "../ui/printer.tsx";
import { Resolve } from "../ui/resolve.tsx";
import { Timeline } from "../ui/timeline.tsx";
import { Waiting } from "../ui/waiting.tsx";

/** One print: how it is, what may be done with it, what the scan found, what happened. */
export function PrintPage({ id }: { readonly id: string }) {
  const print = useResource<PrintView>(`/api/fabrication/jobs/${encodeURIComponent(id)}`);
  return (
    <div class="page">
      <PageHead title={print.value?.name ?? "Print"}>
        <a href="#/prints">All prints</a>
      </PageHead>
      <Waiting of={print}>
        {(value) => (
          <div class="split">
            <div class="stack">
              <Now print={value} />
              {value.confirmation !== undefined && (
                <ConfirmationCard confirmation={value.confirmation} />
              )}
              {value.gcode.layers > 0 && (
                <Card title="Layers">
                  <LayerView print={value} />
                </Card>
              )}
              <Card title="The file">
                <PrintFacts print={value} />
              </Card>
            </div>
            <Card title="What happened">
              <Timeline type="print.changed" subject={id} />
            </Card>
          </div>
        )}
      </Waiting>
    </div>
  );
}

function Now({ print }: { readonly print: PrintView }) {
  const { state, kept, progress, remainingS, waitsFor, error, printer } = print;
  return (
    <Card
      title={`On ${printer}`}
      tone={isUnresolved(print) ? "bad" : "plain"}
      aside={<StateBadge state={kept === true ? "kept" : state} />}
    >
      <Progress value={progress} label="Progress" />
      {remainingS !== undefined && <p class="faint">{duration(remainingS)} left</p>}
      {waitsFor !== undefined && <p>Waits for: {waitsFor}</p>}
      {error !== undefined && (
        <ProblemNote
          problem={{
            status: 0,
            code: error.code,
            title: error.message,
            detail: "",
            hint: "",
            requestId: "",
          }}
        />
      )}
      {isUnresolved(print) && (
        <>
          <p>Nobody saw its end. Look at the bed and say what became of it.</p>
          <Resolve print={print} />
        </>
      )}
      <div class="row">
        <PrintActs print={print} />
        <PrintAgain print={print} />
      </div>
    </Card>
  );
}
