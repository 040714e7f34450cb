// Replies of the hub for which contract/schemas names no type.

import type { PartParameter } from "@gantry/shared/contract/schemas/cad.ts";
import type { HazardClass, Role } from "@gantry/shared/contract/roles.ts";
import type { ConversationView, MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { ClusterView } from "@gantry/shared/contract/schemas/cluster.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { patchFaultSchema } from "@gantry/shared/contract/schemas/differences.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { QueueView } from "@gantry/shared/contract/schemas/queues.ts";
import type {
  ApprovalView,
  RUN_SCHEMAS,
  RunSummary,
} from "@gantry/shared/contract/schemas/runs.ts";
import type { WorkflowView } from "@gantry/shared/contract/schemas/workflows.ts";
import type { infer as Infer } from "zod";

export interface Me {
  readonly person: string;
  readonly role: Role;
  readonly token: string;
}

export interface PartFacts {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly parameters: readonly PartParameter[];
}
export interface PartList {
  readonly parts: readonly PartFacts[];
}
export interface DeviceList {
  readonly devices: readonly DeviceView[];
}

export interface PrintPage {
  readonly jobs: readonly PrintView[];
  readonly next?: string;
}

export interface JobPage {
  readonly jobs: readonly JobView[];
  readonly next?: string;
}

export interface RunPage {
  readonly runs: readonly RunSummary[];
  readonly next?: string;
}

export type RunTimeline = Infer<typeof RUN_SCHEMAS.runTimeline.reply>;
export type RunPatches = Infer<typeof RUN_SCHEMAS.runPatches.reply>;
export type RunPatch = RunPatches["patches"][number];
export type PatchProposal = Infer<typeof RUN_SCHEMAS.runPatchProposed.reply>;
export type PatchFault = Infer<typeof patchFaultSchema>;

export interface ApprovalPage {
  readonly approvals: readonly ApprovalView[];
  readonly next?: string;
}

export interface WorkflowPage {
  readonly workflows: readonly WorkflowView[];
  readonly next?: string;
}

export interface QueueList {
  readonly queues: readonly QueueView[];
}

export interface ConfirmationList {
  readonly confirmations: readonly ConfirmationView[];
}

export interface ConversationPage {
  readonly conversations: readonly ConversationView[];
  readonly next?: string;
}

export interface ConversationDetail extends Omit<ConversationView, "messages"> {
  readonly total: number;
  readonly messages: readonly MessageView[];
  readonly next?: string;
}

export interface MachineView {
  readonly id: string;
  readonly name: string;
  readonly bootId: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly lastSeenMs: number;
  readonly capabilities: unknown;
}

export interface Registry {
  readonly revision: number;
  readonly nodes: readonly MachineView[];
}

export type Cluster = ClusterView;
export type HubOfCluster = ClusterView["hubs"][number];

export interface Costs {
  readonly total_cost_usd: number;
  readonly answers: number;
  readonly cached_answers: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly by: readonly {
    readonly day: string;
    readonly person: string;
    readonly tier: string;
    readonly model: string;
    readonly answers: number;
    readonly cached_answers: number;
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly cost_usd: number;
  }[];
}

export interface FlagList {
  readonly flags: readonly {
    readonly key: string;
    readonly value: unknown;
    readonly revision: number;
  }[];
}

export interface AuditPage {
  readonly entries: readonly {
    readonly seq: number;
    readonly position: number;
    readonly at: string;
    readonly actor: string;
    readonly action: string;
    readonly object: string;
    readonly requestId: string;
    readonly detail: Readonly<Record<string, unknown>>;
    readonly hash: string;
  }[];
  readonly next?: string;
}

/** What a person reads about a failed call: `problemSchema` of contract/schemas/common.ts. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly hint: string;
  readonly requestId: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The models of a machine; empty when its capabilities are not in the known shape. */
export function modelsOf(capabilities: unknown): readonly string[] {
  return namesIn(capabilities, "models", "name");
}

export function printersOf(capabilities: unknown): readonly string[] {
  return namesIn(capabilities, "printers", "id");
}

/** Listed commands, and the programs that make parts. */
export function commandsOf(capabilities: unknown): readonly string[] {
  const programs = [
    ["cad", "OpenSCAD"],
    ["slicer", "PrusaSlicer"],
  ].flatMap(([field = "", name = ""]) => {
    const tool = isRecord(capabilities) ? capabilities[field] : undefined;
    return isRecord(tool) ? [`${name} ${String(tool["version"])}`] : [];
  });
  return [...namesIn(capabilities, "commands", "name"), ...programs];
}

function namesIn(value: unknown, list: string, field: string): readonly string[] {
  if (!isRecord(value)) return [];
  const items = value[list];
  if (!Array.isArray(items)) return [];
  return items.flatMap((item: unknown) => {
    const name = isRecord(item) ? item[field] : undefined;
    return typeof name === "string" ? [name] : [];
  });
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Colour of a hazard: what may hurt is never green. */
export const HAZARD_TONE: Readonly<Record<HazardClass, "plain" | "warn" | "bad">> = {
  none: "plain",
  low: "plain",
  medium: "warn",
  high: "bad",
};
