// What a cancellation takes with it: the confirmation that was asked for, and the children.

import type { JobRow } from "@gantry/shared/contract/rows.ts";
import type { Context } from "../context.ts";
import { closeConfirmation } from "./confirmation-rows.ts";
import { endJob } from "./job-rows.ts";

export const isOpen = ({ state }: JobRow): boolean =>
  state === "awaiting" || state === "waiting" || state === "ready" || state === "leased";

/** With all its children: nobody needs them any more. */
export function cancelJob(context: Context, row: JobRow): { id: string; state: string } {
  const { rows } = context;
  closeConfirmation(context, row.confirmation);
  const ended = endJob(context, row, { state: "cancelled" });
  for (let place = 0; place < (row.children?.total ?? 0); place += 1) {
    const id = rows.get("order", childPlace(row.id, place));
    const child = id === undefined ? undefined : rows.get("job", id);
    if (child !== undefined && isOpen(child)) cancelJob(context, child);
  }
  return ended;
}

/** Row of `order` with the id of the `place`-th child of a parent. */
export const childPlace = (parent: string, place: number): string => `child/${parent}/${place}`;
