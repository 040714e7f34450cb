// A run's graph: a base that never changes, and patches in order. Revision N is the base with the
// first N patches.

import type { Role } from "@gantry/shared/contract/roles.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { NodeState } from "../engine-types.ts";
import type { JsonOperation, JsonPatch } from "../json-patch.ts";
import type { NodeOperation } from "../node-patch.ts";
import type { Plan } from "../plan.ts";
import type { PatchFault } from "./patch-fault.ts";

/** RFC 6902 and node operations may stand in one patch, and count in order. */
export type GraphOperation = NodeOperation | JsonOperation;

export type Author =
  | { readonly kind: "person"; readonly name: string; readonly role: Role }
  /** `place` of the agent node in the run; `role` is that of who started the run. */
  | { readonly kind: "agent"; readonly place: string; readonly role: Role };

/** What somebody asks for; `operations` may be anything. */
export interface PatchDraft {
  readonly author: Author;
  /** The revision that the author had before his eyes. */
  readonly baseRevision: number;
  /** If-Match: refused unless the run has this very revision. */
  readonly ifMatch?: number;
  readonly operations: unknown;
  readonly reason: string;
  /** A model wrote it for a person who has not read it. */
  readonly isUnseen?: true;
}

export interface Approver {
  readonly name: string;
  readonly role: Role;
}

/** What a patch reads and writes, as paths: it commutes with a patch that writes nothing of it. */
export interface Touches {
  readonly writes: readonly string[];
  readonly reads: readonly string[];
}

export interface AppliedPatch {
  readonly id: string;
  /** The revision that it made, from 1. */
  readonly revision: number;
  readonly author: Author;
  /** Who gave his word for it, where one was needed. */
  readonly approvedBy?: Approver;
  readonly baseRevision: number;
  readonly operations: readonly GraphOperation[];
  readonly touches: Touches;
  /** Nodes that are new or were changed, and by how many nodes the graph grew, bodies included. */
  readonly written: { readonly ids: readonly string[]; readonly nodes: number };
  readonly reason: string;
  readonly atMs: number;
  /** Takes the graph of `revision` back to the one before. */
  readonly inverse: JsonPatch;
  /** The id of the patch that this one takes back. */
  readonly reverts?: string;
}

export interface PatchedRun {
  readonly base: Graph;
  readonly patches: readonly AppliedPatch[];
  /** The base with all patches. */
  readonly graph: Graph;
  readonly isOver: boolean;
  /** Of a node of the graph itself, not of a body; undefined for one that the run does not know. */
  readonly stateOf: (id: string) => NodeState | undefined;
}

export type Verdict =
  | {
      readonly kind: "accepted";
      readonly patch: AppliedPatch;
      readonly graph: Graph;
      readonly plan: Plan;
    }
  /** It would be accepted with the word of a person of `role` or higher. */
  | { readonly kind: "needsApproval"; readonly role: Role; readonly faults: readonly PatchFault[] }
  | { readonly kind: "refused"; readonly faults: readonly PatchFault[] };
