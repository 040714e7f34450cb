// Events: what a command changed, for people and programs who watch. SSE, MQTT and the console show
// the same ones. `id` is the position of the command in the log: give it back as Last-Event-ID.

export const EVENT_TYPES = [
  "node.enrolled",
  "node.registered",
  "node.state",
  "hub.changed",
  "hub.reign",
  "lock.changed",
  "lock.waiting",
  "lock.deadlock",
  "device.changed",
  "conversation.changed",
  "question.asked",
  "question.answered",
  "question.failed",
  "budget.changed",
  "budget.alert",
  "confirmation.asked",
  "confirmation.notice",
  "confirmation.closed",
  "print.changed",
  "farm.changed",
  "job.changed",
  "queue.changed",
  "schedule.changed",
  "schedule.fired",
  "schedule.missed",
  "schedule.event",
  "webhook.changed",
  "webhook.dead",
  "flag.changed",
  "token.changed",
  "workflow.changed",
  "workflow.patched",
  "run.changed",
  "run.node",
  "run.patched",
  "run.archived",
  "approval.changed",
  "goal.changed",
  "goal.reminder",
  "artifact.kept",
  "agent.changed",
  "agent.step",
  "stop.pressed",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface LedgerEvent {
  /** Log position of the command that caused it. */
  readonly id: number;
  readonly type: EventType;
  readonly atMs: number;
  /** Id of the thing it is about. */
  readonly subject: string;
  /** Only the person's own conversations are shown to a viewer; absent means all may see it. */
  readonly person?: string;
  readonly data: unknown;
}

/** Ids of what an event is about: its subject, and the run that it belongs to. */
export function aboutOf({ subject, data }: LedgerEvent): readonly string[] {
  const run = typeof data === "object" && data !== null && "run" in data ? data.run : undefined;
  return typeof run === "string" && run !== subject ? [subject, run] : [subject];
}

/** Live values that are not facts: never logged, never replayed, sent without an id. */
export type SoftEvent =
  | {
      readonly type: "telemetry";
      readonly device: string;
      readonly temperatures?: {
        readonly nozzleC: number;
        readonly nozzleTargetC: number;
        readonly bedC: number;
        readonly bedTargetC: number;
      };
      readonly job?: string;
      readonly progress?: number;
      readonly remainingS?: number;
      readonly phase: string;
    }
  | { readonly type: "node.load"; readonly node: string; readonly lastSeenMs: number };
