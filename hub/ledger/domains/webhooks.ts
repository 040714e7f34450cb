// Webhooks: who wants which events, how far each has come, and what nobody took.
//
// WB1. The cursor only grows, and moves in the command that says what became of the events before it:
//      none is passed over without being delivered or a dead letter.
// WB2. Only the reign that is moves it, and only from where it is: of two leaders that posted the same
//      event, one is counted.
// WB3. The secret is in no event and no audit row.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import {
  type DeadLetter,
  type DeadLetterRow,
  typesOf,
  type WebhookRow,
} from "@gantry/shared/contract/webhooks.ts";
import { checkNew, type Context, rowOf } from "../context.ts";
import { checkReign } from "./cluster.ts";

const webhookOf = (context: Context, id: string): WebhookRow =>
  rowOf(context, "webhook", id, "webhook");

export function webhookMade(context: Context, command: CommandOf<"webhookMade">): unknown {
  const { rows, nowMs, position } = context;
  const { webhook: id, url, types, subject, secret, actor } = command;
  checkNew(context, "webhook", id, "webhook");
  if (rows.hot("webhook").size >= LIMIT.webhooks.max) {
    throw new GantryError("busy", "There are too many webhooks", { details: { retryAfterS: 60 } });
  }
  const unknown = types.find((pattern) => typesOf(pattern).length === 0);
  if (unknown !== undefined || types.length === 0) {
    throw new GantryError("bad_request", `No event is called ${unknown ?? "nothing"}`);
  }
  write(context, {
    id,
    url,
    types,
    ...(subject === undefined ? {} : { subject }),
    secret,
    by: actor,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
    cursor: position,
    counts: { delivered: 0, failed: 0 },
    dead: [],
  });
  context.audit("webhook.made", id, { origin: originOf(url), types });
  return { webhook: id };
}

/** An address may hold a key in its path or query. */
const originOf = (url: string): string => /^[a-z]+:\/\/[^/?#]+/i.exec(url)?.[0] ?? "";

function write(context: Context, row: WebhookRow): void {
  context.rows.put("webhook", row.id, { ...row, changedAtMs: context.command.atMs });
  const { id, types, cursor, counts, by, dead } = row;
  context.emit("webhook.changed", id, { id, types, cursor, counts, dead: dead.length }, by); // WB3
}

export function webhookDeleted(context: Context, command: CommandOf<"webhookDeleted">): unknown {
  const { id, by, dead } = webhookOf(context, command.webhook);
  for (const delivery of dead) context.rows.remove("deadLetter", delivery);
  context.rows.remove("webhook", id);
  context.audit("webhook.deleted", id);
  context.emit("webhook.changed", id, { id, deleted: true }, by);
  return { webhook: id };
}

export function webhookProgressed(
  context: Context,
  command: CommandOf<"webhookProgressed">,
): unknown {
  checkReign(context, command.term); // WB2
  const row = webhookOf(context, command.webhook);
  const { fromCursor, cursor, delivered, dead } = command;
  if (row.cursor !== fromCursor || cursor < fromCursor || cursor > context.position) {
    throw new GantryError("conflict", `${row.id} is at ${row.cursor}`); // WB1
  }
  const last = dead.at(-1);
  const after = {
    ...row,
    cursor,
    counts: {
      delivered: row.counts.delivered + delivered,
      failed: row.counts.failed + dead.length,
    },
    dead: bury(context, row, dead),
    ...(last === undefined ? {} : { lastError: last.error }),
    ...(delivered === 0 ? {} : { lastDeliveredAtMs: context.nowMs }),
  };
  write(context, after);
  return { cursor };
}

/** The ids of the dead letters with these among them; beyond the bound the oldest are gone. */
function bury(context: Context, row: WebhookRow, dead: readonly DeadLetter[]): readonly string[] {
  const { rows, nowMs } = context;
  for (const letter of dead) {
    rows.put("deadLetter", letter.id, { ...letter, webhook: row.id, diedAtMs: nowMs });
    const { id, error, attempts } = letter;
    context.audit("webhook.dead", row.id, { delivery: id, code: error.code });
    context.emit("webhook.dead", row.id, { delivery: id, error, attempts }, row.by);
  }
  const ids = [...row.dead, ...dead.map(({ id }) => id)];
  const gone = Math.max(0, ids.length - LIMIT.deadLetters.max);
  for (const id of ids.slice(0, gone)) rows.remove("deadLetter", id);
  return ids.slice(gone);
}

export function webhookRedelivered(
  context: Context,
  command: CommandOf<"webhookRedelivered">,
): unknown {
  const row = webhookOf(context, command.webhook);
  const ids = command.deliveries ?? row.dead;
  const letters = ids.map((id) => letterOf(context, row, id));
  for (const letter of letters) {
    context.rows.put("deadLetter", letter.id, { ...letter, isWanted: true });
  }
  write(context, row);
  context.audit("webhook.redelivered", row.id, { count: letters.length });
  return { count: letters.length };
}

function letterOf(context: Context, { id: webhook }: WebhookRow, id: string): DeadLetterRow {
  const letter = rowOf(context, "deadLetter", id, "dead letter");
  if (letter.webhook === webhook) return letter;
  throw new GantryError("not_found", `There is no dead letter ${id}`);
}

export function webhookRetried(context: Context, command: CommandOf<"webhookRetried">): unknown {
  checkReign(context, command.term);
  const row = webhookOf(context, command.webhook);
  const letter = letterOf(context, row, command.delivery);
  if (letter.isWanted !== true) {
    throw new GantryError("conflict", `Nobody wants ${letter.id} tried again`);
  }
  const { error } = command;
  if (error !== undefined) {
    const { isWanted: _, ...rest } = letter;
    const attempts = letter.attempts + command.attempts;
    context.rows.put("deadLetter", letter.id, { ...rest, error, attempts });
    write(context, { ...row, lastError: error });
    return { delivered: false };
  }
  context.rows.remove("deadLetter", letter.id);
  const counts = { ...row.counts, delivered: row.counts.delivered + 1 };
  const dead = row.dead.filter((id) => id !== letter.id);
  write(context, { ...row, counts, dead, lastDeliveredAtMs: context.nowMs });
  return { delivered: true };
}
