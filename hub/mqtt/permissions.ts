// Who may read and write which topic.
//
// P1. Only the hub writes; people write to the two kinds of command topic and nowhere else.
// P2. Topics outside gantry/ and homeassistant/ are nobody's.
// P4. A token of a screen on the wall hears nothing here.
// P3. What belongs to a person (`person` in the payload) reaches that person and operators.

import { type Actor, mayAct } from "@gantry/shared/contract/roles.ts";
import { DISCOVERY_PREFIX, TOPICS } from "@gantry/shared/contract/topics.ts";

/** What a message of this topic asks for; undefined where nobody may write (P1). */
export type CommandTopic =
  | { readonly kind: "device"; readonly device: string }
  | { readonly kind: "autonomy" };

const DEVICE_TOPIC = /^gantry\/devices\/([A-Za-z0-9_-]{1,64})\//;

export function commandTopicOf(topic: string): CommandTopic | undefined {
  if (topic === TOPICS.autonomyCommand) return { kind: "autonomy" };
  const device = deviceOf(topic);
  if (device === undefined || topic !== TOPICS.deviceCommand(device)) return undefined;
  return { kind: "device", device };
}

/** The device that a topic is about, if any. */
export const deviceOf = (topic: string): string | undefined => DEVICE_TOPIC.exec(topic)?.[1];

/** P2. `#` and `+/..` would also match what other programs put into the broker. */
export const maySubscribe = (filter: string): boolean =>
  filter.startsWith("gantry/") || filter.startsWith(`${DISCOVERY_PREFIX}/`);

const PERSONAL = ["gantry/ctx/", "gantry/events/"];

/** P3. Operators and above see everything; others are told apart by the payload's `person`. */
export function mayReceive(actor: Actor, topic: string, payload: Uint8Array): boolean {
  if (!maySubscribe(topic)) return false;
  if (!mayAct(actor.role, "viewer")) return false; // P4
  if (mayAct(actor.role, "operator")) return true;
  if (!PERSONAL.some((prefix) => topic.startsWith(prefix))) return true;
  if (payload.length === 0) return true; // a retained message taken away says nothing
  const person = personIn(payload);
  return topic.startsWith("gantry/ctx/")
    ? person === actor.person
    : person === null || person === actor.person;
}

/** The payload's owner; null when it names none, undefined when it cannot be read. */
function personIn(payload: Uint8Array): string | null | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    if (!("person" in value)) return null;
    return typeof value.person === "string" ? value.person : undefined;
  } catch {
    return undefined;
  }
}
