// Tickets: the questions of runs to people, as rows that can be listed and decided.
//
// TK1. A ticket is open exactly while the engine owes it; it is read off the run, never counted along.
// TK2. Who decides has one of its roles and, where it names people, is one of them. The engine counts
//      a person once, so that two approvals are two people.

import { sha256 } from "@gantry/shared/base/digest.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import type { TicketRow, TicketState } from "@gantry/shared/contract/run-rows.ts";
import { owed } from "../../workflow/owed.ts";
import type { Effect } from "../../workflow/engine-types.ts";
import type { Plan } from "../../workflow/plan.ts";
import { appendOrder, type Context } from "../context.ts";
import type { RunRow } from "../run-row.ts";

type TicketEffect = Extract<Effect, { kind: "ticket" }>;

/** TK2. Throws forbidden, wrong_person. */
export function checkMayDecide(row: TicketRow, actor: string, role: Role): void {
  const hasRole = row.roles.some((needed) => mayAct(role, needed));
  if (!hasRole)
    throw new GantryError("forbidden", `This needs the role ${row.roles.join(" or ")}`, {
      details: { roles: row.roles },
    });
  if (row.people.length === 0 || row.people.includes(actor)) return;
  const [, escalatedTo] = row.roles;
  if (row.isEscalated && escalatedTo !== undefined && mayAct(role, escalatedTo)) return;
  throw new GantryError("wrong_person", `This is for ${row.people.join(", ")}`);
}

/** TK1: opens, changes and closes the tickets of a run. A replay asks nobody. */
export function syncTickets(context: Context, row: RunRow, plan: Plan): RunRow {
  const wanted = owed(plan, row.state).filter(
    (effect): effect is TicketEffect => effect.kind === "ticket",
  );
  const tickets: Record<string, string> = {};
  for (const effect of row.replayOf === undefined ? wanted : []) {
    tickets[effect.place] = openOrChange(context, row, effect);
  }
  for (const [place, id] of Object.entries(row.tickets)) {
    if (tickets[place] === undefined) closeTicket(context, id);
  }
  return { ...row, tickets };
}

function openOrChange(context: Context, run: RunRow, effect: TicketEffect): string {
  const { rows, nowMs, position } = context;
  const { place, question, roles, people, approvals, votes, escalated, dueMs } = effect;
  const known = run.tickets[place];
  const before = known === undefined ? undefined : rows.get("ticket", known);
  const id = before?.id ?? `apr_${sha256(`${run.id} ${place} ${position}`).slice(0, 26)}`;
  const facts = { question, roles, people, approvals, votes, isEscalated: escalated, dueMs };
  if (before !== undefined && before.votes.length === votes.length && before.dueMs === dueMs)
    return id;
  const row: TicketRow = {
    id,
    run: run.id,
    place,
    workflow: run.workflow,
    state: "open",
    ...facts,
    createdAtMs: before?.createdAtMs ?? nowMs,
    changedAtMs: nowMs,
  };
  rows.put("ticket", id, row);
  if (before === undefined) appendOrder(context, "tickets", id);
  context.emit("approval.changed", id, row);
  return id;
}

/** As the votes have it; without the votes it needs, time or the run's end closed it. */
export function closeTicket(context: Context, id: string): void {
  const { rows, nowMs, command } = context;
  const row = rows.get("ticket", id);
  if (row === undefined || row.state !== "open") return;
  const decided =
    command.type === "ticketDecided" && command.ticket === id
      ? { by: command.actor, approve: command.approve, reason: command.reason, atMs: nowMs }
      : undefined;
  const state: TicketState =
    decided !== undefined
      ? decided.approve
        ? "approved"
        : "rejected"
      : command.type === "runsAdvanced"
        ? "over"
        : "withdrawn";
  const votes = decided === undefined ? row.votes : [...row.votes, decided];
  const after: TicketRow = { ...row, state, votes, changedAtMs: nowMs };
  rows.cool("ticket", id, after);
  context.emit("approval.changed", id, after);
}
