// Use cases: what one patch of a run changed, or would change if somebody says yes.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { planOf } from "../ledger/domains/plans.ts";
import { revertPatch } from "../workflow/json-patch.ts";
import type { Json } from "../workflow/json-value.ts";
import { checkOperations } from "../workflow/patches/author-layer.ts";
import { differenceOf } from "../workflow/patches/difference.ts";
import { makeGraph } from "../workflow/patches/judge.ts";
import type { AppliedPatch, Author, PatchDraft } from "../workflow/patches/patch-types.ts";
import type { DeskRequest } from "../ports.ts";
import { type DeskParts, paramOf } from "./context.ts";
import { openRun } from "./run-archive.ts";
import { isoTime } from "./views.ts";

export async function runPatches(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const { row, get } = await openRun(parts, request);
  const patches: unknown[] = [];
  for (let number = 1; number <= row.state.revision; number += 1) {
    const patch = get("runPatch", String(number));
    if (patch !== undefined) patches.push(patchView(patch));
  }
  return { patches };
}

/** The graph as it is now, taken back patch by patch: what was accepted once needs no judge. */
export async function runPatch(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const { row, get } = await openRun(parts, request);
  const { revision, graph: hash } = row.state;
  const number = Number(paramOf(request, "number"));
  const patch = Number.isSafeInteger(number) ? get("runPatch", String(number)) : undefined;
  if (patch === undefined)
    throw new GantryError("not_found", `${row.id} has no patch ${paramOf(request, "number")}`);
  let graph = planOf(parts.hub.rows, hash).graph as unknown as Json; // JSON by its schema
  for (let later = revision; later > number; later -= 1) {
    const { inverse } = get("runPatch", String(later)) ?? { inverse: [] };
    graph = revertPatch(graph, inverse).result;
  }
  const before = revertPatch(graph, patch.inverse).result;
  const difference = differenceOf(before as unknown as Graph, graph as unknown as Graph); // both were accepted
  return { ...patchView(patch), difference };
}

/** Of a patch that waits for a person: what it would change by now, or why it does not fit any more. */
export function approvalPatch({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const id = paramOf(request, "id");
  const ticket = rows.get("ticket", id);
  if (ticket === undefined) throw new GantryError("not_found", `There is no approval ${id}`);
  const { patch, state } = ticket;
  if (patch === undefined) throw new GantryError("not_found", `${id} is about no patch`);
  const { draft } = patch as { draft: PatchDraft }; // as domains/run-patches.ts made it
  const run = rows.get("run", ticket.run);
  if (state !== "open" || run === undefined)
    throw new GantryError("conflict", `The approval is ${state} already`, { details: { state } });
  const facts = {
    approval: id,
    run: run.id,
    by: nameOf(draft.author),
    reason: draft.reason,
    operations: draft.operations,
  };
  const { graph } = planOf(rows, run.state.graph);
  const checked = checkOperations(draft.operations, draft.reason);
  const made = checked.kind === "faults" ? checked : makeGraph(graph, checked.operations);
  return made.kind === "faults"
    ? { ...facts, faults: made.faults }
    : { ...facts, difference: differenceOf(graph, made.graph) };
}

const nameOf = (author: Author): string =>
  author.kind === "person" ? author.name : `agent ${author.place}`;

const patchView = ({
  revision,
  author,
  reason,
  atMs,
  operations,
  ...patch
}: AppliedPatch): object => ({
  number: revision,
  by: nameOf(author),
  reason,
  at: isoTime(atMs),
  operations,
  ...(patch.reverts === undefined ? {} : { reverts: Number(patch.reverts.split("/")[1]) }),
  ...(patch.approvedBy === undefined ? {} : { approvedBy: patch.approvedBy.name }),
});
