// What every hub answers from its own rows, without the leader.

import type { RouteName } from "@gantry/shared/contract/routes.ts";

const LOCAL: ReadonlySet<RouteName> = new Set([
  "live",
  "ready",
  "metrics",
  "backup",
  "events",
  "runEvents",
  "registryWatch",
]);

export function isLocal(route: RouteName, query: Readonly<Record<string, unknown>>): boolean {
  const { consistency } = query;
  return (
    LOCAL.has(route) ||
    (route === "flag" && (consistency === "local" || consistency === "linearizable"))
  );
}
