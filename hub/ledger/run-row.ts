// A run as the ledger keeps it: what the engine knows, and who asked for it.

import type { Role } from "@gantry/shared/contract/roles.ts";
import type { Workload } from "@gantry/shared/contract/money.ts";
import type {
  Fidelity,
  ReplayMode,
  RunBudget,
  RunUsage,
} from "@gantry/shared/contract/run-rows.ts";
import type { Fault, RunState, Vote } from "../workflow/engine-types.ts";
import type { Json } from "../workflow/json-value.ts";
import type { RunSpent } from "./domains/run-budget.ts";

export interface RunRow {
  readonly id: string;
  /** Empty for a graph without a name. */
  readonly workflow: string;
  /** The base: sha256 of the graph as it was kept. The engine's `graph` has the patches as well. */
  readonly definition: string;
  readonly fidelity: Fidelity;
  readonly by: string;
  /** Of who started it: what it may do is what that person may do. */
  readonly role: Role;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Its place among all starts; none for a run below another. */
  readonly number?: number;
  readonly usage?: RunUsage;
  readonly budget?: RunBudget;
  /** Of its budget; there if it has one. */
  readonly spent?: RunSpent;
  /** Bounds of which 80 % were told. */
  readonly alerted?: readonly string[];
  /** Of a run that a schedule has started: whose budget it spends. */
  readonly workload?: Workload;
  /** The log position of its start. */
  readonly position?: number;
  /** 0 for one that a person started. */
  readonly depth: number;
  /** The run at the top: itself, if a person started it. */
  readonly root: string;
  /** Of the one at the top: how many were started below it. */
  readonly spawned: number;
  readonly parent?: { readonly run: string; readonly place: string; readonly attempt: number };
  /** Runs below it that are not over, by place. */
  readonly children: Readonly<Record<string, string>>;
  /** Open tickets by place. */
  readonly tickets: Readonly<Record<string, string>>;
  /** Tickets of patches, open or not; they end with the run. */
  readonly asked?: readonly string[];
  /** What `NAME` and `NAME@TAG` in its graph stood for when it was started. */
  readonly pins: Readonly<Record<string, string>>;
  /** `from`: what comes before these nodes is as it was there. */
  readonly replayOf?: {
    readonly run: string;
    readonly mode: ReplayMode;
    readonly from?: readonly string[];
  };
  /** It began in the middle of that one, and does what it does. */
  readonly forkOf?: { readonly run: string; readonly from: readonly string[] };
  /** Rows of its timeline. */
  readonly entries: number;
  readonly state: RunState;
}

/** The log format since which artifacts have rows, and places say what they took. */
export const OF_RESULTS = 4;

export type PlaceUsage = RunUsage & { readonly tookMs?: number };

/** The last answer of the world at one place of a run. */
export type RecordedRow =
  | {
      readonly output: Json;
      /** Which try gave it; left out of what was kept before there were results. */
      readonly attempt?: number;
      /** What a model took for it, and how long it took. */
      readonly usage?: PlaceUsage;
    }
  | { readonly fault: Fault; readonly attempt?: number }
  | { readonly votes: readonly Pick<Vote, "by" | "approve">[] };
