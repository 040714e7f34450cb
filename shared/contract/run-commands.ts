// Commands of workflows and runs. What the engine computes is no command: only what came from outside.

import type { Workload } from "./money.ts";
import type { Fidelity, ReplayMode, RunBudget, RunUsage } from "./run-rows.ts";
import type { Role } from "./roles.ts";
import type { Graph } from "./workflow.ts";

/** What is asked for when a run is started. */
export interface RunDraft {
  readonly run: string;
  /** `NAME` (its tag `main`, else its newest version), `NAME@TAG`, or `sha256:HEX`. */
  readonly workflow: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Left out: the workflow's own; `full` for one without a name. */
  readonly fidelity?: Fidelity;
  /** Besides that of the workflow: the narrower bound counts. */
  readonly budget?: RunBudget;
  /** Whose money it spends; left out: that of who starts it. */
  readonly workload?: Workload;
  /**
   * Nothing of it reaches the world: what it would do is taken from the run it repeats; but `live`. With
   * `from` it begins at these nodes of that run's graph, and workflow and inputs are that run's.
   */
  readonly replayOf?: {
    readonly run: string;
    readonly mode: ReplayMode;
    readonly from?: readonly string[];
  };
}

export interface RunFault {
  readonly code: string;
  readonly message: string;
}

/**
 * One thing that happened to one run. A list, not an object: hundreds of thousands of these go
 * through the log in a second.
 */
export type RunFact =
  /** An executor began: the intent of a `once` node, on disk before it begins. */
  | readonly [run: string, kind: "taken", place: string, attempt: number]
  | readonly [
      run: string,
      kind: "done",
      place: string,
      attempt: number,
      output: unknown,
      usage?: RunUsage & { readonly tookMs?: number },
    ]
  | readonly [
      run: string,
      kind: "failed",
      place: string,
      attempt: number,
      fault: RunFault,
      retryAtMs: number | null,
    ]
  | readonly [run: string, kind: "lost", place: string, attempt: number]
  /** A timer is due; it counts only for the time it was set to. */
  | readonly [run: string, kind: "due", place: string, dueMs: number]
  /** There was more to compute than one command may. */
  | readonly [run: string, kind: "on"]
  /** Of a replay: as it was decided then. */
  | readonly [run: string, kind: "decided", place: string, by: string, approve: boolean];

/** What patches may add, as the leader's configuration and the registry have it now. */
export interface PatchRules {
  /** GANTRY_EGRESS_ALLOW. */
  readonly hosts: readonly string[];
  /** Which of them an agent may add calls to, unasked. */
  readonly agentHosts: readonly string[];
  /** Capabilities that an agent may use, unasked. */
  readonly agentCapabilities: readonly string[];
  /** Capabilities that move or heat something. */
  readonly hazardous: readonly string[];
}

export interface LibraryAsked {
  readonly name: string;
  readonly reason: string;
  /** GANTRY_EGRESS_ALLOW, as the leader has it now. */
  readonly hosts: readonly string[];
  /** What the version with this patch is to be named. */
  readonly tag?: string;
  /** What the author had before his eyes; refused with revision_mismatch if it is another. */
  readonly ifRevision?: number;
}

export type RunCommandBody =
  /** A version of a workflow; without a name the graph alone, to be started by its hash. */
  | {
      readonly type: "workflowKept";
      readonly name?: string;
      /** Of the graph's canonical JSON. */
      readonly sha256: string;
      readonly graph: Graph;
      readonly fidelity?: Fidelity;
      readonly tag?: string;
    }
  | {
      readonly type: "workflowTagged";
      readonly name: string;
      readonly tag: string;
      /** null takes the tag away. */
      readonly sha256: string | null;
    }
  /** A patch of the workflow itself: taken now, made into a version with others. */
  | ({ readonly type: "libraryPatched"; readonly operations: readonly unknown[] } & LibraryAsked)
  /** `patch`: its number, from 1. */
  | ({ readonly type: "libraryReverted"; readonly patch: number } & LibraryAsked)
  /** The oldest batch of this workflow, which ends with the patch `through`, is made. */
  | { readonly type: "libraryMade"; readonly name: string; readonly through: number }
  | ({ readonly type: "runStarted"; readonly role: Role } & RunDraft)
  /** Each one for itself: the reply has what became of each, in order. */
  | { readonly type: "runsStarted"; readonly role: Role; readonly runs: readonly RunDraft[] }
  /** The hot path: what came in within one turn, of any number of runs. */
  | { readonly type: "runsAdvanced"; readonly facts: readonly RunFact[] }
  | { readonly type: "runCancelled"; readonly run: string; readonly reason: string }
  | { readonly type: "runPaused"; readonly run: string }
  | { readonly type: "runResumed"; readonly run: string }
  /** Of a run that is over: from this node of its graph, else from the one that failed it. */
  | { readonly type: "runRetried"; readonly run: string; readonly node?: string }
  /** A person says what became of a node that was lost in the middle. */
  | {
      readonly type: "runResolved";
      readonly run: string;
      readonly place: string;
      readonly outcome: "done" | "failed" | "again";
      readonly output?: unknown;
      readonly reason: string;
    }
  | {
      readonly type: "runPatched";
      readonly run: string;
      readonly by:
        | { readonly kind: "person"; readonly role: Role }
        | { readonly kind: "agent"; readonly place: string };
      readonly operations: readonly unknown[];
      readonly reason: string;
      /** What the author had before his eyes; left out: the run as it is. */
      readonly baseRevision?: number;
      /** A model wrote it and nobody has read it: a person's word is needed in any case. */
      readonly isUnseen?: true;
      readonly rules: PatchRules;
      /** Patches that the author has seen; refused with revision_mismatch if there are more. */
      readonly ifRevision?: number;
    }
  | {
      readonly type: "runPatchReverted";
      readonly run: string;
      /** Its number, from 1. */
      readonly patch: number;
      readonly reason: string;
      readonly role: Role;
      readonly rules: PatchRules;
    }
  | {
      readonly type: "ticketDecided";
      readonly ticket: string;
      readonly approve: boolean;
      readonly reason: string;
      readonly role: Role;
    }
  /** Bytes that a run names are in the blob store, and stay there. */
  | { readonly type: "runBlobKept"; readonly run: string; readonly sha256: string }
  /** The rows of ended runs are in this blob now, on enough hubs, and leave the ledger. */
  | {
      readonly type: "runsPacked";
      readonly sha256: string;
      readonly sizeBytes: number;
      /** Places of `runs/ended` below this one hold nothing more to pack. */
      readonly through: number;
      readonly runs: readonly PackedRun[];
    }
  /** Rows of one run as its pack has them, in one or more commands; the last brings it back. */
  | {
      readonly type: "runRestored";
      readonly run: string;
      readonly pack: number;
      readonly rows: readonly PackedRow[];
      readonly isLast: boolean;
    }
  /** The oldest packs, up to and without this number: their runs are no more than their lines. */
  | { readonly type: "runPacksDropped"; readonly below: number };

/** One run of a pack, in the order in which the blob has them. */
export interface PackedRun {
  readonly run: string;
  /** As its line has it: another end since then means other rows. */
  readonly ended: number;
  /** Where answers for replays are. */
  readonly recorded: readonly string[];
}

/** `id` without the run's own in front: the place or the number, or empty for the run itself. */
export type PackedRow = readonly [
  table: "run" | "timeline" | "recorded" | "runPatch",
  id: string,
  row: unknown,
];
