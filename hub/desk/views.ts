// Rows as people and programs see them: the reply schemas of the contract, made from ledger rows and
// soft state. Pure.

import { unreachable } from "@gantry/shared/base/assert.ts";
import type { ConversationView, MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { ConfirmationView } from "@gantry/shared/contract/schemas/confirmations.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { JobView } from "@gantry/shared/contract/schemas/jobs.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { Printer } from "@gantry/shared/contract/bridge.ts";
import type { Children } from "@gantry/shared/contract/queues.ts";
import type {
  Action,
  ConfirmationRow,
  ConversationRow,
  DeviceRow,
  GcodeAnalysis,
  JobRow,
  MessageRow,
  PrintRow,
} from "@gantry/shared/contract/rows.ts";
import { printWaitsFor } from "../ledger/domains/prints.ts";
import type { Rows } from "../ledger/rows.ts";
import { farmFactsOf } from "./farm-views.ts";

export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** The member, or nothing where it is undefined: what exactOptionalPropertyTypes asks for. */
const given = <K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } =>
  (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };

export function confirmationView(row: ConfirmationRow, nowMs: number): ConfirmationView {
  const secondsLeft =
    row.state === "pending" ? Math.max(0, Math.ceil((row.expiresAtMs - nowMs) / 1_000)) : 0;
  return {
    id: row.id,
    phrase: row.phrase,
    hazardClass: row.hazardClass,
    summary: row.summary,
    hazards: [...row.hazards],
    ...toolOf(row.action),
    state: row.state,
    person: row.person,
    ...given("conversationId", row.conversation),
    expiresAt: isoTime(row.expiresAtMs),
    secondsLeft,
  };
}

function toolOf(action: Action): { tool: string; args: Record<string, unknown> } {
  if (action.type === "tool") {
    const { turn, step, argumentsSha256, device } = action;
    return {
      tool: action.tool,
      args: { turn, step, sha256: argumentsSha256, ...given("device", device) },
    };
  }
  const { type, ...args } = action;
  return { tool: type, args };
}

export function deviceView(rows: Rows, row: DeviceRow, live: Printer | undefined): DeviceView {
  const printer = row.isOnline && live !== undefined ? live : row.printer;
  return {
    id: row.id,
    kind: row.kind,
    type: printer.driver,
    node: row.node,
    machine: rows.get("node", row.node)?.name ?? row.node,
    online: row.isOnline,
    phase: row.isOnline ? printer.phase : "offline",
    simulated: printer.isSimulated,
    sizeMm: printer.sizeMm,
    nozzleMaxC: printer.nozzleMaxC,
    bedMaxC: printer.bedMaxC,
    ...given("temperatures", row.isOnline ? printer.temperatures : undefined),
    bed: row.bed,
    ...given("bedJob", row.bedJob),
    ...given("job", printer.job),
    ...given("progress", printer.progress),
    ...given("remainingS", printer.remainingS),
    ...given("fault", printer.fault),
    ...given("notices", printer.notices),
    ...given("power", printer.power),
    ...given("materials", printer.materials),
    ...given("webcamUrl", printer.webcamUrl),
  };
}

export function printView(
  rows: Rows,
  row: PrintRow,
  live: Printer | undefined,
  nowMs: number,
): PrintView {
  const isLive = live?.job === row.id && (row.state === "printing" || row.state === "paused");
  const confirmation =
    row.confirmation === undefined ? undefined : rows.get("confirmation", row.confirmation);
  const { estimatedS, hazards, analysis, ...gcode } = row.gcode;
  const waits = row.state === "awaiting" || row.state === "ready";
  return {
    id: row.id,
    name: row.name,
    printer: row.printer,
    state: row.state,
    progress: isLive ? (live.progress ?? row.progress) : row.progress,
    startedCount: row.startedCount,
    by: row.by,
    createdAt: isoTime(row.createdAtMs),
    ...given("startedAt", row.startedAtMs === undefined ? undefined : isoTime(row.startedAtMs)),
    ...given("finishedAt", row.finishedAtMs === undefined ? undefined : isoTime(row.finishedAtMs)),
    estimatedS,
    ...given("remainingS", isLive ? live.remainingS : undefined),
    gcode: {
      ...gcode,
      hazards: [...hazards],
      ...given("analysis", analysis === undefined ? undefined : analysisView(analysis)),
    },
    ...given("kept", row.isKept),
    ...given("wish", row.wish),
    ...given(
      "waitsFor",
      waits ? printWaitsFor(rows, row, rows.get("device", row.printer)) : undefined,
    ),
    ...given(
      "confirmation",
      confirmation === undefined ? undefined : confirmationView(confirmation, nowMs),
    ),
    ...given("error", row.error),
    ...farmFactsOf(rows, row),
  };
}

type AnalysisView = NonNullable<PrintView["gcode"]["analysis"]>;

/** A copy: rows are readonly, replies are not. */
const analysisView = (analysis: GcodeAnalysis): AnalysisView =>
  structuredClone(analysis) as AnalysisView;

const childrenView = ({ total, open, failed }: Children): NonNullable<JobView["children"]> => ({
  total,
  open,
  failed,
});

export function jobView(rows: Rows, row: JobRow, nowMs: number): JobView {
  const confirmation =
    row.confirmation === undefined ? undefined : rows.get("confirmation", row.confirmation);
  return {
    id: row.id,
    kind: row.kind,
    class: row.class,
    state: row.state,
    needs: row.needs,
    by: row.by,
    attempts: row.attempts,
    createdAt: isoTime(row.createdAtMs),
    changedAt: isoTime(row.changedAtMs),
    ...given("queue", row.queue),
    ...given("workspace", row.workspace),
    ...given("priority", row.priority),
    ...given("parent", row.parent),
    ...given("children", row.children === undefined ? undefined : childrenView(row.children)),
    ...given("data", row.kind === "work" ? row.input["data"] : undefined),
    ...given("node", row.lease?.node),
    dead: row.isDead,
    ...given("result", row.result),
    ...given("error", row.error),
    ...given(
      "confirmation",
      confirmation === undefined ? undefined : confirmationView(confirmation, nowMs),
    ),
  };
}

export function conversationView(
  rows: Rows,
  row: ConversationRow,
  nowMs: number,
): ConversationView {
  const pending = row.pending === undefined ? undefined : rows.get("confirmation", row.pending);
  return {
    id: row.id,
    title: row.title,
    messages: row.messages,
    createdAt: isoTime(row.createdAtMs),
    changedAt: isoTime(row.changedAtMs),
    ...given(
      "pendingConfirmation",
      pending === undefined ? undefined : confirmationView(pending, nowMs),
    ),
  };
}

export function messageView(row: MessageRow): MessageView {
  return {
    id: row.id,
    seq: row.seq,
    role: row.role,
    text: row.text,
    at: isoTime(row.atMs),
    requestId: row.requestId,
    ...given("routing", row.routing),
    ...given("usage", row.usage),
    ...given("confirmationId", row.confirmation),
    ...given("error", row.error),
  };
}

/** A print in one sentence, for rule answers. */
export function describePrint(
  { id, name, printer, state, progress }: PrintView,
  waitsFor?: string,
): string {
  const percent = `${Math.round(progress * 100)} %`;
  switch (state) {
    case "printing":
    case "paused":
      return `${name} on ${printer}: ${state}, ${percent} (${id})`;
    case "awaiting":
    case "ready":
      return `${name} on ${printer}: waits for ${waitsFor ?? "its turn"} (${id})`;
    case "done":
    case "failed":
    case "cancelled":
    case "interrupted":
    case "unknown":
      return `${name} on ${printer}: ${state} (${id})`;
    default:
      return unreachable(state);
  }
}
