// What is remembered of people. The log carries the words and where they come from; vectors are derived.
//
// ME1. A quote stands in the message it names, and that message is the person's own: never an answer, a
//      system text or what was recalled, so nothing is learnt from what was remembered before.
// ME2. A newer word supersedes an older one, which stays readable until it is forgotten.
// ME3. What is forgotten leaves the rows with all that it replaced; the audit says that something was
//      forgotten and how much, never what.
// ME4. Nobody but the person changes what is remembered of them; an admin may forget it.
// ME5. A draft inside an answer never refuses the answer: one that does not hold is left out.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { MemoryDraft, MemoryRow } from "@gantry/shared/contract/memory.ts";
import { checkNew, type Context, inOrder } from "../context.ts";

export function memoryKept(context: Context, { draft, actor }: CommandOf<"memoryKept">): unknown {
  const fault = faultOf(context, draft, actor);
  if (fault !== undefined) throw fault;
  return { memory: keep(context, draft, actor) };
}

/** ME5. How many were kept. */
export function keepDrafts(
  context: Context,
  drafts: readonly MemoryDraft[],
  person: string,
): number {
  let kept = 0;
  for (const draft of drafts) {
    if (faultOf(context, draft, person) !== undefined) continue;
    keep(context, draft, person);
    kept += 1;
  }
  return kept;
}

/** Why this may not be remembered; undefined when it may. */
function faultOf(context: Context, draft: MemoryDraft, person: string): GantryError | undefined {
  const { rows } = context;
  const { source, text, replaces, confirms } = draft;
  if (text.trim() === "" || text.length > LIMIT.memoryChars.max)
    return new GantryError("bad_request", `A memory has 1 to ${LIMIT.memoryChars.max} characters`);
  if (source.type === "said" && !isQuoted(context, source, person))
    return new GantryError("bad_request", "The quote does not stand in a message of this person"); // ME1
  for (const id of [replaces, confirms]) {
    if (id === undefined) continue;
    const known = rows.hot("memory").get(id);
    if (known?.person !== person || known.state === "superseded")
      return new GantryError("not_found", `There is no memory ${id}`);
  }
  if (confirms !== undefined) return undefined;
  if (rows.get("memory", draft.memory) !== undefined)
    return new GantryError("conflict", `There is a memory ${draft.memory} already`);
  const total = rows.hot("memory").size;
  const own = ownedBy(context, person).length;
  if (total >= LIMIT.memories.max || own >= LIMIT.memoriesOfPerson.max)
    return new GantryError("busy", "There is no room for more memories: forget some");
  return undefined;
}

function isQuoted(
  { rows }: Context,
  { message, quote }: { readonly message: string; readonly quote: string },
  person: string,
): boolean {
  const row = rows.get("message", message);
  return row?.role === "user" && row.person === person && quote !== "" && row.text.includes(quote);
}

const ownedBy = (context: Context, person: string): readonly MemoryRow[] =>
  inOrder(context, "memory").filter((row) => row.person === person);

function keep(context: Context, draft: MemoryDraft, person: string): string {
  const { rows, nowMs } = context;
  const { memory: id, kind, text, about, source, state, expiresAtMs, replaces, confirms } = draft;
  const known = confirms === undefined ? undefined : rows.get("memory", confirms);
  if (known !== undefined) {
    const { expiresAtMs: _, ...rest } = known;
    const until = later(known.expiresAtMs, expiresAtMs);
    rows.put("memory", known.id, {
      ...rest,
      said: known.said + 1,
      changedAtMs: nowMs,
      ...(until === undefined ? {} : { expiresAtMs: until }),
    });
    context.audit("memory.confirmed", known.id);
    return known.id;
  }
  checkNew(context, "memory", id, "memory");
  const older = replaces === undefined ? undefined : rows.get("memory", replaces);
  if (older !== undefined && state === "kept") {
    const replaced = { ...older, state: "superseded" as const, replacedBy: id, changedAtMs: nowMs };
    rows.put("memory", older.id, replaced); // ME2
  }
  rows.put("memory", id, {
    id,
    person,
    kind,
    text,
    ...(about === undefined ? {} : { about }),
    source,
    state,
    atMs: nowMs,
    changedAtMs: nowMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    said: 1,
    ...(older === undefined ? {} : { replaces: older.id }),
  });
  context.audit("memory.kept", id, { kind, state });
  return id;
}

/** Undefined is for ever. */
const later = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : Math.max(a, b);

export function memoryReviewed(context: Context, command: CommandOf<"memoryReviewed">): unknown {
  const { rows, nowMs } = context;
  const row = rows.hot("memory").get(command.memory);
  if (row?.person !== command.actor)
    throw new GantryError("not_found", `There is no memory ${command.memory}`); // ME4
  if (row.state !== "proposed")
    throw new GantryError("conflict", `${row.id} waits for nobody's word`);
  if (command.verdict === "drop") {
    rows.remove("memory", row.id);
    context.audit("memory.forgotten", row.person, { count: 1 });
    return { memory: row.id };
  }
  const older = row.replaces === undefined ? undefined : rows.get("memory", row.replaces);
  if (older?.state === "kept") {
    const replaced = { state: "superseded" as const, replacedBy: row.id, changedAtMs: nowMs };
    rows.put("memory", older.id, { ...older, ...replaced });
  }
  rows.put("memory", row.id, { ...row, state: "kept", changedAtMs: nowMs });
  context.audit("memory.reviewed", row.id);
  return { memory: row.id };
}

export function memoryForgotten(context: Context, command: CommandOf<"memoryForgotten">): unknown {
  const { person, memories } = command;
  const own = ownedBy(context, person);
  const wanted =
    memories === undefined ? own : memories.flatMap((id) => withOlder(context, own, id));
  const ids = new Set(wanted.map(({ id }) => id));
  for (const id of ids) context.rows.remove("memory", id);
  context.audit("memory.forgotten", person, { count: ids.size }); // ME3
  return { count: ids.size };
}

/** ME3. The memory and everything that it took the place of. */
function withOlder({ rows }: Context, own: readonly MemoryRow[], id: string): readonly MemoryRow[] {
  const found = own.find((row) => row.id === id);
  if (found === undefined) throw new GantryError("not_found", `There is no memory ${id}`);
  const chain: MemoryRow[] = [];
  for (
    let row: MemoryRow | undefined = found;
    row !== undefined && !chain.includes(row);
    row = row.replaces === undefined ? undefined : rows.get("memory", row.replaces)
  )
    chain.push(row);
  return chain;
}

/** Refused where nothing is over, so that no entry says nothing. */
export function memoriesExpired(context: Context): unknown {
  const over = inOrder(context, "memory").filter(
    ({ expiresAtMs = Infinity }) => expiresAtMs <= context.nowMs,
  );
  if (over.length === 0) throw new GantryError("conflict", "No memory's time is over");
  for (const { id } of over) context.rows.remove("memory", id);
  context.audit("memory.expired", "all", { count: over.length });
  return { count: over.length };
}
