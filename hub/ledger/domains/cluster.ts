// The cluster as the ledger knows it: which hubs there are and who leads.
//
// G1. A reign is one term of one leader; terms of reigns only grow.
// G2. What a leader judged (a silent node, an expired lock) counts only in the reign in which it was
//     judged: an ex-leader that was stuck and wakes up can revoke nothing.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { HubFacts, HubRow } from "@gantry/shared/contract/rows.ts";
import { type Context, rowOf } from "../context.ts";

export const REIGN_ID = "cluster";

export function reignBegan(context: Context, command: CommandOf<"reignBegan">): unknown {
  const { rows, position, nowMs } = context;
  const { hub, term } = command;
  const before = rows.get("reign", REIGN_ID);
  if (before?.term === term && before.hub === hub) return { hub, term }; // said again
  if (before !== undefined && before.term >= term) {
    throw new GantryError("stale_term", `${before.hub} leads since term ${before.term}`); // G1
  }
  rows.put("reign", REIGN_ID, { hub, term, position, atMs: nowMs });
  context.audit("hub.reign", hub, { term });
  context.emit("hub.reign", hub, { hub, term });
  return { hub, term };
}

/** G2. Throws stale_term; a command without a term was not judged by a leader. */
export function checkReign({ rows }: Context, term: number | undefined): void {
  if (term === undefined) return;
  const reign = rows.get("reign", REIGN_ID);
  if (reign?.term === term) return;
  throw new GantryError("stale_term", `This was judged in term ${term}`, {
    details: { term: reign?.term ?? 0 },
  });
}

export function hubJoined(context: Context, command: CommandOf<"hubJoined">): unknown {
  return keepHub(context, command.hub, command);
}

export function hubChanged(context: Context, command: CommandOf<"hubChanged">): unknown {
  const row = rowOf(context, "hub", command.hub, "hub");
  return keepHub(context, row.id, { ...row, ...given(command) });
}

export function hubLeft(context: Context, command: CommandOf<"hubLeft">): unknown {
  const row = rowOf(context, "hub", command.hub, "hub");
  context.rows.remove("hub", row.id);
  context.audit("hub.left", row.id);
  context.emit("hub.changed", row.id, { id: row.id, deleted: true });
  return { hub: row.id };
}

/** Says nothing where nothing changed: a hub tells its facts at every start. */
function keepHub(context: Context, id: string, facts: HubFacts): unknown {
  const { rows, nowMs } = context;
  const before = rows.get("hub", id);
  const { peerAddress, peerKey, agentAddress, agentKey, httpAddress, version, bootId } = facts;
  const { format } = facts;
  const after: HubRow = {
    id,
    peerAddress,
    peerKey,
    agentAddress,
    agentKey,
    httpAddress,
    version,
    bootId,
    ...(format === undefined ? {} : { format }),
    joinedAtMs: before?.joinedAtMs ?? nowMs,
    changedAtMs: nowMs,
  };
  if (before !== undefined && isSame(before, after)) return { hub: id };
  rows.put("hub", id, after);
  context.audit(before === undefined ? "hub.joined" : "hub.changed", id, { version, bootId });
  context.emit("hub.changed", id, after);
  return { hub: id };
}

const isSame = (before: HubRow, after: HubRow): boolean =>
  JSON.stringify({ ...before, changedAtMs: 0 }) === JSON.stringify({ ...after, changedAtMs: 0 });

const FACTS: readonly (keyof HubFacts)[] = [
  "peerAddress",
  "peerKey",
  "agentAddress",
  "agentKey",
  "httpAddress",
  "version",
  "bootId",
  "format",
];

const given = (facts: Partial<HubFacts>): Partial<HubFacts> =>
  Object.fromEntries(
    FACTS.flatMap((name) => (facts[name] === undefined ? [] : [[name, facts[name]]])),
  );
