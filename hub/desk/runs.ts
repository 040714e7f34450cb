// Use cases: runs of workflows and the approvals they wait for.

import { isSha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Reply } from "@gantry/shared/contract/commands.ts";
import type { RunCommandBody, RunDraft } from "@gantry/shared/contract/run-commands.ts";
import type { RunBudget, TicketRow } from "@gantry/shared/contract/run-rows.ts";
import type { ApprovalView, RunStart, RunView } from "@gantry/shared/contract/schemas/runs.ts";
import { patchRules } from "../hands/patch-rules.ts";
import { act, newId, propose, refusal } from "../hub.ts";
import { planFor, planOf, readGraph } from "../ledger/domains/plans.ts";
import { checkSize } from "../ledger/domains/workflows.ts";
import type { RunRow } from "../ledger/run-row.ts";
import { isObject, type Json } from "../workflow/json-value.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import { nodesOf } from "../workflow/view.ts";
import { actorOf, byOf, type DeskParts, pageOf, paramOf } from "./context.ts";
import { checkUnpacked, openRun } from "./run-archive.ts";
import { approvalView, lineSummary, runView } from "./run-views.ts";
import { isoTime } from "./views.ts";

// ── starting ────────────────────────────────────────────────────────────────────────────────────

/** Answers when the start is in the log: what the run does, it does without us. */
export async function runStarted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { graph, budget, ...start } = request.body as RunStart;
  const workflow = start.workflow ?? (await keepGraph(parts, request, graph, signal));
  return startRun(parts, request, { ...start, workflow, budget: budgetOf(budget) }, signal);
}

/** Proposes the start; gives the run's id and state. */
export async function startRun(
  { hub }: DeskParts,
  request: DeskRequest,
  draft: { readonly [K in keyof Omit<RunDraft, "run">]: RunDraft[K] | undefined },
  signal: AbortSignal,
): Promise<unknown> {
  const { role } = actorOf(request);
  const body = { type: "runStarted" as const, role, run: newId(hub, "run"), ...definedOf(draft) };
  const { run, state } = (await act(hub, body, byOf(request), signal)) as Started; // domains/runs.ts
  return { run: { id: run, state } };
}

interface Started {
  readonly run: string;
  readonly state: string;
}

/** Of a draft as a schema gave it: members that are undefined are none. */
const definedOf = <T extends object>(draft: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

const budgetOf = (budget: RunStart["budget"]): RunBudget | undefined =>
  budget === undefined ? undefined : definedOf(budget);

/** A graph without a name, kept once however often it is started. */
async function keepGraph(
  { hub }: DeskParts,
  request: DeskRequest,
  given: unknown,
  signal: AbortSignal,
): Promise<string> {
  if (given === undefined)
    throw new GantryError("bad_request", "workflow: name one, or give a graph");
  checkSize(given);
  const graph = readGraph(given);
  const { hash } = planFor(graph);
  if (hub.rows.get("definition", hash) === undefined) {
    const { replay: _, session: __, ...by } = byOf(request); // the key is for the start
    await act(hub, { type: "workflowKept", sha256: hash, graph }, by, signal);
  }
  return `sha256:${hash}`;
}

/** `body.runs`: what the door has read of the lines. One answer for each, in order. */
export async function runsStarted(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { runs } = request.body as { runs: readonly (RunStart & { workflow: string })[] };
  const { role } = actorOf(request);
  const drafts = runs.map(({ workflow, inputs, fidelity, budget }) => ({
    run: newId(hub, "run"),
    ...definedOf({ workflow, inputs, fidelity, budget: budgetOf(budget) }),
  }));
  const body = { type: "runsStarted" as const, role, runs: drafts };
  const { results } = (await act(hub, body, byOf(request), signal)) as {
    results: readonly ({ run: string; state: string } | { error: unknown })[];
  }; // domains/runs.ts
  return {
    results: results.map((result) =>
      "error" in result ? result : { run: { id: result.run, state: result.state } },
    ),
  };
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────

export async function run(parts: DeskParts, request: DeskRequest): Promise<RunView> {
  const { rows } = parts.hub;
  const { row } = await openRun(parts, request);
  const line = rows.get("runLine", row.id);
  const summary = line === undefined ? {} : lineSummary(line, parts.hub.stampMs());
  return { ...runView(rows, row), ...summary };
}

/** The oldest first. */
export async function runTimeline(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const { row, get } = await openRun(parts, request);
  const limit = Number(request.query["limit"] ?? 50);
  const start = Number(request.query["after"] ?? 0);
  if (!Number.isSafeInteger(start) || start < 0)
    throw new GantryError("bad_request", "The cursor `after` is not one of ours");
  if (row.fidelity === "fast") return { entries: briefly(row).slice(start) };
  const entries: unknown[] = [];
  let place = start;
  for (; place < row.entries && entries.length < limit; place += 1) {
    const entry = get("timeline", String(place));
    if (entry === undefined) continue;
    const { atMs, ...facts } = entry;
    entries.push({ ...facts, at: isoTime(atMs) });
  }
  return { entries, ...(place < row.entries ? { next: String(place) } : {}) };
}

/** Of a run, its body's frames while they are there, or a blob. */
export async function runOutput(parts: DeskParts, request: DeskRequest): Promise<unknown> {
  const { row, get } = await openRun(parts, request);
  const place = String(request.query["place"]);
  const { rows } = parts.hub;
  const recorded = get("recorded", place);
  const node = nodesOf(planOf(rows, row.state.graph), row.state).find(
    (each) => each.place === place,
  );
  if (node === undefined && recorded === undefined)
    throw new GantryError("not_found", `${row.id} has nothing at ${place}`);
  const kept = recorded !== undefined && "output" in recorded ? recorded.output : null;
  const output = node === undefined || node.output === null ? kept : node.output;
  const blob = blobIn(output);
  if (blob === undefined) return { place, output };
  if (parts.blobs === undefined) throw new GantryError("not_found", "There is no blob store here");
  const keptBytes = await parts.blobs.size(blob.sha256);
  if (keptBytes !== undefined && keptBytes !== blob.sizeBytes) return { place, output };
  const bytes: Uint8Array[] = [];
  for (let offset = 0; offset < blob.sizeBytes;) {
    const piece = await parts.blobs.read(blob.sha256, offset, BLOB_PIECE_BYTES);
    if (piece.length === 0) throw new GantryError("data_damaged", `${blob.sha256} is too short`);
    bytes.push(piece);
    offset += piece.length;
  }
  const whole = jsonIn(Buffer.concat(bytes));
  return whole === undefined ? { place, output } : { place, output: whole, sha256: blob.sha256 };
}

/** Undefined: a blob of somebody else, which a node's own output has named; no output of a run. */
function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

const BLOB_PIECE_BYTES = 1_048_576;

/** As hub/hands/run-calls.ts has made it. Anybody's answer may look like it, so it proves nothing. */
function blobIn(output: Json): { readonly sha256: string; readonly sizeBytes: number } | undefined {
  if (!isObject(output)) return undefined;
  const { $blob: sha256, sizeBytes } = output;
  if (typeof sha256 !== "string" || !isSha256(sha256)) return undefined;
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes)) return undefined;
  return { sha256, sizeBytes };
}

const briefEntry = (atMs: number, by: string, what: string): unknown => ({
  position: 0,
  at: isoTime(atMs),
  by,
  items: [{ what }],
});

/** Of a run that keeps no timeline: that it began, and how it ended. */
function briefly({ by, createdAtMs, state }: RunRow): readonly unknown[] {
  const end = state.endedMs === null ? [] : [briefEntry(state.endedMs, "hub", state.state)];
  return [briefEntry(createdAtMs, by, "started"), ...end];
}

export function runRow(parts: DeskParts, request: DeskRequest): RunRow {
  const id = paramOf(request, "id");
  checkUnpacked(parts, id);
  const row = parts.hub.rows.get("run", id);
  if (row === undefined) throw new GantryError("not_found", `There is no run ${id}`);
  return row;
}

// ── orders of people ────────────────────────────────────────────────────────────────────────────

async function order(
  parts: DeskParts,
  request: DeskRequest,
  body: RunCommandBody,
  signal: AbortSignal,
): Promise<{ run: { id: string; state: string } }> {
  await act(parts.hub, body, byOf(request), signal);
  const { id, state } = runRow(parts, request);
  return { run: { id, state: state.state } };
}

type Order = (parts: DeskParts, request: DeskRequest, options: DeskCallOptions) => Promise<unknown>;

export const runCancelled: Order = (parts, request, { signal }) => {
  const { reason } = request.body as { reason: string };
  return order(
    parts,
    request,
    { type: "runCancelled", run: paramOf(request, "id"), reason },
    signal,
  );
};

export const runPaused: Order = (parts, request, { signal }) =>
  order(parts, request, { type: "runPaused", run: paramOf(request, "id") }, signal);

export const runResumed: Order = (parts, request, { signal }) =>
  order(parts, request, { type: "runResumed", run: paramOf(request, "id") }, signal);

export const runRetried: Order = (parts, request, { signal }) => {
  checkUnpacked(parts, paramOf(request, "id"));
  const body = request.body as { node?: string };
  return order(
    parts,
    request,
    { type: "runRetried", run: paramOf(request, "id"), ...body },
    signal,
  );
};

export const runResolved: Order = (parts, request, { signal }) => {
  const body = request.body as Pick<
    Extract<RunCommandBody, { type: "runResolved" }>,
    "place" | "outcome" | "output" | "reason"
  >;
  return order(
    parts,
    request,
    { type: "runResolved", run: paramOf(request, "id"), ...body },
    signal,
  );
};

/** 200 with the new revision, or with the approval that it waits for. */
export const runPatched: Order = async (parts, request, { signal }) => {
  const body = request.body as { operations: readonly unknown[]; reason: string };
  const { ifRevision } = request;
  const seen = ifRevision === undefined ? {} : { ifRevision };
  const { role } = actorOf(request);
  const by = { kind: "person" as const, role };
  const run = paramOf(request, "id");
  const command = {
    type: "runPatched" as const,
    run,
    by,
    rules: patchRules(parts.hub, parts.egressAllow ?? []),
    ...body,
    ...seen,
  };
  return patched(parts, request, command, signal);
};

export const runPatchReverted: Order = (parts, request, { signal }) => {
  const body = request.body as { patch: number; reason: string };
  const { role } = actorOf(request);
  const run = paramOf(request, "id");
  const command = {
    type: "runPatchReverted" as const,
    run,
    role,
    rules: patchRules(parts.hub, parts.egressAllow ?? []),
    ...body,
  };
  return patched(parts, request, command, signal);
};

async function patched(
  parts: DeskParts,
  request: DeskRequest,
  body: RunCommandBody,
  signal: AbortSignal,
): Promise<unknown> {
  const value = await act(parts.hub, body, byOf(request), signal);
  const { ticket } = value as { ticket?: string }; // domains/run-patches.ts
  const { id, state } = runRow(parts, request);
  const run = { id, state: state.state };
  return { run, revision: state.revision, ...(ticket === undefined ? {} : { approval: ticket }) };
}

// ── approvals ───────────────────────────────────────────────────────────────────────────────────

export function approvals({ hub }: DeskParts, request: DeskRequest): unknown {
  const { rows } = hub;
  if (request.query["state"] !== "all") {
    const newest = [...rows.hot("ticket").values()].toSorted(
      (a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1),
    );
    const page = pageOf(request, newest.length, (place) => newest[newest.length - 1 - place]);
    const items = page.items.map(approvalView);
    return { approvals: items, ...(page.next === undefined ? {} : { next: page.next }) };
  }
  const { items, next } = pageOf(request, rows.get("count", "tickets") ?? 0, (place) => {
    const id = rows.get("order", `tickets/${place}`);
    const row = id === undefined ? undefined : rows.get("ticket", id);
    return row === undefined ? undefined : approvalView(row);
  });
  return { approvals: items, ...(next === undefined ? {} : { next }) };
}

export const approval = (parts: DeskParts, request: DeskRequest): ApprovalView =>
  approvalView(ticketRow(parts, request));

export const decide =
  (approve: boolean) =>
  async (
    parts: DeskParts,
    request: DeskRequest,
    { signal }: DeskCallOptions,
  ): Promise<ApprovalView> => {
    const { reason } = request.body as { reason: string };
    const { role } = actorOf(request);
    const ticket = paramOf(request, "id");
    const body = { type: "ticketDecided" as const, ticket, approve, reason, role };
    const reply: Reply = await propose(parts.hub, body, byOf(request), signal);
    if (!reply.ok) throw refusal(reply);
    return approvalView(ticketRow(parts, request));
  };

function ticketRow({ hub }: DeskParts, request: DeskRequest): TicketRow {
  const id = paramOf(request, "id");
  const row = hub.rows.get("ticket", id);
  if (row === undefined) throw new GantryError("not_found", `There is no approval ${id}`);
  return row;
}
