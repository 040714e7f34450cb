// A read CEL text turned into closures.

import type { Json } from "../json-value.ts";

/** What is left to spend: one for each step, and more for what makes long values. */
export interface Fuel {
  left: number;
}

/** Gives the value of a name, undefined if there is none. */
export type Lookup = (name: string) => Json | undefined;

export interface Expression {
  readonly source: string;
  /** Throws CelFault. */
  readonly evaluate: (lookup: Lookup, fuel: Fuel) => Json;
}
