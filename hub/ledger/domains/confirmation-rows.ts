// Rows of confirmations: how one is opened, closed and withdrawn together with its job.

import { digestOf } from "@gantry/shared/base/digest.ts";
import type { ConfirmationDraft, JobDraft, PrintDraft } from "@gantry/shared/contract/commands.ts";
import type { Action, ConfirmationRow, ConfirmationState } from "@gantry/shared/contract/rows.ts";
import { checkNew, type Context, rowOf } from "../context.ts";
import { refuseStep } from "./agent-rows.ts";
import { withdrawJob } from "./job-rows.ts";
import { withdrawPrint } from "./print-rows.ts";

/** Throws what opening the draft's confirmation would, before anything is written. */
export function checkDraft(
  context: Context,
  { confirmation, conversation }: Pick<PrintDraft | JobDraft, "confirmation" | "conversation">,
): void {
  if (confirmation === undefined) return;
  checkNew(context, "confirmation", confirmation.id, "confirmation");
  if (conversation !== undefined) rowOf(context, "conversation", conversation, "conversation");
}

/** Opens a confirmation for `action`; the letters are those of confirmations.ts. */
export function openConfirmation(
  context: Context,
  draft: ConfirmationDraft,
  action: Action,
  person: string,
  conversation: string | undefined,
  people: 1 | 2 = 1,
): void {
  const { rows, command } = context;
  const row: ConfirmationRow = {
    ...draft,
    action,
    actionSha256: digestOf(action), // H4
    person,
    ...(people === 1 ? {} : { people }),
    state: "pending",
    createdAtMs: command.atMs,
    ...(conversation === undefined ? {} : { conversation }),
  };
  if (conversation !== undefined) {
    const talk = rowOf(context, "conversation", conversation, "conversation");
    const older = talk.pending === undefined ? undefined : rows.get("confirmation", talk.pending);
    if (older?.state === "pending") withdraw(context, older, "cancelled"); // H5
    const { pending: _, ...rest } = talk;
    rows.cool("conversation", conversation, { ...rest, pending: row.id });
  }
  rows.put("confirmation", row.id, row);
  context.audit("confirmation.asked", row.id, { action, hazardClass: row.hazardClass });
  context.emit("confirmation.asked", row.id, row, person);
}

export function withdraw(
  context: Context,
  row: ConfirmationRow,
  state: "cancelled" | "expired",
): void {
  close(context, row, state);
  const { action } = row;
  if (action.type === "print") withdrawPrint(context, action.job, state);
  else if (action.type === "tool") refuseStep(context, action, state);
  else withdrawJob(context, action.job, state);
}

/** Closes a confirmation whose job ended some other way. */
export function closeConfirmation(context: Context, id: string | undefined): void {
  const row = id === undefined ? undefined : context.rows.get("confirmation", id);
  if (row?.state === "pending") close(context, row, "cancelled");
}

export function close(context: Context, row: ConfirmationRow, state: ConfirmationState): void {
  const { rows, command } = context;
  const closed = { ...row, state, closedAtMs: command.atMs, closedBy: command.actor };
  rows.cool("confirmation", row.id, closed);
  const talk =
    row.conversation === undefined ? undefined : rows.get("conversation", row.conversation);
  if (talk?.pending === row.id) {
    const { pending: _, ...rest } = talk;
    rows.cool("conversation", talk.id, rest);
  }
  context.audit(`confirmation.${state}`, row.id, { actionSha256: row.actionSha256 });
  context.emit("confirmation.closed", row.id, closed, row.person);
}
