// Rows of print jobs: how one changes and how one ends. Used by prints.ts, which decides, and by
// confirmations, which let a job go or withdraw it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { PrintRow, PrintState } from "@gantry/shared/contract/rows.ts";
import { type Context, rowOf } from "../context.ts";
import { settleFilament } from "./farm-rows.ts";

const ENDED: readonly PrintState[] = ["done", "failed", "cancelled", "interrupted"];
export const isEnded = (state: PrintState): boolean => ENDED.includes(state);

export const asIs = (row: PrintRow): { id: string; state: string } => ({
  id: row.id,
  state: row.state,
});

export function changePrint(
  context: Context,
  row: PrintRow,
  facts: Partial<PrintRow>,
): { id: string; state: string } {
  const after: PrintRow = { ...row, ...facts, changedAtMs: context.command.atMs };
  context.rows.put("print", row.id, after);
  context.emit("print.changed", row.id, after);
  return asIs(after);
}

export function endPrint(
  context: Context,
  row: PrintRow,
  state: PrintState,
  facts: Partial<PrintRow>,
): { id: string; state: string } {
  const { atMs } = context.command;
  const ended: PrintRow = {
    ...without(row, "wish"),
    ...facts,
    state,
    changedAtMs: atMs,
    finishedAtMs: atMs,
  };
  const use = settleFilament(context, ended, state === "done");
  const after = use === undefined ? ended : { ...ended, use };
  context.rows.cool("print", row.id, after);
  context.audit("print.ended", row.id, {
    state,
    progress: after.progress,
    startedCount: after.startedCount,
  });
  context.emit("print.changed", row.id, after);
  return asIs(after);
}

export function without(row: PrintRow, member: "wish" | "lease"): PrintRow {
  const { [member]: _, ...rest } = row;
  return rest;
}

export function makePrintReady(context: Context, id: string): { id: string; state: string } {
  const row = rowOf(context, "print", id, "print job");
  if (row.state !== "awaiting")
    throw new GantryError("conflict", `The job is ${row.state} already`);
  return changePrint(context, row, { state: "ready" });
}

export function withdrawPrint(context: Context, id: string, why: "cancelled" | "expired"): void {
  const row = context.rows.get("print", id);
  if (row?.state !== "awaiting") return;
  const message =
    why === "expired" ? "Nobody confirmed it in time" : "The confirmation was withdrawn";
  const code = why === "expired" ? "confirmation_expired" : "cancelled";
  endPrint(context, row, "cancelled", { error: { code, message } });
}

/** The job that holds a printer. */
export const holderOf = (rows: Context["rows"], printer: string): PrintRow | undefined =>
  [...rows.hot("print").values()].find((job) => job.printer === printer && job.lease !== undefined);
