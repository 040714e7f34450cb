// What many seeds came to.

import type { SeedOutcome } from "./run-seed.ts";

export interface Sums {
  readonly seeds: number;
  readonly events: number;
  readonly committed: number;
  readonly leaders: number;
  readonly operations: number;
  readonly recoveryMsMax: number;
  /** How many seeds knew each fault. */
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly seed: number; readonly failure: string }[];
}

export const emptySums = (): Sums => ({
  seeds: 0,
  events: 0,
  committed: 0,
  leaders: 0,
  operations: 0,
  recoveryMsMax: 0,
  faults: {},
  failures: [],
});

export function addOutcome(sums: Sums, outcome: SeedOutcome): Sums {
  const { seed, failure, mix } = outcome;
  return joinSums(sums, {
    seeds: 1,
    events: outcome.events,
    committed: outcome.committed,
    leaders: outcome.leaders,
    operations: outcome.history.length,
    recoveryMsMax: failure === undefined ? outcome.recoveryMs : 0,
    faults: Object.fromEntries([...mix.faults].map((fault) => [fault, 1])),
    failures: failure === undefined ? [] : [{ seed, failure }],
  });
}

export function joinSums(a: Sums, b: Sums): Sums {
  const faults: Record<string, number> = { ...a.faults };
  for (const [fault, count] of Object.entries(b.faults))
    faults[fault] = (faults[fault] ?? 0) + count;
  return {
    seeds: a.seeds + b.seeds,
    events: a.events + b.events,
    committed: a.committed + b.committed,
    leaders: a.leaders + b.leaders,
    operations: a.operations + b.operations,
    recoveryMsMax: Math.max(a.recoveryMsMax, b.recoveryMsMax),
    faults,
    failures: [...a.failures, ...b.failures],
  };
}

const FAILURES_SHOWN = 10;

export function tellSums(sums: Sums, tookS: number): string {
  const { seeds, failures } = sums;
  const each = (total: number): string => (total / Math.max(1, seeds)).toFixed(1);
  return [
    `${seeds} seeds in ${tookS.toFixed(1)} s (${(seeds / tookS).toFixed(0)}/s), ${failures.length} failed`,
    `each: ${each(sums.events)} events, ${each(sums.committed)} committed, ${each(sums.leaders)} leaders, ${each(sums.operations)} operations judged; slowest recovery ${sums.recoveryMsMax.toFixed(0)} ms`,
    ...failures
      .toSorted((a, b) => a.seed - b.seed)
      .slice(0, FAILURES_SHOWN)
      .map(
        ({ seed, failure }) =>
          `  npm run sim -- --seed ${seed} --shrink   # ${failure.split("\n")[0]}`,
      ),
  ].join("\n");
}
