// What patches may add, as it is now. It goes into the command, so that every hub judges by the same.

import type { PatchRules } from "@gantry/shared/contract/run-commands.ts";
import { HAZARD_POLICY } from "@gantry/shared/contract/roles.ts";
import type { Hub } from "../hub.ts";

/** `hosts`: GANTRY_EGRESS_ALLOW. Agents may add no calls and use no capabilities unasked. */
export function patchRules({ rows }: Pick<Hub, "rows">, hosts: readonly string[]): PatchRules {
  const commands = [...rows.hot("node").values()].flatMap((node) => node.capabilities.commands);
  const hazardous = commands.filter(({ hazard }) => HAZARD_POLICY[hazard].confirms);
  const names = new Set(hazardous.map(({ name }) => `command:${name}`));
  return { hosts, agentHosts: [], agentCapabilities: [], hazardous: [...names].toSorted() };
}
