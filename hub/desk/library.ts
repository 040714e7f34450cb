// Use cases: patches of workflows themselves. They are taken at once and made into versions in batches.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { LibraryPatchView } from "@gantry/shared/contract/schemas/workflows.ts";
import type { RunCommandBody } from "@gantry/shared/contract/run-commands.ts";
import { act } from "../hub.ts";
import { libraryPatchId, TOTALS } from "../ledger/domains/library.ts";
import { planOf } from "../ledger/domains/plans.ts";
import type { LibraryHeadRow, LibraryPatchRow } from "../ledger/library-row.ts";
import type { Rows } from "../ledger/rows.ts";
import { revertPatch } from "../workflow/json-patch.ts";
import type { Json } from "../workflow/json-value.ts";
import { type Difference, differenceOf } from "../workflow/patches/difference.ts";
import { LIBRARY_BATCH } from "../workflow/patches/library-patches.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { byOf, type DeskParts, pageOf, paramOf } from "./context.ts";
import { isoTime } from "./views.ts";

interface Asked {
  readonly reason: string;
  readonly tag?: string;
}

export function workflowPatched(
  parts: DeskParts,
  request: DeskRequest,
  options: DeskCallOptions,
): Promise<unknown> {
  const body = request.body as Asked & { operations: readonly unknown[] };
  return taken(
    parts,
    request,
    { type: "libraryPatched", ...askedBy(parts, request), ...body },
    options,
  );
}

export function workflowPatchReverted(
  parts: DeskParts,
  request: DeskRequest,
  options: DeskCallOptions,
): Promise<unknown> {
  const body = request.body as Asked & { patch: number };
  return taken(
    parts,
    request,
    { type: "libraryReverted", ...askedBy(parts, request), ...body },
    options,
  );
}

function askedBy(
  { egressAllow = [] }: DeskParts,
  request: DeskRequest,
): { name: string; hosts: readonly string[]; ifRevision?: number } {
  const { ifRevision } = request;
  return {
    name: paramOf(request, "name"),
    hosts: egressAllow,
    ...(ifRevision === undefined ? {} : { ifRevision }),
  };
}

async function taken(
  { hub }: DeskParts,
  request: DeskRequest,
  body: RunCommandBody,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const value = await act(hub, body, byOf(request), signal);
  const { name, number, revision } = value as { name: string; number: number; revision: number }; // domains/library.ts
  const patch = hub.rows.get("libraryPatch", libraryPatchId(name, number));
  const status = `/api/workflows/${name}/patches/${number}`;
  const dueAt = isoTime((patch?.atMs ?? hub.stampMs()) + LIBRARY_BATCH.waitMs);
  return { workflow: name, patch: number, state: "waiting", revision, status, dueAt };
}

export function workflowPatches({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const name = nameOf(rows, request);
  const count = rows.get("count", `library/${name}`) ?? 0;
  const oldest = Math.max(0, count - LIMIT.libraryHistory.max); // those before are forgotten
  const { items, next: place } = pageOf(request, count, (at) => {
    const row = at < oldest ? undefined : rows.get("libraryPatch", libraryPatchId(name, at + 1));
    return row === undefined ? undefined : viewOf(row);
  });
  const next = place === undefined || Number(place) <= oldest ? undefined : place;
  const head = rows.get("libraryHead", name);
  const lag = lagOf(head === undefined ? [] : [head], hub.stampMs());
  return { patches: items, ...(next === undefined ? {} : { next }), lag };
}

export function workflowPatch({ hub }: DeskParts, request: DeskRequest): LibraryPatchView {
  const { rows } = hub;
  const name = nameOf(rows, request);
  const number = Number(paramOf(request, "number"));
  const row = rows.get("libraryPatch", libraryPatchId(name, number));
  if (row === undefined)
    throw new GantryError("not_found", `${name} has no patch ${paramOf(request, "number")}`);
  const difference = differenceWith(rows, row);
  return {
    ...viewOf(row),
    ...(difference === undefined ? {} : { difference }),
  } as LibraryPatchView; // its fields are JSON
}

export function library({ hub }: DeskParts): unknown {
  const { rows } = hub;
  const nowMs = hub.stampMs();
  const heads = [...rows.hot("libraryHead").values()];
  const totals = rows.get("libraryTotals", TOTALS);
  const { batches = 0, made = 0, refused = 0, last } = totals ?? {};
  return {
    ...lagOf(heads, nowMs),
    batch: LIBRARY_BATCH,
    workflows: heads
      .map((head) => ({ workflow: head.workflow, ...lagOf([head], nowMs) }))
      .toSorted((a, b) => b.lagMs - a.lagMs || (a.workflow < b.workflow ? -1 : 1)),
    batches,
    made,
    refused,
    ...(last === undefined ? {} : { last: lastView(last) }),
  };
}

const lastView = ({ atMs, ...last }: { atMs: number }): object => ({ ...last, at: isoTime(atMs) });

/** How many patches wait, and since when the first of them. */
export function lagOf(
  heads: readonly LibraryHeadRow[],
  nowMs: number,
): { readonly waiting: number; readonly lagMs: number } {
  const segments = heads.flatMap((head) => head.segments);
  const waiting = segments.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const sinceMs = segments.reduce((least, each) => Math.min(least, each.sinceMs), nowMs);
  return { waiting, lagMs: Math.max(0, nowMs - sinceMs) };
}

function nameOf(rows: Rows, request: DeskRequest): string {
  const name = paramOf(request, "name");
  if (rows.get("workflow", name) === undefined)
    throw new GantryError("not_found", `There is no workflow ${name}`);
  return name;
}

const viewOf = (row: LibraryPatchRow): object => ({
  workflow: row.workflow,
  number: row.number,
  state: row.state,
  by: row.by,
  reason: row.reason,
  at: isoTime(row.atMs),
  revision: row.position,
  operations: row.operations,
  inverse: row.inverse,
  ...(row.tag === undefined ? {} : { tag: row.tag }),
  ...(row.reverts === undefined ? {} : { reverts: row.reverts }),
  ...(row.revertedBy === undefined ? {} : { revertedBy: row.revertedBy }),
  ...(row.decidedAtMs === undefined ? {} : { decidedAt: isoTime(row.decidedAtMs) }),
  ...(row.version === undefined ? {} : { version: row.version }),
  ...(row.faults === undefined ? {} : { faults: row.faults }),
});

/** From the graph that has it and what came after it, back to right after it, and right before. */
function differenceWith(rows: Rows, row: LibraryPatchRow): Difference | undefined {
  const found = graphWith(rows, row);
  if (found === undefined) return undefined;
  let graph = found.graph as unknown as Json; // JSON by its schema
  for (let number = found.through; number > row.number; number -= 1) {
    const later = rows.get("libraryPatch", libraryPatchId(row.workflow, number));
    if (later?.state !== "refused") {
      if (later === undefined) return undefined;
      graph = revertPatch(graph, later.inverse).result;
    }
  }
  const before = revertPatch(graph, row.inverse).result;
  return differenceOf(before as unknown as Graph, graph as unknown as Graph); // they were judged once
}

function graphWith(
  rows: Rows,
  { workflow, state, version, through }: LibraryPatchRow,
): { readonly graph: Graph; readonly through: number } | undefined {
  if (state === "refused") return undefined;
  if (version !== undefined && through !== undefined)
    return { graph: planOf(rows, version).graph, through };
  const head = rows.get("libraryHead", workflow);
  const last = head?.segments.at(-1);
  if (head === undefined || last === undefined || head.isMoved) return undefined;
  return { graph: head.graph, through: last.to };
}
