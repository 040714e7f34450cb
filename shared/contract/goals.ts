// Goals: what is to become better, who said so, the project that works on it, and what came of it.
// Standing jobs are what the hub does by itself once a day or a week; instants are UTC.

export const GOAL_STATES = [
  /** Found in the history, or proposed by a person: nobody has said yes. */
  "identified",
  "approved",
  "rejected",
  /** It has a project. */
  "active",
  "done",
  /** Nobody answered in time. */
  "expired",
] as const;
export type GoalState = (typeof GOAL_STATES)[number];

export interface GoalEvidence {
  readonly workflow: string;
  /** Of the faults. */
  readonly code: string;
  readonly failures: number;
  readonly runs: number;
  readonly days: number;
}

export interface GoalTask {
  readonly title: string;
  readonly isDone: boolean;
}

export interface GoalProject {
  readonly atMs: number;
  /** That works it out, where there is such a workflow. */
  readonly run?: string;
  readonly tasks: readonly GoalTask[];
}

export interface GoalOutcome {
  readonly measuredAtMs: number;
  /** Failures for each hundred runs, before the goal and since it was done. */
  readonly before: number;
  readonly since: number;
  readonly runsSince: number;
  readonly isBetter: boolean;
}

export interface GoalRow {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly state: GoalState;
  /** What makes two findings one goal. */
  readonly key: string;
  /** 0 to 100. */
  readonly impact: number;
  readonly evidence?: GoalEvidence;
  /** `hub` found it. */
  readonly by: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly remindedAtMs?: number;
  readonly decidedBy?: string;
  readonly reason?: string;
  readonly project?: GoalProject;
  readonly doneAtMs?: number;
  readonly outcome?: GoalOutcome;
}

export interface GoalDraft {
  readonly goal: string;
  readonly title: string;
  readonly description: string;
  readonly key: string;
  readonly impact: number;
  readonly evidence?: GoalEvidence;
}

/** What the hub does by itself, each at its time of the day (UTC). */
export const STANDING_JOBS = {
  projects: { at: "12:30", weekday: undefined },
  /** 1 is Monday. */
  research: { at: "13:00", weekday: 1 },
  outcomes: { at: "14:00", weekday: undefined },
} as const;
export type StandingJob = keyof typeof STANDING_JOBS;

export interface StandingRow {
  /** The last day, `2026-11-21`, for which it ran. */
  readonly day: string;
  readonly atMs: number;
}

export type GoalCommand =
  | ({ readonly type: "goalProposed" } & GoalDraft)
  | {
      readonly type: "goalDecided";
      readonly goal: string;
      readonly approve: boolean;
      readonly reason: string;
    }
  | { readonly type: "goalTaskDone"; readonly goal: string; readonly task: number }
  /** Once for each job and day: whoever comes second is refused. */
  | {
      readonly type: "standingRan";
      readonly job: "projects";
      readonly day: string;
      /** For each approved goal; `run`: the workflow that works it out. */
      readonly projects: readonly {
        readonly goal: string;
        readonly run?: string;
        readonly workflow?: string;
      }[];
    }
  | {
      readonly type: "standingRan";
      readonly job: "research";
      readonly day: string;
      readonly goals: readonly GoalDraft[];
    }
  | {
      readonly type: "standingRan";
      readonly job: "outcomes";
      readonly day: string;
      readonly outcomes: readonly ({ readonly goal: string } & Omit<GoalOutcome, "measuredAtMs">)[];
    }
  /** Reminders that are due, and goals whose time is over. */
  | { readonly type: "goalsTicked" };
