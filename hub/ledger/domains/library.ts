// Patches of workflows: taken at once, made into versions in batches.
//
// LB1. A patch is judged when it comes in, on the newest version with all that wait before it: who is
//      told "taken" is in the log, in order, and has been found to fit.
// LB2. A batch becomes one version of one workflow in one command: all of it or nothing. A patch that
//      asks for a tag ends its batch, so that the tag names exactly what its author saw.
// LB3. Versions never change, and tags only where a patch asks for it. Runs that have begun keep theirs.
// LB4. Where somebody kept another version meanwhile, what waits is judged anew on that one, and may be
//      refused then: its row says why. Until that is done no new patch is taken.

import { present } from "@gantry/shared/base/assert.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { Stamp, WorkflowRow } from "@gantry/shared/contract/run-rows.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import {
  judgeLibraryPatch,
  LIBRARY_BATCH,
  type LibraryDraft,
  type LibraryVerdict,
} from "../../workflow/patches/library-patches.ts";
import { patchFault, patchRefused } from "../../workflow/patches/patch-fault.ts";
import { type Context, rowOf } from "../context.ts";
import type { LibraryHeadRow, LibraryPatchRow, LibrarySegment } from "../library-row.ts";
import { planOf } from "./plans.ts";
import { checkSize, checkTag, hasRoomForTag, saveWorkflow, withoutOldest } from "./workflows.ts";

type Made = Extract<LibraryVerdict, { kind: "made" }>;
type Asked = Pick<CommandOf<"libraryPatched">, "hosts" | "reason" | "tag" | "ifRevision">;

export const TOTALS = "all";

export const libraryPatchId = (workflow: string, number: number): string => `${workflow}/${number}`;

/** The version that patches are for: the newest, whatever the tags say. */
export const newestOf = ({ versions }: WorkflowRow): string =>
  present(versions.at(-1), "a workflow has a version").sha256;

export function libraryPatched(context: Context, command: CommandOf<"libraryPatched">): unknown {
  const row = rowOf(context, "workflow", command.name, "workflow");
  const { operations, reason } = command;
  return take(context, row, { operations, reason }, command, undefined);
}

export function libraryReverted(context: Context, command: CommandOf<"libraryReverted">): unknown {
  const row = rowOf(context, "workflow", command.name, "workflow");
  const target = context.rows.get("libraryPatch", libraryPatchId(row.name, command.patch));
  if (target === undefined || target.state === "refused")
    throw patchRefused([patchFault("no_patch", "/patch", `There is no patch ${command.patch}`)]);
  if (target.revertedBy !== undefined)
    throw patchRefused([
      patchFault("reverted_already", "/patch", `Patch ${target.revertedBy} took it back`),
    ]);
  const head = context.rows.get("libraryHead", row.name);
  const isLast = (head?.sha256 ?? newestOf(row)) === target.after;
  const operations = isLast ? target.inverse : target.undo;
  const { reason } = command;
  return take(context, row, { operations, reason, isOwn: true }, command, target);
}

/** LB1. */
function take(
  context: Context,
  row: WorkflowRow,
  draft: LibraryDraft,
  { hosts, reason, tag, ifRevision }: Asked,
  target: LibraryPatchRow | undefined,
): unknown {
  const { rows, command, nowMs, position } = context;
  const head = rows.get("libraryHead", row.name);
  if (head !== undefined && isMoved(head, row)) throw busy(`${row.name} has a new version since`); // LB4
  if (rows.hot("libraryPatch").size >= LIMIT.libraryPatches.max)
    throw busy(`${LIMIT.libraryPatches.max} patches of workflows wait already`);
  const revision = head?.revision ?? row.revision ?? 0;
  if (ifRevision !== undefined && ifRevision !== revision)
    throw new GantryError("revision_mismatch", `${row.name} is at revision ${revision}`, {
      details: { revision },
    });
  if (tag !== undefined) checkTag(row, tag);
  const before = head?.graph ?? planOf(rows, newestOf(row)).graph;
  const made = judgeLibraryPatch(before, draft, hosts);
  if (made.kind === "refused") throw refusalOf(made);
  checkSize(made.graph);

  const number = (rows.get("count", `library/${row.name}`) ?? 0) + 1;
  rows.cool("count", `library/${row.name}`, number);
  const { operations, inverse, undo, sha256: after } = made;
  rows.put("libraryPatch", libraryPatchId(row.name, number), {
    workflow: row.name,
    number,
    by: command.actor,
    reason,
    atMs: nowMs,
    position,
    operations,
    hosts,
    ...(tag === undefined ? {} : { tag }),
    ...(target === undefined ? {} : { reverts: target.number }),
    state: "waiting",
    after,
    inverse,
    undo,
  });
  if (target !== undefined) mark(context, target, number);
  putHead(context, row, head, made, number, tag);
  rows.remove("libraryPatch", libraryPatchId(row.name, number - LIMIT.libraryHistory.max));
  context.audit("workflow.patched", row.name, { number, reason, after });
  context.emit("workflow.changed", row.name, { name: row.name, patch: number, revision: position });
  return { name: row.name, number, revision: position };
}

/** Of a patch of its own form the operation is named, of the graph what is wrong with it. */
function refusalOf({ faults }: Extract<LibraryVerdict, { kind: "refused" }>): GantryError {
  const isOperation = faults[0]?.pointer.startsWith("/operations") === true;
  return patchRefused(faults, isOperation ? "patch_conflict" : "workflow_invalid");
}

const busy = (message: string): GantryError =>
  new GantryError("busy", message, { details: { retryAfterS: 1, limit: "libraryPatches" } });

const isMoved = (head: LibraryHeadRow, row: WorkflowRow): boolean =>
  head.isMoved || head.base !== newestOf(row);

function mark({ rows }: Context, target: LibraryPatchRow, by: number | undefined): void {
  const { revertedBy: _, ...rest } = target;
  const row = by === undefined ? rest : { ...rest, revertedBy: by };
  const id = libraryPatchId(target.workflow, target.number);
  if (target.state === "waiting") rows.put("libraryPatch", id, row);
  else rows.cool("libraryPatch", id, row);
}

/** LB2: a segment ends with a tag, and when it is full; its graph is then kept by its hash. */
function putHead(
  { rows, command, nowMs, position }: Context,
  row: WorkflowRow,
  head: LibraryHeadRow | undefined,
  { graph, sha256 }: Made,
  number: number,
  tag: string | undefined,
): void {
  const segments = head?.segments ?? [];
  const last = segments.at(-1);
  const isOpen =
    last !== undefined &&
    last.tag === undefined &&
    last.to - last.from + 1 < LIBRARY_BATCH.patchesMax;
  if (last !== undefined && !isOpen && head !== undefined)
    keepGraph(rows, head.sha256, head.graph, command.actor, nowMs);
  const begun = isOpen ? last : { from: number, sinceMs: nowMs };
  const segment: LibrarySegment = {
    ...begun,
    to: number,
    sha256,
    ...(tag === undefined ? {} : { tag }),
  };
  rows.put("libraryHead", row.name, {
    workflow: row.name,
    base: head?.base ?? newestOf(row),
    isMoved: false,
    graph,
    sha256,
    revision: position,
    segments: [...(isOpen ? segments.slice(0, -1) : segments), segment],
  });
}

function keepGraph(
  rows: Context["rows"],
  sha256: string,
  graph: Graph,
  by: string,
  atMs: number,
): void {
  if (rows.get("definition", sha256) === undefined)
    rows.cool("definition", sha256, { sha256, graph, by, atMs });
}

// ── made ────────────────────────────────────────────────────────────────────────────────────────

/** LB2. Of the oldest batch of a workflow; `through` says which one the hub had before its eyes. */
export function libraryMade(context: Context, command: CommandOf<"libraryMade">): unknown {
  const { rows, nowMs } = context;
  const { name, through } = command;
  const row = rowOf(context, "workflow", name, "workflow");
  const head = rows.get("libraryHead", name);
  const [segment, ...rest] = head?.segments ?? [];
  if (head === undefined || segment === undefined || segment.to !== through)
    throw new GantryError("conflict", `${name} has no batch through ${through}`);
  const moved = isMoved(head, row);
  const waiting = patchesOf(context, segment);
  const batch = moved
    ? judgedAnew(planOf(rows, newestOf(row)).graph, context, waiting)
    : { graph: graphOf(context, head, segment), made: waiting, refused: [] };

  const made = writeVersion(context, row, segment, batch);
  for (const patch of batch.refused) {
    const target = patch.reverts === undefined ? undefined : rowOfPatch(context, patch.reverts);
    if (target !== undefined) mark(context, target, undefined);
  }
  if (rest.length === 0) rows.remove("libraryHead", name);
  else
    rows.put("libraryHead", name, {
      ...head,
      base: made ?? head.base,
      isMoved: moved,
      segments: rest,
    });

  const totals = rows.get("libraryTotals", TOTALS) ?? { batches: 0, made: 0, refused: 0 };
  rows.cool("libraryTotals", TOTALS, {
    batches: totals.batches + 1,
    made: totals.made + batch.made.length,
    refused: totals.refused + batch.refused.length,
    last: {
      workflow: name,
      patches: waiting.length,
      waitedMs: Math.max(0, nowMs - segment.sinceMs),
      atMs: nowMs,
    },
  });
  const { from, to } = segment;
  const numbers = batch.refused.map(({ number }) => number);
  context.audit("workflow.patches.made", name, {
    from,
    to,
    sha256: made ?? null,
    refused: numbers,
  });
  context.emit("workflow.patched", name, {
    name,
    from,
    to,
    version: made ?? null,
    refused: numbers,
  });
  return { name, version: made ?? null, made: batch.made.length, refused: numbers };

  function rowOfPatch({ rows: all }: Context, number: number): LibraryPatchRow | undefined {
    return all.get("libraryPatch", libraryPatchId(name, number));
  }
}

interface Batch {
  readonly graph: Graph;
  readonly made: readonly LibraryPatchRow[];
  readonly refused: readonly LibraryPatchRow[];
}

const patchesOf = (
  { rows, command }: Context,
  { from, to }: LibrarySegment,
): readonly LibraryPatchRow[] =>
  Array.from({ length: to - from + 1 }, (_, at) => {
    const id = libraryPatchId((command as CommandOf<"libraryMade">).name, from + at); // of libraryMade alone
    return present(rows.get("libraryPatch", id), id);
  });

const graphOf = ({ rows }: Context, head: LibraryHeadRow, { sha256 }: LibrarySegment): Graph =>
  sha256 === head.sha256 ? head.graph : planOf(rows, sha256).graph;

/** LB4. What takes another patch back goes by names: places may be others' by now. */
function judgedAnew(newest: Graph, { rows }: Context, waiting: readonly LibraryPatchRow[]): Batch {
  let graph = newest;
  const made: LibraryPatchRow[] = [];
  const refused: LibraryPatchRow[] = [];
  for (const patch of waiting) {
    const { workflow, reverts, reason, hosts } = patch;
    const target =
      reverts === undefined
        ? undefined
        : rows.get("libraryPatch", libraryPatchId(workflow, reverts));
    const operations = target?.undo ?? patch.operations;
    const verdict = judgeLibraryPatch(
      graph,
      { operations, reason, isOwn: target !== undefined },
      hosts,
    );
    if (verdict.kind === "refused" || isTooLarge(verdict.graph)) {
      const tooLarge = patchFault("patch_too_large", "/operations", "The graph would be too large");
      const faults = verdict.kind === "refused" ? verdict.faults : [tooLarge];
      refused.push({ ...patch, state: "refused", faults });
      continue;
    }
    graph = verdict.graph;
    const { inverse, undo, sha256: after } = verdict;
    made.push({ ...patch, operations, inverse, undo, after });
  }
  return { graph, made, refused };
}

const isTooLarge = (graph: Graph): boolean =>
  Buffer.byteLength(JSON.stringify(graph)) > LIMIT.definitionBytes.max;

/** LB3. Gives the version's hash; undefined where all were refused. */
function writeVersion(
  context: Context,
  row: WorkflowRow,
  segment: LibrarySegment,
  { graph, made, refused }: Batch,
): string | undefined {
  const { rows, nowMs } = context;
  const last = made.at(-1);
  for (const patch of refused) {
    rows.cool("libraryPatch", libraryPatchId(row.name, patch.number), {
      ...patch,
      decidedAtMs: nowMs,
    });
  }
  if (last === undefined) return undefined;
  const version = last.after;
  const { tag } = segment;
  const isTagged = tag !== undefined && made.some(({ number }) => number === segment.to);
  const fits = isTagged && hasRoomForTag(row, tag);
  const stamp: Stamp = { sha256: version, atMs: nowMs, by: last.by };
  const tags = fits ? { ...row.tags, [tag]: stamp } : row.tags;
  const versions = [...row.versions.filter(({ sha256 }) => sha256 !== version), stamp];
  keepGraph(rows, version, graph, last.by, nowMs);
  saveWorkflow(context, {
    ...row,
    versions: withoutOldest(versions, tags),
    tags,
    changedAtMs: nowMs,
    revision: last.position,
  });
  const noTag = patchFault("too_many_tags", "/tag", `${row.name} has no room for a tag`);
  for (const patch of made) {
    const isLost = isTagged && !fits && patch.number === segment.to;
    rows.cool("libraryPatch", libraryPatchId(row.name, patch.number), {
      ...patch,
      state: "made",
      decidedAtMs: nowMs,
      version,
      through: last.number,
      ...(isLost ? { faults: [noTag] } : {}),
    });
  }
  return version;
}
