// A patch before a run: accepted, refused, or waiting for a person's word.
//
// JU1. Three layers, each of which refuses by itself: the author's (author-layer.ts), the hub's (it
//      applies, the schema and the graph hold), security's (spawn-rule.ts, security-rule.ts,
//      history-rule.ts).
// JU2. A patch for an older revision is moved on where it meets nothing of what came since, else
//      refused with whose patch is in the way. What it would then be is judged as if made just now.
// JU3. Nothing is changed here: an accepted patch is a new row and a new graph. The base never changes.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import { tryCompile } from "../compile.ts";
import type { Patched } from "../json-patch.ts";
import { formatPointer } from "../json-pointer.ts";
import type { Json } from "../json-value.ts";
import type { Plan } from "../plan.ts";
import { readGraph } from "../validate.ts";
import { applyOperations } from "./apply.ts";
import { checkOperations } from "./author-layer.ts";
import { type Changes, changesBetween, isUnchanged } from "./changes.ts";
import { historyFaults } from "./history-rule.ts";
import { operationFault, type PatchFault, patchFault } from "./patch-fault.ts";
import type { PatchPolicy } from "./patch-policy.ts";
import type {
  AppliedPatch,
  Approver,
  GraphOperation,
  PatchDraft,
  PatchedRun,
  Verdict,
} from "./patch-types.ts";
import { judgeSecurity } from "./security-rule.ts";
import { spawnFaults } from "./spawn-rule.ts";
import { meeting, touchesOf } from "./touches.ts";
import { visitAll } from "./walk.ts";

export interface PatchContext {
  readonly id: string;
  readonly atMs: number;
  readonly policy: PatchPolicy;
  /** Somebody who has seen it and said yes. */
  readonly approvedBy?: Approver;
}

const refused = (...faults: readonly PatchFault[]): Verdict => ({ kind: "refused", faults });

export function judgePatch(run: PatchedRun, draft: PatchDraft, context: PatchContext): Verdict {
  const checked = checkOperations(draft.operations, draft.reason);
  if (checked.kind === "faults") return refused(...checked.faults);
  const { operations } = checked;
  const behind = revisionFault(run, draft, operations);
  if (behind !== undefined) return refused(behind);
  const made = makeGraph(run.graph, operations);
  if (made.kind === "faults") return refused(...made.faults);
  const changes = changesBetween(run.graph, made.graph);
  if (isUnchanged(changes))
    return refused(patchFault("empty_patch", "/operations", "The patch changes nothing"));
  const faults = [
    ...historyFaults(run, changes),
    ...spawnFaults(run, draft.author, changes, made.graph),
  ];
  const { author } = draft;
  const { policy, approvedBy } = context;
  const security = judgeSecurity({ run, author, approvedBy, policy, changes, after: made.graph });
  if (faults.length + security.refused.length > 0)
    return refused(...[...faults, ...security.refused].slice(0, LIMIT.workflowFaults.max));
  if (security.needed.length > 0)
    return { kind: "needsApproval", role: security.role, faults: security.needed };
  const patch: AppliedPatch = {
    id: context.id,
    revision: run.patches.length + 1,
    author,
    ...(approvedBy === undefined ? {} : { approvedBy }),
    baseRevision: draft.baseRevision,
    operations,
    touches: touchesOf(operations),
    written: writtenBy(run.graph, made.graph, changes),
    reason: draft.reason,
    atMs: context.atMs,
    inverse: made.inverse,
  };
  return { kind: "accepted", patch, graph: made.graph, plan: made.plan };
}

/** JU2. */
function revisionFault(
  { patches }: PatchedRun,
  { baseRevision, ifMatch }: PatchDraft,
  operations: readonly GraphOperation[],
): PatchFault | undefined {
  const now = patches.length;
  if (ifMatch !== undefined && ifMatch !== now)
    return patchFault("old_revision", "/ifMatch", `The run has revision ${now}, not ${ifMatch}`);
  if (!Number.isInteger(baseRevision) || baseRevision < 0 || baseRevision > now)
    return patchFault("unknown_revision", "/baseRevision", `The run has revisions 0 to ${now}`);
  if (now >= LIMIT.runPatches.max)
    return patchFault("too_many_patches", "", `The run has ${now} patches, which is the bound`);
  const touches = touchesOf(operations);
  for (const earlier of patches.slice(baseRevision)) {
    const place = meeting(earlier.touches, touches);
    if (place === undefined) continue;
    const what = `Revision ${earlier.revision} (${earlier.id}, ${nameOf(earlier)}) changed ${place} since revision ${baseRevision}`;
    return patchFault("in_the_way", pointerOf(place), what);
  }
  return undefined;
}

const nameOf = ({ author }: AppliedPatch): string =>
  author.kind === "person" ? author.name : `agent ${author.place}`;

/** `nodes/ID/member` is a pointer but for its escapes; an edge has no place of its own. */
const pointerOf = (place: string): string =>
  place.startsWith("edges/")
    ? "/edges"
    : formatPointer(place.split("/").filter((part) => part !== "#"));

export type Made =
  | {
      readonly kind: "graph";
      readonly graph: Graph;
      readonly plan: Plan;
      readonly inverse: AppliedPatch["inverse"];
    }
  | { readonly kind: "faults"; readonly faults: readonly PatchFault[] };

/** The hub's layer: defaults are filled in, so that a graph has one form and one hash. */
export function makeGraph(before: Graph, operations: readonly GraphOperation[]): Made {
  const applied = tryApply(before, operations);
  if ("fault" in applied) return { kind: "faults", faults: [applied.fault] };
  const read = readGraph(applied.result);
  if ("faults" in read) return { kind: "faults", faults: read.faults };
  const made = tryCompile(read.graph);
  if ("faults" in made) return { kind: "faults", faults: made.faults };
  return { kind: "graph", graph: read.graph, plan: made.plan, inverse: applied.inverse };
}

function tryApply(
  before: Graph,
  operations: readonly GraphOperation[],
): Patched | { readonly fault: PatchFault } {
  try {
    return applyOperations(before as unknown as Json, operations); // JSON by its schema
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    return { fault: operationFault(error) };
  }
}

export const writtenBy = (
  before: Graph,
  after: Graph,
  { nodes }: Changes,
): AppliedPatch["written"] => ({
  ids: nodes.flatMap(({ id, after: node }) => (node === undefined ? [] : [id])),
  nodes: Math.max(0, visitAll(after).length - visitAll(before).length),
});
