// Confirming by word: is this text the phrase of what its conversation waits for, a refusal of it, or
// a phrase that came too late, twice, or for something else?

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { ConfirmationRow, QuestionRow } from "@gantry/shared/contract/rows.ts";
import { messageId } from "../ledger/domains/conversation-rows.ts";
import { isPhrase, normalisePhrase } from "../ledger/confirm-phrase.ts";
import type { Rows } from "../ledger/rows.ts";

const REFUSALS = new Set(["cancel", "no", "refuse", "never mind", "do not"]);

export type Word =
  | { readonly kind: "phrase"; readonly confirmation: ConfirmationRow }
  | { readonly kind: "refusal"; readonly confirmation: ConfirmationRow }
  /** It says "confirm ..." and confirms nothing: told why, and never handed to a rule or a model. */
  | { readonly kind: "idle"; readonly error: GantryError };

/** Undefined: the text has nothing to do with a confirmation. */
export function readWord(rows: Rows, question: QuestionRow): Word | undefined {
  const pending = pendingOf(rows, question.conversation);
  if (pending !== undefined) {
    if (isPhrase(question.text, pending.phrase)) return { kind: "phrase", confirmation: pending };
    if (REFUSALS.has(normalisePhrase(question.text)))
      return { kind: "refusal", confirmation: pending };
  }
  if (!normalisePhrase(question.text).startsWith("confirm ")) return undefined;
  return { kind: "idle", error: whyIdle(rows, question, pending) };
}

function pendingOf(rows: Rows, conversation: string): ConfirmationRow | undefined {
  const id = rows.get("conversation", conversation)?.pending;
  return id === undefined ? undefined : rows.hot("confirmation").get(id);
}

function whyIdle(
  rows: Rows,
  question: QuestionRow,
  pending: ConfirmationRow | undefined,
): GantryError {
  if (pending !== undefined) {
    return new GantryError("phrase_mismatch", `The phrase is: ${pending.phrase}`);
  }
  const earlier = latestConfirmation(rows, question);
  if (earlier?.state === "consumed") {
    return new GantryError("confirmation_used", `${earlier.summary}: it was confirmed already`);
  }
  if (earlier?.state === "expired") {
    const message = `${earlier.summary}: the time to confirm is over; ask for it again`;
    return new GantryError("confirmation_expired", message);
  }
  return new GantryError("not_found", "Nothing in this conversation waits for a confirmation");
}

function latestConfirmation(
  rows: Rows,
  { conversation, seq }: QuestionRow,
): ConfirmationRow | undefined {
  const oldest = Math.max(0, seq - LIMIT.historyMessages.max);
  for (let place = seq - 1; place >= oldest; place -= 1) {
    const id = rows.get("message", messageId(conversation, place))?.confirmation;
    if (id !== undefined) return rows.get("confirmation", id);
  }
  return undefined;
}
