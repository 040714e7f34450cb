// What is known from folders: which files, in which version, and the blob of each one's text.
//
// KN1. A refresh is one command: a search never meets half of it.
// KN2. A file that could not be read keeps the version it had, and is named as a fault.
// KN3. Of two refreshes that began from one version the second is refused.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { DocumentRow } from "@gantry/shared/contract/memory.ts";
import { checkNew, type Context, inOrder, rowOf } from "../context.ts";

export const documentId = (knowledge: string, path: string): string => `${knowledge}/${path}`;

export function knowledgeAdded(context: Context, command: CommandOf<"knowledgeAdded">): unknown {
  const { knowledge: id, name, folder, actor: by, atMs } = command;
  checkNew(context, "knowledge", id, "knowledge");
  const all = inOrder(context, "knowledge");
  if (all.some((row) => row.name === name || row.folder === folder))
    throw new GantryError("conflict", `${name} or its folder is known already`);
  if (all.length >= LIMIT.knowledge.max)
    throw new GantryError("busy", `There are ${LIMIT.knowledge.max} folders already`);
  context.rows.put("knowledge", id, { id, name, folder, by, atMs, version: 0, faults: [] });
  context.audit("knowledge.added", id, { name });
  return { knowledge: id };
}

export function knowledgeRemoved(
  context: Context,
  command: CommandOf<"knowledgeRemoved">,
): unknown {
  const row = rowOf(context, "knowledge", command.knowledge, "knowledge");
  for (const { path } of documentsOf(context, row.id))
    context.rows.remove("document", documentId(row.id, path));
  context.rows.remove("knowledge", row.id);
  context.audit("knowledge.removed", row.id, { name: row.name });
  return { ok: true };
}

const documentsOf = (context: Context, knowledge: string): readonly DocumentRow[] =>
  inOrder(context, "document").filter((row) => row.knowledge === knowledge);

export function knowledgeRefreshed(
  context: Context,
  command: CommandOf<"knowledgeRefreshed">,
): unknown {
  const { rows, nowMs } = context;
  const { read, gone, faults, fromVersion } = command;
  const row = rowOf(context, "knowledge", command.knowledge, "knowledge");
  if (row.version !== fromVersion)
    throw new GantryError("conflict", `${row.name} is at version ${row.version} by now`); // KN3
  const known = documentsOf(context, row.id).filter(({ path }) => !gone.includes(path));
  const added = read.filter(({ path }) => !known.some((document) => document.path === path));
  if (known.length + added.length > LIMIT.knowledgeDocuments.max)
    throw new GantryError(
      "too_large",
      `A folder has at most ${LIMIT.knowledgeDocuments.max} documents`,
    );
  for (const facts of read) {
    const id = documentId(row.id, facts.path);
    const version = (rows.get("document", id)?.version ?? 0) + 1;
    rows.put("document", id, { ...facts, knowledge: row.id, version, atMs: nowMs });
  }
  for (const path of gone) rows.remove("document", documentId(row.id, path));
  const version = read.length + gone.length === 0 ? row.version : row.version + 1;
  rows.put("knowledge", row.id, { ...row, version, faults, refreshedAtMs: nowMs });
  const counts = { read: read.length, gone: gone.length, faults: faults.length };
  context.audit("knowledge.refreshed", row.id, { version, ...counts });
  return { version, ...counts };
}
