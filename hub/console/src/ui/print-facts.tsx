import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { formatPlace } from "../core/route.ts";
import { useResource } from "../live/resources.ts";
import { bytes, dateTime, duration, metres } from "../core/format.ts";
import { Facts, Hash, Progress, StateBadge } from "./parts.tsx";

/** What the scan found in the file, and when what happened. */
export function PrintFacts({ print }: { readonly print: PrintView }) {
  const { gcode, printer, by, estimatedS, createdAt, startedAt, finishedAt, startedCount } = print;
  return (
    <>
      {gcode.hazards.length > 0 && (
        <ul class="hazards" aria-label="Hazards found">
          {gcode.hazards.map((hazard) => (
            <li key={hazard}>{hazard}</li>
          ))}
        </ul>
      )}
      <Facts
        rows={[
          ["Printer", printer],
          ["Estimated", duration(estimatedS)],
          ["Layers", gcode.layers],
          ["Filament", metres(gcode.filamentMm)],
          ["Nozzle up to", `${gcode.nozzleMaxC} °C`],
          ["Bed up to", `${gcode.bedMaxC} °C`],
          ["File", bytes(gcode.sizeBytes)],
          ["Commands", gcode.commands.toLocaleString()],
          ["Hash", <Hash value={gcode.sha256} />],
          ["Asked by", by],
          ["Queued", time(createdAt)],
          ["Started", time(startedAt)],
          ["Ended", time(finishedAt)],
          ["Times started", startedCount],
        ]}
      />
    </>
  );
}

const time = (at: string | undefined): string | undefined =>
  at === undefined ? undefined : dateTime(at);

/** A print in two lines, live: what an answer started. */
export function PrintLine({ id }: { readonly id: string }) {
  const { value } = useResource<PrintView>(`/api/fabrication/jobs/${encodeURIComponent(id)}`);
  if (value === undefined) return null;
  return (
    <div class="need calm" role="group" aria-label={`Print ${value.name}`}>
      <a href={formatPlace("prints", id)}>{value.name}</a>
      <StateBadge state={value.state} />
      <Progress value={value.progress} label={`Progress of ${value.name}`} />
    </div>
  );
}
