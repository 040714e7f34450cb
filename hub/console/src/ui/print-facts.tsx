import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { formatPlace } from "../core/route.ts";
import { useResource } from "../live/resources.ts";
import { bytes, dateTime, duration, metres } from "../core/format.ts";
import { Facts, Hash, Progress, StateBadge } from "./parts.tsx";

/** What the scan found in the file, and when what happened. */
export function PrintFacts({ print }: { readonly print: PrintView }) {
  const {
    id,
    name,
    gcode,
    printer,
    by,
    estimatedS,
    createdAt,
    startedAt,
    finishedAt,
    startedCount,
  } = print;
  const { analysis } = gcode;
  return (
    <>
      {isShown(analysis) && (
        <img
          class="thumbnail"
          src={`/api/fabrication/jobs/${encodeURIComponent(id)}/thumbnail`}
          alt={`${name}, as the slicer drew it`}
        />
      )}
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
          ["By its moves", analysis === undefined ? undefined : duration(analysis.modelS)],
          ["Layers", layersOf(gcode)],
          ["Filament", filamentOf(gcode)],
          ["Nozzle up to", `${gcode.nozzleMaxC} °C`],
          ["Bed up to", `${gcode.bedMaxC} °C`],
          ["Part", sizeOf(analysis?.laidBoundsMm)],
          ["Sliced by", slicerOf(gcode)],
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

type Gcode = PrintView["gcode"];

/** Browsers know no QOI. */
const isShown = (analysis: Gcode["analysis"]): boolean => {
  const picture = analysis?.thumbnails[0];
  return picture !== undefined && picture.format !== "qoi";
};

function layersOf({ layers, analysis }: Gcode): string {
  const heights = analysis?.layers;
  return heights === undefined
    ? String(layers)
    : `${layers} of ${heights.usualHeightMm} mm, ${heights.topMm} mm high`;
}

function filamentOf({ filamentMm, analysis }: Gcode): string {
  const { massG, material } = analysis?.filament ?? {};
  const mass = massG === undefined ? [] : [`${massG.toFixed(1)} g`];
  return [metres(filamentMm), ...mass, ...(material === undefined ? [] : [material])].join(", ");
}

function slicerOf({ analysis }: Gcode): string | undefined {
  const slicer = analysis?.slicer;
  return slicer && [slicer.name, slicer.version].filter(Boolean).join(" ");
}

/** Of the box around all filament, skirt and purge lines too. */
function sizeOf(box: NonNullable<Gcode["analysis"]>["laidBoundsMm"]): string | undefined {
  if (box === undefined) return undefined;
  const sides = (["x", "y"] as const).map((axis) => (box.max[axis] - box.min[axis]).toFixed(1));
  return `${sides.join(" × ")} mm, ${box.max.z.toFixed(1)} mm high`;
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
