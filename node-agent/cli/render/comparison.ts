// Two runs beside each other. Pure.

import type { RunComparison } from "@gantry/shared/contract/schemas/runs.ts";
import { renderDifference } from "./difference.ts";
import type { Look } from "./look.ts";
import { renderTable } from "./table.ts";
import { cleanLine } from "./text.ts";

const PLACES_SHOWN = 40;

export function renderComparison(look: Look, view: RunComparison): string {
  const { runs, sameBase, sameInputs, sameResult, difference, places, placesDiffering } = view;
  const summary = [same("base", sameBase), same("inputs", sameInputs), same("result", sameResult)];
  const table = renderTable(
    look,
    [
      { title: "RUN", value: (run) => run.id },
      { title: "STATE", value: (run) => run.state },
      {
        title: "TOOK",
        value: (run) => (run.tookMs === undefined ? "" : `${run.tookMs} ms`),
        align: "right",
      },
      {
        title: "COST",
        value: (run) => (run.costUsd === undefined ? "" : `${run.costUsd.toFixed(4)} USD`),
        align: "right",
      },
      {
        title: "PATCHES",
        value: (run) => run.patches.map(({ reason }) => cleanLine(reason)).join("; "),
      },
      { title: "ERROR", value: (run) => cleanLine(run.error?.message ?? "") },
    ],
    runs,
    "",
  );
  const differing = renderTable(
    look,
    [
      { title: "PLACE", value: ({ place }) => place },
      { title: "FIRST", value: ({ states }) => states[0] ?? "-" },
      { title: "SECOND", value: ({ states }) => states[1] ?? "-" },
      { title: "OUTPUT", value: ({ sameOutput }) => (sameOutput ? "the same" : "another") },
    ],
    places.slice(0, PLACES_SHOWN),
    "Every node came to the same.",
  );
  const more = placesDiffering > PLACES_SHOWN ? `\nand ${placesDiffering - PLACES_SHOWN} more` : "";
  return `${table}\n\n${summary.join(", ")}\n\n${renderDifference(look, difference)}\n\n${differing}${more}`;
}

const same = (what: string, isSame: boolean): string =>
  `${isSame ? "the same" : "another"} ${what}`;
