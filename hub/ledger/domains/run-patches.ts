// Patches of a run while it runs: they change this run's graph and nobody else's. The base stays.
//
// RP1. A patch is applied whole or not at all, to the revision that its author has seen.
// RP2. The patched graph must compile, and what has begun or is over must stay as it was: both are
//      judged here, whoever judged before.
// RP3. Each patch is kept with its inverse, its author and reason; taking it back is a patch, too.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { RunPatchRow } from "@gantry/shared/contract/run-rows.ts";
import {
  type JsonPatch,
  applyPatch,
  type Patched,
  revertPatch,
} from "../../workflow/json-patch.ts";
import type { Json } from "../../workflow/json-value.ts";
import { applyNodePatch } from "../../workflow/node-patch.ts";
import { frozenFaults } from "../../workflow/patching.ts";
import type { Plan } from "../../workflow/plan.ts";
import { type Context, rowOf } from "../context.ts";
import type { RunRow } from "../run-row.ts";
import { planFor, planOf, readGraph } from "./plans.ts";
import { makeTurn } from "./run-turn.ts";
import { checkSize } from "./workflows.ts";

const NODE_OPERATIONS = new Set(["addNode", "removeNode", "setNode", "addEdge", "removeEdge"]);

export function runPatched(context: Context, command: CommandOf<"runPatched">): unknown {
  const row = liveRun(context, command.run);
  const { operations, ifRevision, reason } = command;
  const { revision } = row.state;
  if (ifRevision !== undefined && ifRevision !== revision)
    throw new GantryError(
      "revision_mismatch",
      `The run has revision ${revision}, not ${ifRevision}`,
      {
        details: { revision },
      },
    ); // RP1
  const graph = planOf(context.rows, row.state.graph).graph as unknown as Json; // JSON by its schema
  return install(context, row, patch(graph, operations), operations, reason);
}

export function runPatchReverted(
  context: Context,
  command: CommandOf<"runPatchReverted">,
): unknown {
  const row = liveRun(context, command.run);
  const id = `${row.id}/${command.patch}`;
  const made = rowOf(context, "runPatch", id, "patch");
  if (made.revertedBy !== undefined)
    throw new GantryError("conflict", `Patch ${made.number} was taken back already`);
  const graph = planOf(context.rows, row.state.graph).graph as unknown as Json; // JSON by its schema
  const reverted = revertPatch(graph, made.inverse as JsonPatch); // as applyPatch gave it
  const reply = install(context, row, reverted, made.inverse, command.reason, made.number);
  context.rows.cool("runPatch", id, { ...made, revertedBy: row.state.revision + 1 });
  return reply;
}

/** Throws bad_patch, patch_conflict, too_large. */
function patch(graph: Json, operations: readonly unknown[]): Patched {
  const isByNode = operations.some((each) =>
    NODE_OPERATIONS.has((each as { op?: string } | null)?.op ?? ""),
  );
  return isByNode ? applyNodePatch(graph, operations) : applyPatch(graph, operations);
}

function liveRun(context: Context, id: string): RunRow {
  const row = rowOf(context, "run", id, "run");
  if (!context.rows.hot("run").has(id))
    throw new GantryError("conflict", `${id} is ${row.state.state}: nothing in it can change`);
  if (row.state.revision >= LIMIT.runPatches.max)
    throw new GantryError(
      "conflict",
      `${id} has ${LIMIT.runPatches.max} patches, which is the bound`,
    );
  return row;
}

function install(
  context: Context,
  row: RunRow,
  { result, inverse }: Patched,
  operations: readonly unknown[],
  reason: string,
  reverts?: number,
): unknown {
  const { rows, command, nowMs } = context;
  checkSize(result);
  const graph = readGraph(result);
  const before = planOf(rows, row.state.graph);
  const plan = planFor(graph);
  checkFrozen(before, row, plan); // RP2
  const revision = row.state.revision + 1;
  const turn = makeTurn(context);
  const stale = turn.step(row.id, { kind: "patched", plan, revision }, command.actor);
  if (stale !== undefined)
    throw new GantryError("conflict", `The run does not take it: ${stale}`, { details: { stale } });
  if (rows.get("definition", plan.hash) === undefined) {
    const { actor: by } = command;
    rows.cool("definition", plan.hash, { sha256: plan.hash, graph, by, atMs: nowMs });
  }
  const made: RunPatchRow = {
    run: row.id,
    number: revision,
    by: command.actor,
    reason,
    atMs: nowMs,
    operations,
    inverse,
    before: before.hash,
    after: plan.hash,
    ...(reverts === undefined ? {} : { reverts }),
  };
  rows.cool("runPatch", `${row.id}/${revision}`, made); // RP3
  context.audit("run.patched", row.id, { revision, reason, after: plan.hash });
  context.emit("run.patched", row.id, {
    run: row.id,
    number: revision,
    by: made.by,
    reason,
    operations,
  });
  return { run: row.id, revision, touched: turn.end() };
}

function checkFrozen(before: Plan, row: RunRow, after: Plan): void {
  const faults = frozenFaults(before, row.state, after);
  const [first] = faults;
  if (first === undefined) return;
  throw new GantryError("patch_conflict", `The patch reaches what has passed: ${first.message}`, {
    details: { faults },
  });
}
