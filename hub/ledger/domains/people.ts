// Tokens of people and programs. Only hashes of secrets are ever here.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { checkNew, type Context, rowOf } from "../context.ts";

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
