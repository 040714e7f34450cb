// What a schedule is: when it runs, what it starts, and what happens when it could not run in time or
// when the run before has not ended. Rows and commands; the schemas of the routes are in
// schemas/schedules.ts. Instants are ms since 1970.

import type { ErrorRecord } from "../base/errors.ts";
import type { JobDraft } from "./commands.ts";
import type { HazardClass, Role } from "./roles.ts";
import type { RunBudget } from "./run-rows.ts";

export type ScheduleWhen =
  | {
      readonly kind: "cron";
      /** 5 fields (minute hour day month weekday), or 6 with seconds before them. */
      readonly pattern: string;
      /** IANA time zone. */
      readonly zone: string;
    }
  | {
      readonly kind: "every";
      readonly everyMs: number;
      /** It runs at this instant and at every multiple of everyMs after it. */
      readonly anchorMs: number;
    }
  | { readonly kind: "once"; readonly atMs: number };

/** Of runs that nobody could start in time: none, one for all of them, or each, up to catchUpMax. */
export const CATCH_UPS = ["skip", "once", "all"] as const;
export type CatchUp = (typeof CATCH_UPS)[number];

/** When the run before has not ended. */
export const OVERLAPS = ["allow", "skip", "queue-one", "cancel-previous"] as const;
export type Overlap = (typeof OVERLAPS)[number];

export interface SchedulePolicy {
  readonly catchUp: CatchUp;
  readonly catchUpMax: number;
  readonly overlap: Overlap;
  /** A run starts up to so much later, by a number drawn from the schedule's id and the instant. */
  readonly jitterMs: number;
  /** A run that starts later than this is one that was missed: `schedule.missed` says so. */
  readonly lateMs: number;
  readonly endsAtMs?: number;
  /** Days are UTC, as those of the costs. */
  readonly runsPerDayMax?: number;
  readonly costPerDayMaxMicroUsd?: number;
  /** Whose budget (`workload:NAME`) its runs spend, with other schedules; left out: scheduled. */
  readonly workload?: "scheduled" | "exploration";
}

/** Queued work without its id, with the hazard that its command had when the schedule was made. */
export interface WorkTemplate extends Pick<
  JobDraft,
  "kind" | "class" | "effect" | "needs" | "input" | "attemptsMax" | "timeoutMs"
> {
  readonly hazard: HazardClass;
  readonly summary: string;
}

export type ScheduleTarget =
  | { readonly type: "job"; readonly work: WorkTemplate }
  | {
      readonly type: "question";
      readonly text: string;
      /** Left out: each answer starts a conversation of its own. */
      readonly conversation?: string;
    }
  | {
      readonly type: "run";
      readonly workflow: string;
      readonly inputs: Readonly<Record<string, unknown>>;
      readonly budget?: RunBudget;
    }
  | { readonly type: "event"; readonly name: string; readonly data: unknown };
export type TargetType = ScheduleTarget["type"];

/** Something that a schedule has started. */
export interface StartedThing {
  readonly type: TargetType;
  readonly id: string;
}

export interface ScheduleRow {
  readonly id: string;
  readonly name: string;
  /** Who made it: it acts with this person's rights, and never with more than `role`. */
  readonly by: string;
  readonly role: Role;
  readonly when: ScheduleWhen;
  readonly target: ScheduleTarget;
  readonly policy: SchedulePolicy;
  readonly state: "active" | "paused" | "ended";
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  /** Log position of the last change by a person. */
  readonly revision: number;
  /** The next instant that was neither fired nor passed over, without jitter. */
  readonly nextMs?: number;
  /** The last instant that was. It only grows. */
  readonly lastMs?: number;
  readonly last?: StartedThing;
  /** One instant waits for the end of the run before. */
  readonly queuedMs?: number;
  readonly today?: { readonly day: string; readonly runs: number };
  readonly counts: ScheduleCounts;
}

export interface ScheduleCounts {
  readonly started: number;
  /** The run before had not ended. */
  readonly skipped: number;
  readonly refused: number;
  /** Passed over, or started later than lateMs. */
  readonly missed: number;
}

export const FIRING_WHYS = ["due", "catch-up", "queued", "person"] as const;
export type FiringWhy = (typeof FIRING_WHYS)[number];

/** One instant of a schedule and what became of it. Its id is `SCHEDULE/INSTANT`, or `SCHEDULE/run-POSITION`. */
export interface FiringRow {
  readonly id: string;
  readonly schedule: string;
  readonly plannedMs: number;
  readonly firedAtMs: number;
  readonly why: FiringWhy;
  readonly by: string;
  readonly outcome: "started" | "skipped" | "queued" | "refused";
  readonly started?: StartedThing;
  readonly cancelled?: StartedThing;
  readonly error?: ErrorRecord;
}

/** What the leader adds to start the target: ids, and what only the time of the start knows. */
export type ScheduleStart =
  | { readonly type: "job"; readonly draft: JobDraft }
  | { readonly type: "question"; readonly conversation: string; readonly message: string }
  | { readonly type: "run"; readonly run: string }
  | { readonly type: "event" };

export type ScheduleCommand =
  | ({ readonly type: "scheduleMade"; readonly schedule: string } & Pick<
      ScheduleRow,
      "name" | "role" | "when" | "target" | "policy"
    > & { readonly nextMs: number })
  | ({
      readonly type: "scheduleChanged";
      readonly schedule: string;
      readonly ifRevision?: number;
      /** Left out: the times stay as they are. Null: there is none any more. */
      readonly nextMs?: number | null;
    } & Partial<Pick<ScheduleRow, "name" | "role" | "when" | "target" | "policy">>)
  | { readonly type: "schedulePaused"; readonly schedule: string }
  | { readonly type: "scheduleResumed"; readonly schedule: string; readonly nextMs?: number }
  | { readonly type: "scheduleDeleted"; readonly schedule: string }
  | {
      readonly type: "scheduleFired";
      readonly schedule: string;
      readonly plannedMs: number;
      readonly why: FiringWhy;
      readonly start: ScheduleStart;
      /** The instant after `plannedMs`; left out: there is none, or the instant was queued or a person's. */
      readonly nextMs?: number;
    }
  /** Instants from the next one on that nobody will start any more. */
  | {
      readonly type: "schedulePassed";
      readonly schedule: string;
      readonly fromMs: number;
      readonly toMs: number;
      readonly count: number;
      readonly nextMs?: number;
    };
