// What goes wrong inside the engine, in the words of a run.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import { CelFault } from "./cel/fault.ts";
import type { Fault } from "./engine-types.ts";
import { type Json, measure } from "./json-value.ts";

/** Of an expression or a function; anything else is a bug and goes on its way. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof CelFault)) throw error;
  return { code: error.code, message: error.message };
}

const DEPTH_MAX = 60; // canonical JSON refuses more than 64, and a value is put into others

/** What the engine itself computes stays in the run, so it may not be of any size. */
export function weightFault(output: Json): Fault | undefined {
  if (typeof output !== "object" && typeof output !== "string") return undefined;
  const size = measure(output, DEPTH_MAX);
  if (size === "too_deep") return { code: "output_too_deep", message: `Over ${DEPTH_MAX} deep` };
  if (size === "not_json") return { code: "output_not_json", message: "It is not JSON" };
  if (size.weight <= LIMIT.runValueWeight.max) return undefined;
  const message = `It weighs ${size.weight}, over ${LIMIT.runValueWeight.max}`;
  return { code: "output_too_large", message };
}
