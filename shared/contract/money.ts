// Money that leaves the house: budgets, what is reserved before a call of a cloud provider, and what
// such calls came to. Amounts are in millionths of a US dollar; days and months are UTC.

export const WORKLOADS = ["interactive", "api", "scheduled", "workflow", "exploration"] as const;
/** What asks: people, programs at the OpenAI door, schedules, runs, and what nobody asked for. */
export type Workload = (typeof WORKLOADS)[number];

/**
 * `appliance`, `person:NAME`, `person:*` (each person who has no budget of their own) or
 * `workload:NAME`. Every one that fits must have room.
 */
export const BUDGET_ID =
  /^(?:appliance|person:(?:\*|[^|/\s]{1,120})|workload:(?:interactive|api|scheduled|workflow|exploration))$/;

export interface BudgetBounds {
  /** At least one of the two. */
  readonly perDayMicroUsd?: number | undefined;
  readonly perMonthMicroUsd?: number | undefined;
}

export interface BudgetRow extends BudgetBounds {
  readonly id: string;
  readonly by: string;
  readonly changedAtMs: number;
}

/** Of a scope in a period: `appliance|2026-11-21`, `person:ada|2026-11`. */
export interface BudgetUseRow {
  readonly scope: string;
  readonly period: string;
  readonly spentMicroUsd: number;
  /** Part of `spent`: calls of which nobody knows what they came to, counted at their worst case. */
  readonly uncertainMicroUsd: number;
  readonly reservedMicroUsd: number;
  /** That were settled, and not released. */
  readonly calls: number;
  /** The bound of which 80 % were told. */
  readonly alertedMicroUsd?: number;
}

export interface ReservationRow {
  readonly id: string;
  readonly person: string;
  readonly workload: Workload;
  readonly provider: string;
  readonly model: string;
  /** What the call costs at most. */
  readonly worstMicroUsd: number;
  readonly atMs: number;
  readonly day: string;
  /** Reign in which it was made: of an earlier one, nobody here makes the call any more. */
  readonly term: number;
  readonly question?: string | undefined;
}

export const SETTLEMENTS = ["reported", "worst", "released"] as const;
/**
 * reported: the provider said what it took · worst: nobody knows, so the worst case counts ·
 * released: surely nothing was charged (it never left, or was answered with an error status).
 */
export type Settlement = (typeof SETTLEMENTS)[number];

export type MoneyCommand =
  | ({ readonly type: "budgetSet"; readonly budget: string } & BudgetBounds)
  | { readonly type: "budgetDropped"; readonly budget: string }
  | ({ readonly type: "spendReserved"; readonly reservation: string } & Pick<
      ReservationRow,
      "person" | "workload" | "provider" | "model" | "worstMicroUsd" | "term" | "question"
    >)
  | {
      readonly type: "spendSettled";
      readonly reservation: string;
      readonly how: Settlement;
      /** Of `reported`; else left out. */
      readonly costMicroUsd?: number;
    };
