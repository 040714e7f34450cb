// A run that begins in the middle of another one: what came before is as it was there, frozen, and is
// not done again; from the named nodes on it runs anew, under an id of its own.
//
// RF1. Nothing of the run it comes from changes, and nothing that that one did is undone by this one.
// RF2. What comes before keeps its very outputs. `freeze` and `shadow` take the rest from the record;
//      `live` does it, under idempotency keys of its own.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RunDraft } from "@gantry/shared/contract/run-commands.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import { advance } from "../../workflow/engine.ts";
import type { RunState } from "../../workflow/engine-types.ts";
import { type Context, rowOf } from "../context.ts";
import type { RunRow } from "../run-row.ts";
import { planOf } from "./plans.ts";
import type { Prepared } from "./run-turn.ts";

type Origin = NonNullable<RunDraft["replayOf"]>;

/** Writes nothing. Throws not_found, conflict. `from`: nodes of the graph itself; not empty. */
export function prepareFork(
  context: Context,
  { run: id, fidelity }: Pick<RunDraft, "run" | "fidelity">,
  { run, mode }: Origin,
  from: readonly string[],
  role: Role,
): Prepared {
  const { rows, nowMs, command } = context;
  const origin = rowOf(context, "run", run, "run");
  if (rows.hot("run").has(run))
    throw new GantryError(
      "conflict",
      `${run} is ${origin.state.state}: it can be begun from a node once it is over`,
      {
        details: { state: origin.state.state },
      },
    );
  const plan = planOf(rows, origin.state.graph);
  const unknown = from.find((node) => !plan.root.indexOf.has(node));
  if (unknown !== undefined)
    throw new GantryError("not_found", `${run} has no node "${unknown}"`, {
      details: { nodes: Object.keys(plan.graph.nodes).slice(0, 100) },
    });
  const [node = "", ...also] = from;
  const state: RunState = { ...origin.state, id, revision: 0, undo: [], startedMs: nowMs }; // RF1
  const advanced = advance(plan, state, { kind: "retriedFrom", node, also }, nowMs);
  if (advanced.stale !== undefined)
    throw new GantryError("conflict", `${run} cannot be begun from "${node}": ${advanced.stale}`, {
      details: { stale: advanced.stale },
    });
  const row: RunRow = {
    id,
    workflow: origin.workflow,
    definition: plan.hash, // with the patches that it had
    fidelity: fidelity ?? origin.fidelity,
    by: command.actor,
    role,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
    depth: 0,
    root: id,
    spawned: 0,
    children: {},
    tickets: {},
    pins: origin.pins,
    ...(mode === "live" ? { forkOf: { run, from } } : { replayOf: { run, mode, from } }),
    entries: 0,
    state: advanced.run,
  };
  return { row, advanced };
}
