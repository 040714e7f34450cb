// How print jobs look to a person. Pure.

import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import { renderConfirmation } from "./render/box.ts";
import { type Look, paint } from "./render/look.ts";
import { renderFacts, renderTable } from "./render/table.ts";
import { cleanLine } from "./render/text.ts";
import { formatBytes, formatSeconds, formatShare, formatTime } from "./render/units.ts";

/** One print in full, with what the scan of its G-code found. */
export function printFacts(look: Look, view: PrintView): string {
  const { gcode } = view;
  const facts = renderFacts(look, [
    ["job", view.id],
    ["name", view.name],
    ["printer", view.printer],
    ["state", [stateOf(view), view.waitsFor].filter(Boolean).join(": ")],
    ["progress", formatShare(view.progress)],
    ["started", view.startedAt === undefined ? undefined : formatTime(view.startedAt)],
    ["finished", view.finishedAt === undefined ? undefined : formatTime(view.finishedAt)],
    ["time", timeOf(view)],
    ["heat", `nozzle ${gcode.nozzleMaxC} °C, bed ${gcode.bedMaxC} °C`],
    ["filament", filamentOf(gcode)],
    ["layers", layersOf(gcode)],
    ["size", `${formatBytes(gcode.sizeBytes)}, ${gcode.commands} commands`],
    ["sliced by", slicerOf(gcode)],
    ["by", view.by],
    ["cost", costOf(view)],
    ["outcome", outcomeOf(view)],
    ["error", view.error === undefined ? undefined : `${view.error.message} (${view.error.code})`],
  ]);
  const hazards = gcode.hazards.map((hazard) => paint(look, "yellow", `! ${cleanLine(hazard)}`));
  return [facts, ...hazards].join("\n");
}

function costOf({ use, estimatedCostMicroUsd }: PrintView): string | undefined {
  const micro = use?.costMicroUsd ?? estimatedCostMicroUsd;
  if (micro === undefined) return undefined;
  return `${use === undefined ? "about " : ""}${(micro / 1_000_000).toFixed(2)} USD`;
}

function outcomeOf({ outcome }: PrintView): string | undefined {
  if (outcome === undefined) return undefined;
  const { isGood, reason, note } = outcome;
  return cleanLine([isGood ? "good" : "bad", reason, note].filter(Boolean).join(": "));
}

/** A file that was only sent to be kept never was a job to cancel. */
const stateOf = ({ kept, state }: PrintView): string => (kept === true ? "kept" : state);

type Gcode = PrintView["gcode"];

/** The slicer's word first; ours beside it, for the slicer did not know the limits of this printer. */
function timeOf({ estimatedS, gcode: { analysis } }: PrintView): string {
  const about = `about ${formatSeconds(estimatedS)}`;
  if (analysis?.slicerS === undefined) return about;
  return `${about} by the slicer, ${formatSeconds(analysis.modelS)} by its moves`;
}

function filamentOf({ filamentMm, analysis }: Gcode): string {
  const { massG, material } = analysis?.filament ?? {};
  return [
    `${(filamentMm / 1_000).toFixed(2)} m`,
    massG === undefined ? undefined : `${massG.toFixed(1)} g`,
    material === undefined ? undefined : cleanLine(material),
  ]
    .filter((part) => part !== undefined)
    .join(", ");
}

function layersOf({ layers, analysis }: Gcode): string {
  const heights = analysis?.layers;
  return heights === undefined
    ? String(layers)
    : `${layers} of ${heights.usualHeightMm} mm, ${heights.topMm} mm high`;
}

function slicerOf({ analysis }: Gcode): string | undefined {
  const slicer = analysis?.slicer;
  return slicer && cleanLine([slicer.name, slicer.version].filter(Boolean).join(" "));
}

/** The same with the confirmation that it waits for. */
export const printPage = (look: Look, view: PrintView): string =>
  view.confirmation?.state === "pending"
    ? `${printFacts(look, view)}\n${renderConfirmation(look, view.confirmation)}`
    : printFacts(look, view);

export const printsTable = (look: Look, views: readonly PrintView[]): string =>
  renderTable(
    look,
    [
      { title: "ID", value: (view) => view.id },
      { title: "STATE", value: stateOf },
      { title: "DONE", value: (view) => formatShare(view.progress), align: "right" },
      { title: "PRINTER", value: (view) => view.printer },
      { title: "BY", value: (view) => view.by },
      { title: "MADE", value: (view) => formatTime(view.createdAt) },
      { title: "NAME", value: (view) => view.name },
    ],
    views,
    "There are no prints yet. Send one: gantry print FILE --on PRINTER",
  );
