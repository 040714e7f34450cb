// What stands in each retained topic. Small and of bounded size: a payload says what is, a program
// that wants more asks the HTTP API.
//
// PY1. A context has the same size after 10 messages and after 1,000: the last message, cut, and
//      counts (CONTEXT_BYTES_MAX).
// PY2. No confirmation phrase leaves over MQTT: nobody can confirm there.

import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { ConversationView, MessageView } from "@gantry/shared/contract/schemas/asking.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { Health } from "@gantry/shared/contract/schemas/service.ts";

export const LAST_TEXT_CHARS_MAX = 1_000;
/** Upper bound of a context in bytes: 1,000 characters of up to 6 bytes (\uXXXX) and the rest. */
export const CONTEXT_BYTES_MAX = 8_192;

export type ConversationFacts = Omit<ConversationView, "messages"> & {
  readonly total: number;
  readonly messages: readonly MessageView[];
};

/** gantry/ctx/ID */
export function contextPayload(talk: ConversationFacts): string {
  const last = talk.messages.toSorted((a, b) => b.seq - a.seq)[0];
  const pending = talk.pendingConfirmation;
  return JSON.stringify({
    conversation: talk.id,
    ...(talk.person === undefined ? {} : { person: talk.person }),
    title: talk.title.slice(0, 120),
    messages: talk.total,
    changedAt: talk.changedAt,
    ...(last === undefined ? {} : { last: lastOf(last) }),
    ...(pending === undefined
      ? {}
      : {
          pending: {
            id: pending.id, // PY2
            summary: pending.summary.slice(0, 200),
            hazardClass: pending.hazardClass,
            expiresAt: pending.expiresAt,
          },
        }),
  });
}

function lastOf(message: MessageView): object {
  const isCut = message.text.length > LAST_TEXT_CHARS_MAX;
  return {
    seq: message.seq,
    role: message.role,
    text: isCut ? message.text.slice(0, LAST_TEXT_CHARS_MAX) : message.text,
    ...(isCut ? { cutFromChars: message.text.length } : {}),
    at: message.at,
    ...(message.routing === undefined ? {} : { tier: message.routing.tier }),
  };
}

/** gantry/devices/ID/state */
export function devicePayload(device: DeviceView): string {
  const { id, type, online, phase, simulated, temperatures, bed, bedJob, job, fault } = device;
  const { progress, remainingS } = device;
  return JSON.stringify({
    id,
    type,
    online,
    phase,
    simulated,
    temperatures,
    bed,
    bedJob,
    job,
    progress,
    remainingS,
    fault: fault === undefined ? undefined : { code: fault.code, message: fault.message },
  });
}

/** gantry/jobs/ID */
export function jobPayload(print: PrintView): string {
  const { id, name, printer, state, progress, startedCount, by, createdAt } = print;
  const { startedAt, finishedAt, remainingS, waitsFor, error } = print;
  return JSON.stringify({
    id,
    name,
    printer,
    state,
    progress,
    startedCount,
    by,
    createdAt,
    startedAt,
    finishedAt,
    remainingS,
    waitsFor,
    error: error === undefined ? undefined : { code: error.code, message: error.message },
  });
}

/** gantry/autonomy/status: does the hub take work now? */
export const statusPayload = (health: Pick<Health, "status" | "version">): string =>
  JSON.stringify({
    acceptsWork: health.status === "ok" || health.status === "degraded",
    status: health.status,
    version: health.version,
  });

export const OFFLINE_PAYLOAD = JSON.stringify({ acceptsWork: false, status: "offline" });

/** gantry/events/TYPE: that it happened, not all of it; `position` finds the rest over HTTP. */
export const eventPayload = (event: LedgerEvent): string =>
  JSON.stringify({
    position: event.id,
    type: event.type,
    at: new Date(event.atMs).toISOString(),
    subject: event.subject,
    ...(event.person === undefined ? {} : { person: event.person }),
  });
