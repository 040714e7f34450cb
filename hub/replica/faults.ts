// What a replica says when it cannot do what it was asked, and how it ends when it must not go on.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { HubId } from "../consensus/types.ts";

export const noLeader = (leader: HubId | null): GantryError =>
  new GantryError("no_leader", leader === null ? "No hub leads now" : `${leader} leads`, {
    details: { retryAfterS: 1, ...(leader === null ? {} : { leader }) },
  });

export const stopping = (): GantryError => new GantryError("stopping", "The hub is stopping");

export const tooMany = (): GantryError =>
  new GantryError("busy", "Too many changes are waiting for the disk", {
    details: { retryAfterS: 1 },
  });

export const tooLarge = (sizeBytes: number): GantryError =>
  new GantryError(
    "too_large",
    `This is one change of ${sizeBytes} bytes, and ${LIMIT.commandBytes.max} are the most: send less at a time`,
    { details: { sizeBytes, bytesMax: LIMIT.commandBytes.max } },
  );

export const tooManyReads = (): GantryError =>
  new GantryError("busy", "Too many reads are waiting for the hub that leads", {
    details: { retryAfterS: 1 },
  });

/** A bug or an unreadable store: the process must not go on with half a truth. */
export function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
