// Use case: a run once more, as a whole or from some of its nodes on.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RunDraft } from "@gantry/shared/contract/run-commands.ts";
import type { ReplayMode } from "@gantry/shared/contract/run-rows.ts";
import type { RunStart } from "@gantry/shared/contract/schemas/runs.ts";
import type { Rows } from "../ledger/rows.ts";
import type { RunRow } from "../ledger/run-row.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import type { DeskParts } from "./context.ts";
import { runRow, startRun } from "./runs.ts";

interface Asked {
  readonly mode: ReplayMode;
  readonly workflow?: string;
  readonly inputs?: RunStart["inputs"];
  readonly from?: string;
  readonly at?: number;
}

/** What it did then is answered again; nothing reaches the world, but from a node on where that is asked. */
export async function runReplayed(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const row = runRow(parts, request);
  const asked = request.body as Asked;
  checkAsked(row, asked);
  const { mode, workflow, inputs } = asked;
  const from = startsOf(parts.hub.rows, row, asked);
  const replayOf: NonNullable<RunDraft["replayOf"]> = {
    run: row.id,
    mode,
    ...(from === undefined ? {} : { from }),
  };
  return startRun(
    parts,
    request,
    {
      workflow: workflow ?? `sha256:${mode === "shadow" ? row.definition : row.state.graph}`,
      inputs: inputs ?? row.state.inputs,
      fidelity: row.fidelity,
      replayOf,
    },
    signal,
  );
}

/** Throws bad_request, conflict. */
function checkAsked(row: RunRow, { mode, workflow, inputs, from, at }: Asked): void {
  const isPart = from !== undefined || at !== undefined;
  if (from !== undefined && at !== undefined)
    throw new GantryError("bad_request", "from and at: name a node or a log position, not both");
  if (mode === "live" && !isPart)
    throw new GantryError("bad_request", "live goes on from somewhere: name a node or a position");
  const isChanged = workflow !== undefined || inputs !== undefined;
  if (isChanged && (mode !== "shadow" || isPart))
    throw new GantryError(
      "bad_request",
      "freeze repeats it as it was; use shadow, as a whole, for a change",
    );
  if ((mode !== "live" || at !== undefined) && row.fidelity !== "full")
    throw new GantryError("conflict", "Only runs of full fidelity have their answers recorded");
}

/** Undefined: the whole of it. */
function startsOf(rows: Rows, row: RunRow, { from, at }: Asked): readonly string[] | undefined {
  if (from !== undefined) return [from];
  return at === undefined ? undefined : touchedAfter(rows, row, at);
}

/** Nodes of the graph itself to which anything happened after a log position. O(entries of the timeline). */
function touchedAfter(rows: Rows, { id, entries }: RunRow, at: number): readonly string[] {
  const touched = new Set<string>();
  for (let number = entries - 1; number >= 0; number -= 1) {
    const entry = rows.get("timeline", `${id}/${number}`);
    if (entry === undefined || entry.position <= at) break; // in the order of the log
    for (const { what, place } of entry.items) {
      if (what.startsWith("patch"))
        throw new GantryError(
          "conflict",
          `It was patched at position ${entry.position}, after ${at}: its graph was another one then`,
        );
      if (place !== undefined) touched.add(place.split(/[[/]/, 1)[0] ?? place);
    }
  }
  if (touched.size > 0) return [...touched].toSorted();
  throw new GantryError("conflict", `Nothing happened in ${id} after position ${at}`);
}
