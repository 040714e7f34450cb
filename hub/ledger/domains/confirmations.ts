// Confirmations: the word of the right person, given once, in time, for exactly one action.
//
// H1. Consuming a confirmation and making its job ready is one command: never one without the other.
// H2. It is consumed at most once; afterwards the phrase does nothing.
// H3. The phrase must be the phrase (confirm-phrase.ts), from the person who asked, before it expires
//     by the ledger's time. Another person may press the button if the role is `safety`.
// H4. What is agreed to is the hash of the action; the action cannot change under the confirmation.
// H6. Where two must agree they are two people: the word of one counts once, and lets nothing go.
// H5. A conversation waits for at most one; a newer one withdraws the older.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { unreachable } from "@gantry/shared/base/assert.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { HAZARD_POLICY, mayAct } from "@gantry/shared/contract/roles.ts";
import type { Action, ConfirmationRow } from "@gantry/shared/contract/rows.ts";
import { isPhrase } from "../confirm-phrase.ts";
import { type Context, inOrder, rowOf } from "../context.ts";
import { close, withdraw } from "./confirmation-rows.ts";
import { closeQuestion, openQuestion } from "./conversation-rows.ts";
import { makeJobReady } from "./job-rows.ts";
import { makePrintReady } from "./print-rows.ts";
import { makeStepReady } from "./agent-rows.ts";

export function confirmationConsumed(
  context: Context,
  command: CommandOf<"confirmationConsumed">,
): unknown {
  const row = rowOf(context, "confirmation", command.confirmation, "confirmation");
  check(row, command, context.nowMs);
  if (isOneOfMore(row)) return giveFirst(context, row);
  if (command.question !== undefined) openQuestion(context, command.question);
  const job = carryOut(context, row.action);
  close(context, row, "consumed");
  if (command.question !== undefined && command.message !== undefined) {
    closeQuestion(context, command.question, command.message, {
      text: `Confirmed: ${row.summary}`,
      routing: {
        tier: "rule",
        model: "confirmation",
        confidence: 1,
        cached: false,
        latencyMs: 0,
        reason: "the text is the phrase of the pending confirmation",
        metadata: { confirmation: row.id },
      },
    });
  }
  return { confirmation: row.id, job };
}

function check(
  row: ConfirmationRow,
  command: CommandOf<"confirmationConsumed">,
  nowMs: number,
): void {
  switch (row.state) {
    case "consumed":
      throw new GantryError("confirmation_used", `${row.summary}: it was confirmed already`); // H2
    case "cancelled":
      throw new GantryError("gone", `${row.summary}: the confirmation was withdrawn`);
    case "expired":
      throw new GantryError("confirmation_expired", `${row.summary}: the time to confirm is over`);
    case "pending":
      break;
    default:
      unreachable(row.state);
  }
  if (row.expiresAtMs <= nowMs) {
    throw new GantryError("confirmation_expired", `${row.summary}: the time to confirm is over`);
  }
  const needed = HAZARD_POLICY[row.hazardClass].role;
  if (!mayAct(command.role, needed)) {
    throw new GantryError("forbidden", `Confirming this needs the role ${needed}`);
  }
  if (row.given?.some(({ person }) => person === command.actor)) {
    throw new GantryError("wrong_person", "You have agreed; another person must agree too"); // H6
  }
  const isOwn = row.person === command.actor;
  if (!isOwn && (command.phrase !== null || !mayAct(command.role, "safety"))) {
    throw new GantryError("wrong_person", `${row.person} asked for this and must confirm it`); // H3
  }
  if (command.phrase !== null && !isPhrase(command.phrase, row.phrase)) {
    throw new GantryError("phrase_mismatch", `The phrase is: ${row.phrase}`);
  }
}

/** H6: somebody else must agree as well. */
const isOneOfMore = (row: ConfirmationRow): boolean =>
  (row.given?.length ?? 0) + 1 < (row.people ?? 1);

function giveFirst(context: Context, row: ConfirmationRow): unknown {
  const { rows, command } = context;
  const given = [...(row.given ?? []), { person: command.actor, atMs: command.atMs }];
  const after = { ...row, given };
  rows.put("confirmation", row.id, after);
  context.audit("confirmation.given", row.id, { actionSha256: row.actionSha256, of: row.people });
  context.emit("confirmation.asked", row.id, after, row.person);
  const { action } = row;
  const id = action.type === "tool" ? action.turn : action.job;
  return { confirmation: row.id, job: { id, state: "awaiting" } };
}

/** H1. */
function carryOut(context: Context, action: Action): { id: string; state: string } {
  switch (action.type) {
    case "print":
      return makePrintReady(context, action.job);
    case "command":
      return makeJobReady(context, action.job);
    case "tool":
      return makeStepReady(context, action);
  }
}

export function confirmationCancelled(
  context: Context,
  command: CommandOf<"confirmationCancelled">,
): unknown {
  const row = rowOf(context, "confirmation", command.confirmation, "confirmation");
  if (row.state === "cancelled") return { confirmation: row.id };
  if (row.state !== "pending") {
    throw new GantryError("conflict", `The confirmation is ${row.state} already`);
  }
  withdraw(context, row, "cancelled");
  return { confirmation: row.id };
}

/** Notice at 240 s, expiry at 300 s of the ledger's time; both once. */
export function confirmationsTicked(
  context: Context,
  _command: CommandOf<"confirmationsTicked">,
): unknown {
  const { rows, nowMs } = context;
  let moved = 0;
  for (const row of inOrder(context, "confirmation")) {
    if (row.expiresAtMs <= nowMs) {
      withdraw(context, row, "expired");
      moved += 1;
    } else if (isNoticeDue(row, nowMs)) {
      rows.put("confirmation", row.id, { ...row, noticedAtMs: nowMs });
      context.emit("confirmation.notice", row.id, row, row.person);
      moved += 1;
    }
  }
  return { moved };
}

export const isNoticeDue = (row: ConfirmationRow, nowMs: number): boolean =>
  row.noticedAtMs === undefined && row.createdAtMs + LIFE.confirmationNoticeMs <= nowMs;
