// Why an answer came the way it came, as it is kept with the answer.

export const TIER_STEPS = [
  "rule",
  "exactCache",
  "semanticCache",
  "agent",
  "loaded",
  "otherAgent",
  "mustLoad",
  "research",
  "cloud",
] as const;
/** A way to answer; `Tier` of rows.ts is what people see of it: rule, local, mcp, frontier. */
export type TierStep = (typeof TIER_STEPS)[number];

export const STEP_OUTCOMES = ["taken", "skipped", "failed"] as const;

export interface RouteStep {
  readonly tier: TierStep;
  readonly outcome: (typeof STEP_OUTCOMES)[number];
  /** At most 300 characters. */
  readonly reason: string;
  /** Who was asked, where that is one of several: a node and its model, a provider and its model. */
  readonly target?: string | undefined;
  /** What it was expected to take, and to cost at most. */
  readonly expectedMs?: number | undefined;
  readonly worstMicroUsd?: number | undefined;
}

/**
 * `local-only`: neither the question nor what was found for it leaves this house.
 * `may-leave`: a cloud provider may be asked, after personal data were taken out.
 */
export const DATA_CLASSES = ["local-only", "may-leave"] as const;
export type DataClass = (typeof DATA_CLASSES)[number];
