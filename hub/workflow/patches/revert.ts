// Taking a patch back. That is a patch, too: history only grows.
//
// RV1. Only while all that it made is still to come, and nothing after it touches the same.
// RV2. Of the last patch that still counts the stored inverse is taken, so the graph is the former one,
//      hash and all. Of an earlier one: what the graph would be had it never been made.
// RV3. It is judged like any patch: who may not make the change may not make it backwards either.

import { diff } from "../json-diff.ts";
import type { JsonPatch } from "../json-patch.ts";
import type { Json } from "../json-value.ts";
import { changesBetween } from "./changes.ts";
import { historyFaults } from "./history-rule.ts";
import { makeGraph, type PatchContext, writtenBy } from "./judge.ts";
import { type PatchFault, patchFault } from "./patch-fault.ts";
import type { AppliedPatch, Author, PatchedRun, Verdict } from "./patch-types.ts";
import { materialise } from "./revisions.ts";
import { judgeSecurity } from "./security-rule.ts";
import { meeting } from "./touches.ts";

export interface RevertDraft {
  readonly author: Author;
  /** The patch's id. */
  readonly patch: string;
  readonly reason: string;
  /** If-Match: refused unless the run has this very revision. */
  readonly ifMatch?: number;
}

const refused = (...faults: readonly PatchFault[]): Verdict => ({ kind: "refused", faults });

export function judgeRevert(run: PatchedRun, draft: RevertDraft, context: PatchContext): Verdict {
  const found = findPatch(run, draft);
  if ("code" in found) return refused(found);
  const operations = operationsOf(run, found);
  if (!isPatch(operations)) return refused(...operations);
  const made = makeGraph(run.graph, operations);
  if (made.kind === "faults") return refused(...made.faults);
  const changes = changesBetween(run.graph, made.graph);
  const history = historyFaults(run, changes);
  if (history.length > 0) return refused(...history); // RV1
  const { author } = draft;
  const { policy, approvedBy } = context;
  const security = judgeSecurity({ run, author, approvedBy, policy, changes, after: made.graph });
  if (security.refused.length > 0) return refused(...security.refused); // RV3
  if (security.needed.length > 0)
    return { kind: "needsApproval", role: security.role, faults: security.needed };
  const patch: AppliedPatch = {
    id: context.id,
    revision: run.patches.length + 1,
    author,
    ...(approvedBy === undefined ? {} : { approvedBy }),
    baseRevision: run.patches.length,
    operations,
    touches: found.touches,
    written: { ...writtenBy(run.graph, made.graph, changes), nodes: 0 },
    reason: draft.reason,
    atMs: context.atMs,
    inverse: made.inverse,
    reverts: found.id,
  };
  return { kind: "accepted", patch, graph: made.graph, plan: made.plan };
}

function findPatch(
  { patches }: PatchedRun,
  { patch, ifMatch, reason }: RevertDraft,
): AppliedPatch | PatchFault {
  if (reason.trim() === "") return patchFault("no_reason", "/reason", "The revert gives no reason");
  if (ifMatch !== undefined && ifMatch !== patches.length)
    return patchFault(
      "old_revision",
      "/ifMatch",
      `The run has revision ${patches.length}, not ${ifMatch}`,
    );
  const found = patches.find(({ id }) => id === patch);
  if (found === undefined)
    return patchFault("no_patch", "/patch", `The run has no patch "${patch}"`);
  const by = patches.find(({ reverts }) => reverts === patch);
  if (by !== undefined)
    return patchFault("reverted_already", "/patch", `Revision ${by.revision} took it back`);
  return found;
}

const isPatch = (value: JsonPatch | readonly PatchFault[]): value is JsonPatch =>
  value.every((each) => "op" in each);

/** RV1, RV2. */
function operationsOf(run: PatchedRun, target: AppliedPatch): JsonPatch | readonly PatchFault[] {
  const counts = counting(run.patches);
  const later = run.patches.filter(
    (each) => counts.has(each.id) && each.revision > target.revision,
  );
  const inWay = later.find((each) => meeting(target.touches, each.touches) !== undefined);
  if (inWay !== undefined)
    return [
      patchFault(
        "in_the_way",
        "/patch",
        `Revision ${inWay.revision} (${inWay.id}) touches the same`,
      ),
    ];
  const isLast = later.length === 0 && run.patches.at(-1)?.id === target.id;
  if (isLast) return target.inverse;
  const left = counting([...run.patches, { id: "", reverts: target.id }]);
  const kept = run.patches.filter(({ id }) => left.has(id));
  const without = materialise(run.base, kept);
  if (without.kind === "faults") return without.faults;
  return diff(run.graph as unknown as Json, without.graph as unknown as Json); // JSON by their schema
}

/** Ids of patches that still count: neither taken back nor what took another back. */
function counting(patches: readonly Pick<AppliedPatch, "id" | "reverts">[]): ReadonlySet<string> {
  const isCounted = new Map<string, boolean>();
  for (const { id, reverts } of patches.toReversed()) {
    if (isCounted.get(id) === false) continue; // taken back: what it had taken back counts again
    isCounted.set(id, reverts === undefined);
    if (reverts !== undefined) isCounted.set(reverts, false);
  }
  return new Set([...isCounted].filter(([, counts]) => counts).map(([id]) => id));
}
