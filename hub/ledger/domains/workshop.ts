// What people said about devices that were found, and the last looks at all printers.
//
// WD1. A word about something that was found is the last one; `forgotten` lets it wait again.
// WD2. Of looks at the fleet, LIMIT.fleetChecks are kept: the oldest gives its place.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import type { Context } from "../context.ts";

export function foundDecided(context: Context, command: CommandOf<"foundDecided">): unknown {
  const { key, node, decision, printer, actor, atMs } = command;
  if (decision === "forgotten") context.rows.remove("found", key);
  else {
    const became = printer === undefined ? {} : { printer };
    context.rows.put("found", key, { key, node, decision, by: actor, atMs, ...became }); // WD1
  }
  context.audit(`found.${decision}`, key, { node, printer: printer ?? null });
  context.emit("farm.changed", key, { kind: "found", key, decision });
  return { key, decision };
}

export function fleetChecked(context: Context, command: CommandOf<"fleetChecked">): unknown {
  const { isScheduled, printers, actor, atMs } = command;
  const made = context.rows.get("count", "fleetChecks") ?? 0;
  const id = String(made % LIMIT.fleetChecks.max); // WD2
  context.rows.put("fleetCheck", id, { atMs, by: actor, isScheduled, printers });
  context.rows.put("count", "fleetChecks", made + 1);
  const bad = printers.filter(({ state }) => state === "offline" || state === "attention");
  context.audit("fleet.checked", id, { printers: printers.length, attention: bad.length });
  context.emit("farm.changed", id, { kind: "health", printers: printers.length, bad: bad.length });
  return { at: atMs };
}
