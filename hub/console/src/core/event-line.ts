// One event of the feed in one shape, whatever the frame around it, and what it makes stale.

import { EVENT_TYPES, type EventType, type SoftEvent } from "@gantry/shared/contract/events.ts";
import { isRecord } from "./views.ts";

/** A ledger event as the console keeps it. `key` is unique in the tail: one command makes several. */
export interface EventLine {
  readonly id: number;
  readonly type: EventType;
  readonly atMs: number;
  readonly subject: string;
  readonly data: unknown;
}

export type FeedEvent =
  | { readonly kind: "ledger"; readonly line: EventLine }
  | { readonly kind: "soft"; readonly event: SoftEvent }
  /** The stream lost events that cannot be had again: everything must be read anew. */
  | { readonly kind: "gap" };

const isEventType = (text: string): text is EventType => EVENT_TYPES.some((type) => type === text);

/** Reads a frame; undefined for a type of a newer hub. `receivedAtMs` stands in for a missing time. */
export function feedEvent(
  type: string,
  id: string | undefined,
  data: unknown,
  receivedAtMs: number,
): FeedEvent | undefined {
  if (type === "gap") return { kind: "gap" };
  const fields = isRecord(data) ? data : {};
  const named = type === "message" && typeof fields["type"] === "string" ? fields["type"] : type;
  if (named === "telemetry" || named === "node.load") {
    // The hub checks its own soft events; the console shows them and acts on none.
    return { kind: "soft", event: { ...fields, type: named } as unknown as SoftEvent };
  }
  const line = eventLine({ ...fields, type: named, id: fields["id"] ?? Number(id) }, receivedAtMs);
  return line === undefined ? undefined : { kind: "ledger", line };
}

/** A past event of `GET /api/events?format=json`; undefined if it is not in the known shape. */
export function eventLine(value: unknown, receivedAtMs: number): EventLine | undefined {
  if (!isRecord(value)) return undefined;
  const { id, type, atMs, subject, data } = value;
  if (typeof type !== "string" || !isEventType(type)) return undefined;
  return {
    id: typeof id === "number" && Number.isFinite(id) ? id : 0,
    type,
    atMs: typeof atMs === "number" ? atMs : receivedAtMs,
    subject: typeof subject === "string" ? subject : "",
    data,
  };
}

const PRINTS = "/api/fabrication/jobs";
const CONFIRMATIONS = "/api/confirmation";
const MACHINES = ["/api/registry", "/api/cluster", "/api/devices"];
const SCHEDULES = ["/api/schedules"];
const WEBHOOKS = ["/api/webhooks"];

const PAST_WORDS = "/api/events?format=json&types=confirmation";

/** Beginnings of paths; those with a `:id` are about the subject of the event alone. */
const STALE: Readonly<Record<EventType, readonly string[]>> = {
  "node.enrolled": MACHINES,
  "node.registered": MACHINES,
  "node.state": MACHINES,
  "hub.changed": ["/api/cluster"],
  "hub.reign": ["/api/cluster"],
  "lock.changed": ["/api/locks"],
  "lock.waiting": ["/api/locks"],
  "lock.deadlock": ["/api/locks"],
  "device.changed": ["/api/devices", "/api/farm"],
  "conversation.changed": ["/api/conversations"],
  "question.asked": ["/api/conversations"],
  "question.answered": ["/api/conversations", "/api/analytics/costs", "/api/budgets"],
  "question.failed": ["/api/conversations"],
  "budget.changed": ["/api/budgets"],
  "budget.alert": ["/api/budgets"],
  "confirmation.asked": [CONFIRMATIONS, PRINTS, "/api/jobs", "/api/conversations", PAST_WORDS],
  "confirmation.notice": [CONFIRMATIONS],
  "confirmation.closed": [CONFIRMATIONS, PRINTS, "/api/jobs", "/api/conversations", PAST_WORDS],
  "print.changed": [PRINTS, "/api/devices", "/api/farm"],
  "farm.changed": ["/api/farm", "/api/discovery"],
  "job.changed": ["/api/jobs", "/api/queues", "/api/cad/jobs/:id"],
  "queue.changed": ["/api/queues", "/api/jobs"],
  "schedule.changed": SCHEDULES,
  "schedule.fired": SCHEDULES,
  "schedule.missed": SCHEDULES,
  "schedule.event": SCHEDULES,
  "webhook.changed": WEBHOOKS,
  "webhook.dead": WEBHOOKS,
  "flag.changed": ["/api/flags"],
  "token.changed": ["/api/me"],
  "workflow.changed": ["/api/workflows"],
  "workflow.patched": ["/api/workflows"],
  "run.changed": ["/api/runs?", "/api/runs/:id"],
  "run.node": ["/api/runs/:id"],
  "run.patched": ["/api/runs/:id"],
  "run.archived": ["/api/runs?"],
  "approval.changed": ["/api/approvals"],
  "goal.changed": ["/api/goals"],
  "goal.reminder": ["/api/goals"],
  "artifact.kept": ["/api/artifacts"],
  "agent.changed": ["/api/agents?", "/api/agents/:id"],
  "agent.step": ["/api/agents/:id"],
  "stop.pressed": ["/api/devices", PRINTS],
};

/** Beginnings of the paths whose answers an event of this type about `subject` may have changed. */
export const stalePaths = (type: EventType, subject: string): readonly string[] => [
  ...STALE[type].map((path) => path.replace(":id", encodeURIComponent(subject))),
  "/api/audit",
];
