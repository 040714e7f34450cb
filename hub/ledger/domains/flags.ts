// Flags: small values that people and programs share, each with the log position of its last change.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { type Context, rowOf } from "../context.ts";

function checkRevision(key: string, revision: number, wanted: number | undefined): void {
  if (wanted === undefined || wanted === revision) return;
  throw new GantryError("revision_mismatch", `Flag ${key} is at revision ${revision}`, {
    details: { revision },
  });
}

export function flagSet(context: Context, command: CommandOf<"flagSet">): unknown {
  const { key, value, actor, atMs } = command;
  checkRevision(key, context.rows.get("flag", key)?.revision ?? 0, command.ifRevision);
  const row = { key, value, revision: context.position, by: actor, atMs };
  context.rows.put("flag", key, row);
  context.audit("flag.set", key, { value });
  context.emit("flag.changed", key, row);
  return { key, value, revision: row.revision };
}

export function flagDeleted(context: Context, command: CommandOf<"flagDeleted">): unknown {
  const row = rowOf(context, "flag", command.key, "flag");
  checkRevision(row.key, row.revision, command.ifRevision);
  context.rows.remove("flag", row.key);
  context.audit("flag.deleted", row.key);
  context.emit("flag.changed", row.key, { key: row.key, deleted: true });
  return { key: row.key };
}
