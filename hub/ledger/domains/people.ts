// Tokens of people and programs. Only hashes of secrets are ever here.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { type Role, ROLES } from "@gantry/shared/contract/roles.ts";
import { checkNew, type Context, rowOf } from "../context.ts";
import type { Rows } from "../rows.ts";

/** The most that a token of this person allows at `nowMs` (the ledger's time); undefined: none is valid. */
export function bestRoleOf(rows: Rows, person: string, nowMs: number): Role | undefined {
  let best = -1;
  for (const token of rows.hot("token").values()) {
    const isValid = token.revokedAtMs === undefined && (token.expiresAtMs ?? Infinity) > nowMs;
    if (isValid && token.person === person) best = Math.max(best, ROLES.indexOf(token.role));
  }
  return ROLES[best];
}

export function tokenMade(context: Context, command: CommandOf<"tokenMade">): unknown {
  const { rows } = context;
  const { token: id, person, role, secretSha256, expiresAtMs, atMs } = command;
  checkNew(context, "token", id, "token");
  rows.put("token", id, {
    id,
    person,
    role,
    secretSha256,
    createdAtMs: atMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  });
  context.audit("token.made", id, { person, role });
  context.emit("token.changed", id, { person, role, revoked: false }, person);
  return { id };
}

/** The last working admin token stays, or nobody could ever make another. */
export function tokenRevoked(context: Context, command: CommandOf<"tokenRevoked">): unknown {
  const { rows } = context;
  const row = rowOf(context, "token", command.token, "token");
  if (row.revokedAtMs !== undefined) return { id: row.id };
  const otherAdmins = [...rows.hot("token").values()].filter(
    (other) =>
      other.id !== row.id &&
      other.role === "admin" &&
      other.revokedAtMs === undefined &&
      (other.expiresAtMs ?? Infinity) > context.nowMs,
  );
  if (row.role === "admin" && otherAdmins.length === 0) {
    throw new GantryError("conflict", "This is the last admin token; make another one first");
  }
  rows.put("token", row.id, { ...row, revokedAtMs: command.atMs });
  context.audit("token.revoked", row.id, { person: row.person });
  context.emit("token.changed", row.id, { person: row.person, revoked: true }, row.person);
  return { id: row.id };
}
