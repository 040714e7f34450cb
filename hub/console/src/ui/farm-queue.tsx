// What waits, in its order, with the reason of each and what would end it.

import { PRIORITY } from "@gantry/shared/contract/farm.ts";
import type { FarmView, QueuedPrint } from "@gantry/shared/contract/schemas/farm.ts";
import { needsOf } from "../core/farm.ts";
import { dateTime, duration, words } from "../core/format.ts";
import { formatPlace } from "../core/route.ts";
import { useAct } from "../live/act.ts";
import { post } from "../live/api.ts";
import { useResource } from "../live/resources.ts";
import { useMayRun } from "../live/rights.ts";
import { Badge, Button, Empty, Facts } from "./parts.tsx";
import { Waiting } from "./waiting.tsx";

export function FarmQueue() {
  const view = useResource<FarmView>("/api/farm");
  return (
    <Waiting of={view}>
      {({ queue, more, loadings }) => (
        <>
          {loadings.length > 0 && (
            <ul class="farm-loads" aria-label="Filament to load">
              {loadings.map(({ printer, material, color, jobs }) => (
                <li key={printer}>
                  Load <strong>{material}</strong>
                  {color !== undefined && ` #${color}`} in <strong>{printer}</strong>: {jobs.length}{" "}
                  {jobs.length === 1 ? "print waits" : "prints wait"} for it.
                </li>
              ))}
            </ul>
          )}
          {queue.length === 0 ? (
            <Empty command="gantry print part.gcode --on any --material PLA">Nothing waits.</Empty>
          ) : (
            <ol class="farm-queue" aria-label="Prints that wait, the first served first">
              {queue.map((print) => (
                <Row key={print.id} print={print} />
              ))}
            </ol>
          )}
          {more > 0 && <p class="faint">and {more} more, which come after these.</p>}
        </>
      )}
    </Waiting>
  );
}

function Row({ print }: { readonly print: QueuedPrint }) {
  const { id, name, by, farm, reason, estimatedS, grams, dueAt } = print;
  return (
    <li class="farm-row">
      <div class="row between">
        <h2>
          <a href={formatPlace("prints", id)}>{name}</a>
        </h2>
        <span class="row">
          <Badge tone={toneOf(reason.code)}>{words(reason.code)}</Badge>
          {farm !== undefined && <Rank id={id} name={name} priority={farm.priority} />}
        </span>
      </div>
      <p>{reason.message}</p>
      <p class="hint">{reason.change}</p>
      <Facts
        rows={[
          ["Needs", needsOf(print)],
          [
            "Takes",
            [duration(estimatedS), grams && `${Math.ceil(grams)} g`].filter(Boolean).join(", "),
          ],
          ["Deadline", farm?.deadline === undefined ? undefined : dateTime(farm.deadline)],
          ["Due in the queue", dateTime(dueAt)],
          ["Ordered by", by],
        ]}
      />
      {reason.printers.length > 1 && (
        <details>
          <summary>All {reason.printers.length} printers</summary>
          <ul class="farm-why">
            {reason.printers.map(({ printer, message }) => (
              <li key={printer}>
                <strong>{printer}</strong>: {message}
              </li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

/** What ends by itself is calm; what waits for a hand is not. */
const toneOf = (code: string): "info" | "warn" | "plain" =>
  code === "starting"
    ? "info"
    : ["printing", "taken", "off_peak", "not_idle"].includes(code)
      ? "plain"
      : "warn";

function Rank({ id, name, priority }: { id: string; name: string; priority: number }) {
  const may = useMayRun();
  const { isBusy, run } = useAct();
  const set = (wanted: number): void =>
    run(() => post(`/api/farm/queue/${encodeURIComponent(id)}`, { priority: wanted }));
  return (
    <span class="row farm-rank">
      {may && (
        <Button
          aria-label={`Later: ${name}`}
          disabled={isBusy || priority <= PRIORITY.min}
          onClick={() => set(priority - 1)}
        >
          −
        </Button>
      )}
      <span class="number">priority {priority}</span>
      {may && (
        <Button
          aria-label={`Sooner: ${name}`}
          disabled={isBusy || priority >= PRIORITY.max}
          onClick={() => set(priority + 1)}
        >
          +
        </Button>
      )}
    </span>
  );
}
