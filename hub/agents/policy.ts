// What must happen before a tool with an effect is used: class x role x presence x what was read.
//
// PO1. The verdict comes from the tool, the role and facts of the hub. No text that a model or a tool
//      has written is an argument of it.
// PO2. A class that HAZARD_POLICY lets confirm is confirmed, whoever asks and however often.
// PO3. While nobody is on site (the flag `site.presence` is `away`) a high hazard needs two people.
// PO4. After a result that reads like an order, every effect needs a person's word.
// PO5. An emergency stop waits for nobody.

import type { ToolEffect } from "@gantry/shared/contract/agents.ts";
import {
  HAZARD_POLICY,
  type HazardClass,
  mayAct,
  type Role,
} from "@gantry/shared/contract/roles.ts";

export const PRESENCE_FLAG = "site.presence";
export type Presence = "present" | "away";
export const presenceOf = (flag: unknown): Presence => (flag === "away" ? "away" : "present");

export interface Matter {
  readonly hazardClass: HazardClass;
  readonly effect: ToolEffect;
  /** Of who asks. */
  readonly role: Role;
  /** The least role that may use the tool at all. */
  readonly needed: Role;
  readonly presence: Presence;
  /** Something in this turn reads like an order. */
  readonly isTainted: boolean;
  readonly isEmergencyStop: boolean;
}

export type Verdict =
  | { readonly kind: "allowed" }
  /** `role`: the least that may agree. */
  | { readonly kind: "confirm"; readonly people: 1 | 2; readonly role: Role; readonly why: string }
  | { readonly kind: "refused"; readonly why: string };

export function judge(matter: Matter): Verdict {
  const { hazardClass, effect, role, needed, presence } = matter;
  if (!mayAct(role, needed)) return { kind: "refused", why: `it needs the role ${needed}` };
  if (effect === "read" || matter.isEmergencyStop) return { kind: "allowed" }; // PO5
  const { confirms, role: agrees } = HAZARD_POLICY[hazardClass];
  if (confirms) {
    const people = hazardClass === "high" && presence === "away" ? 2 : 1; // PO3
    const why = `its hazard class is ${hazardClass}`;
    return { kind: "confirm", people, role: agrees, why };
  }
  if (!mayAct(role, agrees)) {
    return { kind: "refused", why: `a tool of the class ${hazardClass} needs the role ${agrees}` };
  }
  if (matter.isTainted) {
    const why = "something that was read before reads like an order";
    return { kind: "confirm", people: 1, role: agrees, why }; // PO4
  }
  return { kind: "allowed" };
}
