// Workflows: names, versions by content, tags. What runs is a version; it never changes.
//
// WF1. A version is kept only if it compiles, under the hash of its canonical JSON.
// WF2. A version that a tag names never leaves the list; its definition row stays for ever, for runs.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { Fidelity, Stamp, WorkflowRow } from "@gantry/shared/contract/run-rows.ts";
import { appendOrder, type Context, rowOf } from "../context.ts";
import { planFor } from "./plans.ts";

export const MAIN_TAG = "main";

export function workflowKept(context: Context, command: CommandOf<"workflowKept">): unknown {
  const { rows } = context;
  const { name, sha256, graph, tag, actor, atMs } = command;
  checkSize(graph);
  if (planFor(graph).hash !== sha256)
    throw new GantryError("checksum_mismatch", "The graph is not the one that its hash names"); // WF1
  const before = name === undefined ? undefined : rows.get("workflow", name);
  if (tag !== undefined) checkTag(before, tag);

  if (rows.get("definition", sha256) === undefined)
    rows.cool("definition", sha256, { sha256, graph, by: actor, atMs });
  if (name === undefined) return { sha256 };

  const stamp: Stamp = { sha256, atMs, by: actor };
  const isKnown = before?.versions.some((version) => version.sha256 === sha256) === true;
  const tags = { ...before?.tags, ...(tag === undefined ? {} : { [tag]: stamp }) };
  const versions = [...(before?.versions ?? []), ...(isKnown ? [] : [stamp])];
  const row: WorkflowRow = {
    name,
    fidelity: command.fidelity ?? before?.fidelity ?? "full",
    versions: withoutOldest(versions, tags),
    tags,
    createdAtMs: before?.createdAtMs ?? atMs,
    changedAtMs: atMs,
    revision: isKnown ? (before?.revision ?? 0) : context.position,
  };
  if (before === undefined) appendOrder(context, "workflows", name);
  saveWorkflow(context, row);
  context.audit("workflow.kept", name, { sha256, ...(tag === undefined ? {} : { tag }) });
  return { name, sha256 };
}

export function workflowTagged(context: Context, command: CommandOf<"workflowTagged">): unknown {
  const row = rowOf(context, "workflow", command.name, "workflow");
  const { tag, sha256, actor, atMs } = command;
  const { [tag]: _, ...others } = row.tags;
  let tags: Readonly<Record<string, Stamp>> = others;
  if (sha256 !== null) {
    if (!row.versions.some((version) => version.sha256 === sha256))
      throw new GantryError("not_found", `${row.name} has no version ${sha256}`);
    checkTag(row, tag);
    tags = { ...row.tags, [tag]: { sha256, atMs, by: actor } };
  }
  saveWorkflow(context, { ...row, tags, changedAtMs: atMs });
  context.audit("workflow.tagged", row.name, { tag, sha256 });
  return { name: row.name, tag, sha256 };
}

export interface Resolved {
  /** Empty for a graph without a name. */
  readonly name: string;
  readonly sha256: string;
  readonly fidelity: Fidelity;
}

/** What `NAME`, `NAME@TAG` or `sha256:HEX` stands for now. Throws not_found. */
export function resolveWorkflow(context: Context, ref: string): Resolved {
  const { rows } = context;
  if (ref.startsWith("sha256:")) {
    const sha256 = ref.slice("sha256:".length);
    rowOf(context, "definition", sha256, "workflow of this hash");
    return { name: "", sha256, fidelity: "full" };
  }
  const cut = ref.indexOf("@");
  const name = cut < 0 ? ref : ref.slice(0, cut);
  const tag = cut < 0 ? MAIN_TAG : ref.slice(cut + 1);
  const row = rows.get("workflow", name);
  if (row === undefined) throw new GantryError("not_found", `There is no workflow ${name}`);
  const stamp = Object.hasOwn(row.tags, tag)
    ? row.tags[tag]
    : cut < 0
      ? row.versions.at(-1)
      : undefined;
  if (stamp === undefined) throw new GantryError("not_found", `${name} has no tag ${tag}`);
  return { name, sha256: stamp.sha256, fidelity: row.fidelity };
}

/** Throws too_large. The doors have bounds of their own; children and patches do not pass them. */
export function checkSize(graph: unknown): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify(graph));
  const { max } = LIMIT.definitionBytes;
  if (sizeBytes > max)
    throw new GantryError("too_large", `The graph has ${sizeBytes} bytes; ${max} are the most`, {
      details: { limit: "definitionBytes", max },
    });
}

export function hasRoomForTag(row: WorkflowRow | undefined, tag: string): boolean {
  const tags = row?.tags ?? {};
  return Object.hasOwn(tags, tag) || Object.keys(tags).length < LIMIT.workflowTags.max;
}

/** Throws conflict. */
export function checkTag(row: WorkflowRow | undefined, tag: string): void {
  if (hasRoomForTag(row, tag)) return;
  const message = `${row?.name ?? ""} has ${LIMIT.workflowTags.max} tags, which is the bound`;
  throw new GantryError("conflict", message, { details: { limit: "workflowTags" } });
}

/** WF2. */
export function withoutOldest(
  versions: readonly Stamp[],
  tags: Readonly<Record<string, Stamp>>,
): readonly Stamp[] {
  if (versions.length <= LIMIT.workflowVersions.max) return versions;
  const tagged = new Set(Object.values(tags).map(({ sha256 }) => sha256));
  const oldest = versions.findIndex(({ sha256 }) => !tagged.has(sha256));
  return versions.filter((_, at) => at !== oldest);
}

export function saveWorkflow(context: Context, row: WorkflowRow): void {
  context.rows.cool("workflow", row.name, row);
  const { name, tags } = row;
  context.emit("workflow.changed", name, { name, version: row.versions.at(-1)?.sha256, tags });
}
