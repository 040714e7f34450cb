// The words that work always: in every state, without a hub, without a model.
//
// SW1. The whole of what was heard must be one of them. "do not stop", "stop talking about it" and
//      "when does it stop" are none: no list of negations has to be complete for that.
// SW2. Silence is cheap and a halt is not: "stop" and "cancel" end what we say and do here, and only
//      the words of HALT go to the machines.

import { plainWords } from "./plain.ts";

const HALT: ReadonlySet<string> = new Set([
  "emergency stop",
  "emergency",
  "e stop",
  "stop everything",
  "stop all printers",
  "stop the printer",
  "stop the printers",
  "stop now",
]);
const QUIET: ReadonlySet<string> = new Set([
  "stop",
  "stop it",
  "stop stop",
  "stop stop stop",
  "stop talking",
  "be quiet",
  "quiet",
  "silence",
  "enough",
  "shut up",
]);
const CANCEL: ReadonlySet<string> = new Set(["cancel", "cancel that", "never mind", "forget it"]);

export type LocalOrder = "halt" | "quiet" | "cancel";

/** Every phrase of them: what the grammar of the stop ear is made of. */
export const LOCAL_PHRASES: readonly string[] = [...HALT, ...QUIET, ...CANCEL];

/** Undefined: nothing for us alone; SW1. */
export function localOrderOf(heard: string): LocalOrder | undefined {
  const words = plainWords(heard)
    .replace(/^(?:please|hey|ok|okay|gantry)(?: gantry)? /u, "")
    .replace(/ please$/u, "");
  if (HALT.has(words)) return "halt";
  if (QUIET.has(words)) return "quiet";
  return CANCEL.has(words) ? "cancel" : undefined;
}
