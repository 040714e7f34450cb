// Use cases: workflows, their versions and tags.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Fidelity, Stamp, WorkflowRow } from "@gantry/shared/contract/run-rows.ts";
import type { WorkflowView } from "@gantry/shared/contract/schemas/workflows.ts";
import { act } from "../hub.ts";
import { planFor, readGraph } from "../ledger/domains/plans.ts";
import { checkSize, MAIN_TAG } from "../ledger/domains/workflows.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import type { Rows } from "../ledger/rows.ts";
import { byOf, type DeskParts, pageOf, paramOf } from "./context.ts";
import { lagOf } from "./library.ts";
import { isoTime } from "./views.ts";

export function workflows({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  const { items, next } = pageOf(request, rows.get("count", "workflows") ?? 0, (place) => {
    const name = rows.get("order", `workflows/${place}`);
    const row = name === undefined ? undefined : rows.get("workflow", name);
    return row === undefined ? undefined : viewOf(rows, row);
  });
  return { workflows: items, ...(next === undefined ? {} : { next }) };
}

export function workflow(parts: DeskParts, request: DeskRequest): WorkflowView {
  const row = workflowRow(parts, request);
  const { tag, version } = request.query as { tag?: string; version?: string };
  const found = tag === undefined ? (row.tags[MAIN_TAG] ?? row.versions.at(-1)) : row.tags[tag];
  const sha256 = version ?? found?.sha256;
  if (sha256 === undefined) throw new GantryError("not_found", `${row.name} has no tag ${tag}`);
  if (!row.versions.some((each) => each.sha256 === sha256))
    throw new GantryError("not_found", `${row.name} has no version ${sha256}`);
  const definition = parts.hub.rows.get("definition", sha256);
  return { ...viewOf(parts.hub.rows, row), sha256, graph: { ...definition?.graph } };
}

interface Kept {
  readonly name?: string;
  readonly graph: unknown;
  readonly tag?: string;
  readonly fidelity?: Fidelity;
  readonly check: boolean;
}

export async function workflowKept(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { graph: given, check, ...facts } = request.body as Kept;
  checkSize(given ?? null);
  const graph = readGraph(given);
  const plan = planFor(graph);
  const nodes = Object.keys(graph.nodes).length;
  const { name } = facts;
  const view = { ...(name === undefined ? {} : { name }), sha256: plan.hash, nodes, kept: !check };
  if (check) return view;
  const body = { type: "workflowKept" as const, sha256: plan.hash, graph, ...facts };
  await act(hub, body, byOf(request), signal);
  return view;
}

export async function workflowTagged(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<WorkflowView> {
  const { sha256 } = request.body as { sha256: string };
  const [name, tag] = [paramOf(request, "name"), paramOf(request, "tag")];
  await act(parts.hub, { type: "workflowTagged", name, tag, sha256 }, byOf(request), signal);
  return viewOf(parts.hub.rows, workflowRow(parts, request));
}

export async function workflowUntagged(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const [name, tag] = [paramOf(request, "name"), paramOf(request, "tag")];
  await act(hub, { type: "workflowTagged", name, tag, sha256: null }, byOf(request), signal);
  return { ok: true };
}

function workflowRow({ hub }: DeskParts, request: DeskRequest): WorkflowRow {
  const name = paramOf(request, "name");
  const row = hub.rows.get("workflow", name);
  if (row === undefined) throw new GantryError("not_found", `There is no workflow ${name}`);
  return row;
}

const stampView = ({ sha256, atMs, by }: Stamp): WorkflowView["versions"][number] => ({
  sha256,
  at: isoTime(atMs),
  by,
});

const viewOf = (rows: Rows, row: WorkflowRow): WorkflowView => ({
  name: row.name,
  fidelity: row.fidelity,
  versions: row.versions.map(stampView),
  tags: Object.fromEntries(Object.entries(row.tags).map(([tag, stamp]) => [tag, stampView(stamp)])),
  createdAt: isoTime(row.createdAtMs),
  changedAt: isoTime(row.changedAtMs),
  revision: row.revision ?? 0,
  waiting: lagOf([rows.get("libraryHead", row.name)].filter(isThere), 0).waiting,
});

const isThere = <T>(value: T | undefined): value is T => value !== undefined;
