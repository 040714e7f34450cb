// Whether a kept answer may be given to somebody now, whoever found it.
//
// KA1. Never after its time, never to a role below the one it was made for, never when a thing it speaks of
//      has changed since.

import { mayAct, type Role } from "@gantry/shared/contract/roles.ts";
import type { CacheRow } from "@gantry/shared/contract/rows.ts";
import type { Rows } from "../ledger/rows.ts";

/** KA1. Rows of before there were facts are anybody's, as they were then. */
export function isUsable(rows: Rows, row: CacheRow, role: Role, nowMs: number): boolean {
  if (row.expiresAtMs <= nowMs) return false;
  if (row.facts === undefined) return true;
  return mayAct(role, row.facts.role) && row.facts.depends.every((is) => isAsItWas(rows, is));
}

/** `device:sim@12`: the device `sim` was last changed at 12. */
function isAsItWas(rows: Rows, dependence: string): boolean {
  const [, table, id = "", atMs] = /^(\w+):(.*)@(\d+)$/u.exec(dependence) ?? [];
  if (table !== "device" && table !== "node") return false;
  return String(rows.hot(table).get(id)?.changedAtMs) === atMs;
}

/** The devices and nodes that a text names, with when each last changed. */
export function dependencesOf(rows: Rows, text: string): readonly string[] {
  const said = new Set(text.toLowerCase().match(/[\p{L}\p{N}]+(?:[-_.][\p{L}\p{N}]+)*/gu));
  const found: string[] = [];
  for (const { id, changedAtMs } of rows.hot("device").values())
    if (said.has(id.toLowerCase())) found.push(`device:${id}@${changedAtMs}`);
  for (const { id, name, changedAtMs } of rows.hot("node").values())
    if (said.has(name.toLowerCase()) || said.has(id)) found.push(`node:${id}@${changedAtMs}`);
  return found;
}
