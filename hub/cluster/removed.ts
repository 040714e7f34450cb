// What a hub that was removed from its cluster still answers: that it was.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";

export const removed = (id: string): GantryError =>
  new GantryError("removed", `${id} was removed from its cluster; its data is kept`);

/** Throws removed for everything but the hub's own state. */
export function checkMember(hub: string, isRemoved: boolean, route: RouteName): void {
  if (isRemoved && !STATUS.has(route)) throw removed(hub);
}

const STATUS: ReadonlySet<RouteName> = new Set(["live", "ready", "metrics"]);
