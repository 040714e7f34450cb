// Why a patch of a run is refused, or must wait for a person's word. Programs match on the code; it
// never changes its meaning.
//
// PF1. Each fault has a JSON pointer: into the patch (`/operations/3/path`, `/reason`), or into the
//      graph as the patch would make it (`/nodes/ID`, `/edges`); and a hint that says what helps.
// PF2. What the graph itself gets wrong keeps its own code (../fault.ts), and what a single operation
//      gets wrong keeps its reason (../patch-refusal.ts).

import { type ErrorCode, GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { WorkflowFault } from "../fault.ts";
import type { PatchReason } from "../patch-refusal.ts";

interface Kind {
  readonly error: ErrorCode;
  readonly hint: string;
}
const kind = (error: ErrorCode, hint: string): Kind => ({ error, hint });

const BY_NODE =
  "Use addNode, removeNode, setNode, addEdge and removeEdge: they name what they mean.";

const KINDS = {
  // ── the patch by itself ──
  bad_draft: kind("bad_patch", "A patch is {operations: [...], reason, baseRevision}."),
  empty_patch: kind("bad_patch", "Give at least one operation."),
  no_reason: kind("bad_patch", "Say in a sentence why, for those who read the history."),
  patch_too_large: kind("too_large", "Split it, and keep large values in blobs."),
  place_by_number: kind("bad_patch", `Places in edges shift under others' patches. ${BY_NODE}`),
  place_not_open: kind("bad_patch", `Only nodes, edges and output can be patched. ${BY_NODE}`),
  prototype_key: kind(
    "bad_patch",
    "This name belongs to the language that runs the hub; choose another.",
  ),
  // ── the run ──
  run_over: kind(
    "patch_conflict",
    "Nothing in it can change; start a new run of the patched graph.",
  ),
  old_revision: kind(
    "revision_mismatch",
    "Read the run again and make the patch for its revision.",
  ),
  unknown_revision: kind("revision_mismatch", "Read the run again; it has no such revision."),
  too_many_patches: kind(
    "patch_conflict",
    "Make a new version of the workflow with these patches in it.",
  ),
  in_the_way: kind(
    "patch_conflict",
    "Read the run again; the message says whose patch changed the same.",
  ),
  // ── what has begun or is over ──
  node_dispatched: kind("patch_conflict", "It has begun. Add a node after it instead."),
  node_passed: kind("patch_conflict", "It is over. Add a node after it, or retry the run from it."),
  node_lost: kind("patch_conflict", "First say what became of it: gantry run resolve."),
  edge_into_passed: kind(
    "patch_conflict",
    "What it leads to has begun. Let it lead to a new node.",
  ),
  edge_decided: kind(
    "patch_conflict",
    "Whether it is taken is known already. Change what it leads to.",
  ),
  undo_promised: kind("patch_conflict", "What it undoes has begun, so it must stay as it is."),
  // ── bounds ──
  spawn_nodes: kind(
    "too_large",
    "Agents may add so many nodes to one run; ask a person to patch it.",
  ),
  spawn_agents: kind("too_large", "Let fewer agents do it, or use a map over one."),
  spawn_calls: kind("too_large", "Lower maxRounds and maxParallel of what is nested."),
  spawn_depth: kind(
    "too_large",
    "Agents may not add agents that add agents without end; let a person do it.",
  ),
  // ── who may do what ──
  may_not_patch: kind(
    "forbidden",
    "Set `patches` of the agent node to ask or apply, or let a person do it.",
  ),
  type_not_allowed: kind("forbidden", "Ask somebody with a higher role."),
  capability_not_allowed: kind("forbidden", "Ask an admin to list this capability."),
  once_not_allowed: kind("forbidden", "What happens once for ever needs a person's word."),
  hazard_not_allowed: kind(
    "forbidden",
    "Heat and motion need the word of somebody who may allow them.",
  ),
  leads_to_hazard: kind(
    "forbidden",
    "It changes what comes before a hazardous node: a person must look at it.",
  ),
  approval_weakened: kind(
    "forbidden",
    "It changes where people are asked: a person must look at it.",
  ),
  agent_powers: kind(
    "forbidden",
    "An agent may not give itself or another agent the right to patch.",
  ),
  undo_changed: kind(
    "forbidden",
    "It changes what is undone after a failure: a person must look at it.",
  ),
  nobody_has_seen: kind("forbidden", "Look at it: gantry patch show TICKET, then say yes or no."),
  asks_first: kind("forbidden", "This agent's patches wait for a person (`patches: ask`)."),
  // ── where it may call ──
  bad_url: kind("egress_denied", "Give a whole address, as in https://host/path."),
  url_scheme: kind("egress_denied", "Only http and https are let out."),
  url_credentials: kind(
    "egress_denied",
    "Leave user and password out of the address; use a header.",
  ),
  url_not_public: kind(
    "egress_denied",
    "Ask an admin to list this very address in GANTRY_EGRESS_ALLOW.",
  ),
  url_host_unknown: kind(
    "egress_denied",
    "Write the host out; let expressions stand in path and query alone.",
  ),
  host_not_allowed: kind("egress_denied", "Ask an admin to list the host in GANTRY_EGRESS_ALLOW."),
  // ── a workflow's own ──
  too_many_tags: kind("conflict", "Take a tag away, then name the version: gantry workflow tag."),
  // ── taking back ──
  no_patch: kind("patch_conflict", "See the list of the run's patches."),
  reverted_already: kind("patch_conflict", "Nothing is left to take back."),
} as const satisfies Readonly<Record<string, Kind>>;

export type OwnPatchCode = keyof typeof KINDS;

export interface PatchFault {
  readonly code: OwnPatchCode | PatchReason | WorkflowFault["code"];
  readonly pointer: string;
  readonly message: string;
  readonly hint: string;
}

/** The room's own faults, told from PF2's. */
export const patchFault = (code: OwnPatchCode, pointer: string, message: string): PatchFault => ({
  code,
  pointer,
  message,
  hint: KINDS[code].hint,
});

const REASON_HINTS: Partial<Readonly<Record<PatchReason, string>>> = {
  not_found: "There is nothing at this path; read the run again.",
  test_failed: "It has changed since; read the run again.",
  no_node: "Correct the id, or add the node first.",
  node_exists: "Choose another id, or use setNode.",
  no_edge: "Name the edge with all its members, as it stands in the graph.",
  edge_exists: "Leave it out: the edge is there already.",
  bad_id: "1 to 64 letters, digits, . _ -; the first is a letter or a digit.",
  bad_edge: "An edge is {from, to, on?}.",
  missing_value: "Give the operation its value.",
};

/** Of what applyPatch or applyNodePatch threw (PF2). */
export function operationFault(error: GantryError): PatchFault {
  const { reason, operation } = error.details as {
    readonly reason: PatchReason;
    readonly operation?: number;
  }; // as patch-refusal.ts makes them
  return {
    code: reason,
    pointer: operation === undefined ? "/operations" : `/operations/${operation}`,
    message: error.message,
    hint: REASON_HINTS[reason] ?? "See RFC 6902 and docs/workflows.md.",
  };
}

/** For the doors: the first fault's code decides the status, all are in `details.faults`. */
export function patchRefused(
  faults: readonly PatchFault[],
  fallback: ErrorCode = "workflow_invalid",
): GantryError {
  const [first] = faults;
  const error = first !== undefined && isOwn(first.code) ? KINDS[first.code].error : fallback;
  return new GantryError(
    error,
    `The patch was not applied: ${first?.message ?? "no reason given"}`,
    {
      details: { faults: faults.slice(0, LIMIT.workflowFaults.max) },
    },
  );
}

const isOwn = (code: PatchFault["code"]): code is OwnPatchCode => Object.hasOwn(KINDS, code);
