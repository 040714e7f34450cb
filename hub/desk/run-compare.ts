// Use case: two runs beside each other: what was patched in each, how their graphs differ, and what came
// of it at each node and in the end.

import type { RunComparison } from "@gantry/shared/contract/schemas/runs.ts";
import { planOf } from "../ledger/domains/plans.ts";
import type { Rows } from "../ledger/rows.ts";
import type { NodeView } from "../workflow/engine-types.ts";
import { isSame } from "../workflow/json-value.ts";
import { differenceOf } from "../workflow/patches/difference.ts";
import { nodesOf } from "../workflow/view.ts";
import type { DeskRequest } from "../ports.ts";
import type { DeskParts } from "./context.ts";
import { type OpenedRun, openRun } from "./run-archive.ts";

/** Places that differ; beyond them the report says how many there are. */
const PLACES_MAX = 500;

export async function runCompared(parts: DeskParts, request: DeskRequest): Promise<RunComparison> {
  const { rows } = parts.hub;
  const one = await openRun(parts, request);
  const id = String(request.query["with"]);
  const two = await openRun(parts, { ...request, params: { ...request.params, id } });
  const [first, second] = [one.row.state, two.row.state];
  const places = placesOf(nodesIn(rows, one), nodesIn(rows, two));
  return {
    runs: [factsOf(one), factsOf(two)],
    sameBase: one.row.definition === two.row.definition,
    sameInputs: isSame(first.inputs, second.inputs),
    sameResult: isSame(first.output, second.output),
    difference: differenceOf(planOf(rows, first.graph).graph, planOf(rows, second.graph).graph),
    places: places.slice(0, PLACES_MAX),
    placesDiffering: places.length,
  } as RunComparison; // fields of graphs are JSON
}

function factsOf({ row, get }: OpenedRun): RunComparison["runs"][number] {
  const { id, definition, state, usage } = row;
  const patches = Array.from({ length: state.revision }, (_, at) =>
    get("runPatch", String(at + 1)),
  );
  return {
    id,
    version: definition,
    state: state.state,
    patches: patches.flatMap((patch) =>
      patch === undefined ? [] : [{ number: patch.revision, reason: patch.reason }],
    ),
    ...(state.endedMs === null ? {} : { tookMs: state.endedMs - state.startedMs }),
    ...(usage === undefined ? {} : { costUsd: usage.costMicroUsd / 1_000_000 }),
    ...(state.fault === null ? {} : { error: state.fault }),
  };
}

const nodesIn = (rows: Rows, { row: { state } }: OpenedRun): ReadonlyMap<string, NodeView> =>
  new Map(nodesOf(planOf(rows, state.graph), state).map((node) => [node.place, node]));

/** Those that stand otherwise, took more tries, or gave something else. */
function placesOf(
  one: ReadonlyMap<string, NodeView>,
  two: ReadonlyMap<string, NodeView>,
): RunComparison["places"] {
  return [...new Set([...one.keys(), ...two.keys()])].flatMap((place) => {
    const [first, second] = [one.get(place), two.get(place)];
    const sameOutput = isSame(first?.output ?? null, second?.output ?? null);
    if (first?.state === second?.state && first?.attempt === second?.attempt && sameOutput)
      return [];
    const states: [string | null, string | null] = [first?.state ?? null, second?.state ?? null];
    const attempts: [number, number] = [first?.attempt ?? 0, second?.attempt ?? 0];
    return [{ place, states, attempts, sameOutput }];
  });
}
