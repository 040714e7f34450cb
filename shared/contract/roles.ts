// Who may do what. Roles are ranks: a higher one may do all that a lower one may.

/** `wall` is for screens that anybody can see: it may read what the wall shows and nothing else. */
export const ROLES = ["wall", "viewer", "operator", "maker", "safety", "admin"] as const;
/** Those that people act with. */
export const PERSON_ROLES = [
  "viewer",
  "operator",
  "maker",
  "safety",
  "admin",
] as const satisfies readonly (typeof ROLES)[number][];
export type Role = (typeof ROLES)[number];

/** `public` needs no token at all. */
export type Access = Role | "public";

export const mayAct = (role: Role, needed: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(needed);

export const HAZARD_CLASSES = ["none", "low", "medium", "high"] as const;
export type HazardClass = (typeof HAZARD_CLASSES)[number];

/**
 * The hazard policy: what must happen before an act of this class. A class that `confirms` waits for
 * the exact phrase or the button of a person whose role is at least `role`.
 */
export const HAZARD_POLICY: Readonly<
  Record<HazardClass, { readonly confirms: boolean; readonly role: Role }>
> = {
  none: { confirms: false, role: "viewer" },
  low: { confirms: false, role: "operator" },
  medium: { confirms: true, role: "maker" },
  high: { confirms: true, role: "safety" },
};

/** Who is asking, as the door found out. `person` is the name that audit rows carry. */
export interface Actor {
  readonly person: string;
  readonly role: Role;
  readonly token: string;
}
