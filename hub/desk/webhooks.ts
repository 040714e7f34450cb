// Use cases: webhooks.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import type { WebhookView } from "@gantry/shared/contract/schemas/webhooks.ts";
import type { WebhookRow } from "@gantry/shared/contract/webhooks.ts";
import { act, newId } from "../hub.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import {
  assertMaker,
  byOf,
  type DeskParts,
  pageOf,
  paramOf,
  type UseCase,
  type WebhookHands,
} from "./context.ts";
import { isoTime } from "./views.ts";

export function webhookUseCases({
  webhooks: hands,
}: DeskParts): Partial<Record<RouteName, UseCase>> {
  if (hands === undefined) return {};
  return {
    webhooks: ({ hub }) => ({
      webhooks: [...hub.rows.hot("webhook").values()]
        .toSorted((a, b) => (a.id > b.id ? -1 : 1))
        .map(webhookView),
    }),
    webhookMade: (parts, request, options) => made(parts, hands, request, options),
    webhook: (parts, request) => webhookView(rowFor(parts, request)),
    webhookDeleted: deleted,
    webhookDead: deadLetters,
    webhookRedelivered: redelivered,
  };
}

function webhookView(row: WebhookRow): WebhookView {
  const { id, url, types, subject, by, createdAtMs, cursor, counts, dead } = row;
  const { lastError, lastDeliveredAtMs } = row;
  return {
    id,
    url,
    types: [...types],
    ...(subject === undefined ? {} : { subject }),
    by,
    createdAt: isoTime(createdAtMs),
    cursor,
    delivery_count: counts.delivered,
    failure_count: counts.failed,
    dead: dead.length,
    ...(lastDeliveredAtMs === undefined ? {} : { lastDeliveredAt: isoTime(lastDeliveredAtMs) }),
    ...(lastError === undefined ? {} : { lastError: { ...lastError } }),
  };
}

function rowFor({ hub }: DeskParts, request: DeskRequest): WebhookRow {
  const id = paramOf(request, "id");
  const row = hub.rows.get("webhook", id);
  if (row === undefined) throw new GantryError("not_found", `There is no webhook ${id}`);
  return row;
}

/** Whoever may see events may post them elsewhere; only its maker or an admin changes one. */
function own(parts: DeskParts, request: DeskRequest): WebhookRow {
  const row = rowFor(parts, request);
  assertMaker(row, request);
  return row;
}

async function made(
  { hub }: DeskParts,
  hands: WebhookHands,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { url, types, subject } = request.body as {
    url: string;
    types: readonly string[];
    subject?: string;
  };
  hands.checkUrl(new URL(url));
  const secret = hands.makeSecret();
  const webhook = newId(hub, "whk");
  const { replay: _, ...by } = byOf(request); // the secret is shown once: a repeat makes another
  const facts = { webhook, url, types, secret, ...(subject === undefined ? {} : { subject }) };
  await act(hub, { type: "webhookMade", ...facts }, by, signal);
  const row = hub.rows.get("webhook", webhook);
  if (row === undefined) throw new GantryError("not_found", `There is no webhook ${webhook}`);
  return { ...webhookView(row), secret };
}

async function deleted(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { id } = own(parts, request);
  await act(parts.hub, { type: "webhookDeleted", webhook: id }, byOf(request), signal);
  return { ok: true };
}

function deadLetters(parts: DeskParts, request: DeskRequest): unknown {
  const { rows } = parts.hub;
  const { dead } = rowFor(parts, request);
  const { items, next } = pageOf(request, dead.length, (place) => {
    const letter = rows.get("deadLetter", dead[place] ?? "");
    if (letter === undefined) return undefined;
    const { id, event, diedAtMs, attempts, error, isWanted = false } = letter;
    const { type, subject, atMs } = event;
    const times = { at: isoTime(atMs), diedAt: isoTime(diedAtMs) };
    return { id, type, subject, ...times, attempts, error, wanted: isWanted };
  });
  return { deadLetters: items, ...(next === undefined ? {} : { next }) };
}

async function redelivered(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const { id } = own(parts, request);
  const { deliveries } = request.body as { deliveries?: readonly string[] };
  const body = { type: "webhookRedelivered" as const, webhook: id };
  return act(
    parts.hub,
    deliveries === undefined ? body : { ...body, deliveries },
    byOf(request),
    signal,
  );
}
