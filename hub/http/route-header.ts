// `x-gantry-route`: why an answer came the way it came, in one line for a person at a terminal.

import type { Routing, Usage } from "@gantry/shared/contract/rows.ts";

export const ROUTE_HEADER = "x-gantry-route";
const CHARS_MAX = 2_000;

/** ASCII without line ends: a header holds no more. */
export function routeHeader(
  { tier, model, cached, reason, route = [] }: Routing,
  { costMicroUsd }: Usage,
): string {
  const steps = route.map(({ tier: step, outcome, target }) =>
    [step, outcome, ...(target === undefined ? [] : [target])].join(" "),
  );
  const text = [
    `tier=${tier}`,
    `model=${model}`,
    `cached=${cached}`,
    `cost-usd=${(costMicroUsd / 1_000_000).toFixed(6)}`,
    `reason=${reason}`,
    ...(steps.length === 0 ? [] : [`steps=${steps.join(", ")}`]),
  ].join("; ");
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, CHARS_MAX);
}
