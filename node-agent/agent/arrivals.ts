// What comes from all hubs, in one queue, and how it is waited for.

import { ERRORS, fromErrorRecord, GantryError, isErrorCode } from "@gantry/shared/base/errors.ts";
import type { HubMessage } from "@gantry/shared/contract/link.ts";
import type { Mailbox } from "@gantry/shared/flow/mailbox.ts";
import type { LinkEvent } from "./ports.ts";
import type { WarmLink } from "./warm-links.ts";
import type { WorkMessage } from "./works.ts";

export interface Arrival {
  readonly from: WarmLink;
  readonly event: LinkEvent;
}

/** A hub said no, for good (AG4). */
export class Denied extends GantryError {}

/** The next arrival. Throws unreachable when more came than could be queued, or the signal's reason. */
export async function nextArrival(inbox: Mailbox<Arrival>, signal: AbortSignal): Promise<Arrival> {
  const arrival = await inbox.take(signal);
  if (arrival === undefined) throw hubLost("more came of it than could be read");
  return arrival;
}

export const isWork = (message: HubMessage): message is WorkMessage =>
  message.type !== "beat" &&
  message.type !== "denied" &&
  message.type !== "enrolled" &&
  message.type !== "welcome" &&
  message.type !== "hubs" &&
  message.type !== "notLeader";

export const hubLost = (why: string): GantryError =>
  new GantryError("unreachable", `The hub is not there: ${why}`);

/** A denial that may change by itself is an ordinary fault; any other ends the agent (AG4). */
export function deniedBy({ error }: Extract<HubMessage, { type: "denied" }>): GantryError {
  const { code, message, details } = error;
  if (!isErrorCode(code)) return new GantryError("unreachable", `The hub denied: ${message}`);
  const known = { code, message, ...(details === undefined ? {} : { details }) };
  return ERRORS[code].retry ? fromErrorRecord(known) : new Denied(code, message);
}

/** The hub that a `not_leader` names. */
export function leaderIn({ code, details }: GantryError): string | undefined {
  const { hub } = details;
  return code === "not_leader" && typeof hub === "string" ? hub : undefined;
}
