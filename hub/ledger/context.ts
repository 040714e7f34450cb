// What a command handler may do: read and write rows, say what happened, answer. A handler first
// checks everything and throws GantryError if the state does not allow the command; only then it
// writes. apply.ts proves that a refused command wrote nothing.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Command } from "@gantry/shared/contract/commands.ts";
import type { EventType } from "@gantry/shared/contract/events.ts";
import type { Rows, TableName, Tables } from "./rows.ts";

export interface Context {
  readonly rows: Rows;
  readonly command: Command;
  /** Place of this command in the log; also the revision and fencing token it hands out. */
  readonly position: number;
  /** The ledger's time: the greatest of all commands so far, this one's included. Judges every expiry. */
  readonly nowMs: number;
  emit(type: EventType, subject: string, data: unknown, person?: string): void;
  audit(action: string, object: string, detail?: Readonly<Record<string, unknown>>): void;
}

/** The one row of the table `time`. */
export const TIME_ID = "ledger";

/** The ledger's time, ms since 1970; it never goes back. 0 before the first command. */
export const ledgerTimeMs = (rows: Rows): number => rows.get("time", TIME_ID) ?? 0;

/**
 * Every hub that has said which log it reads can apply what came with this format: what a command does
 * besides, from then on, it does on all of them (FG2 of cluster/formats.ts).
 */
export function allRead({ rows }: Context, format: number): boolean {
  for (const hub of rows.hot("hub").values()) if ((hub.format ?? 1) < format) return false;
  return true;
}

export type Handler<C extends Command> = (context: Context, command: C) => unknown;

/** The row, or not_found in words a person understands. */
export function rowOf<T extends TableName>(
  { rows }: Context,
  table: T,
  id: string,
  what: string,
): Tables[T] {
  const row = rows.get(table, id);
  if (row === undefined) throw new GantryError("not_found", `There is no ${what} ${id}`);
  return row;
}

/**
 * Hot rows of a table by id. Whoever writes in a loop walks them in this order: the order in memory
 * is another one after a restart, and a replay must give the same bytes.
 */
export function inOrder<T extends TableName>({ rows }: Context, table: T): Tables[T][] {
  const all = [...rows.hot(table)];
  return all.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** Throws conflict where `id` is taken: a second thing of one id would replace the first. */
export function checkNew({ rows }: Context, table: TableName, id: string, what: string): void {
  if (rows.get(table, id) === undefined) return;
  throw new GantryError("conflict", `There is a ${what} ${id} already`);
}

/** Remembers `id` as the next one under `name`; `order` rows are the index of every list. */
export function appendOrder({ rows }: Context, name: string, id: string): number {
  const count = rows.get("count", name) ?? 0;
  rows.cool("order", `${name}/${count}`, id);
  rows.cool("count", name, count + 1);
  return count;
}
