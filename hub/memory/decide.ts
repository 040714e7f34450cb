// What becomes of a new fact beside those that are known: nothing, a confirmation, another value of the
// same thing, or a new memory. Rules decide; likeness only says which known ones to compare with.
//
// DC1. The same said twice is one memory.
// DC2. Another value of one thing (`my name`, an amount, a negation of the same sentence) supersedes.
// DC3. Anything else stands beside what is known: two facts that merely sound alike are two facts.

import type { MemoryDraft, MemoryRow } from "@gantry/shared/contract/memory.ts";
import { differenceOf } from "../cache/guard/guard.ts";
import { readQuestion } from "../cache/guard/reading.ts";
import type { Stated } from "./extract.ts";

export type Verdict =
  | { readonly kind: "new" }
  | { readonly kind: "confirms"; readonly memory: string }
  | { readonly kind: "replaces"; readonly memory: string };

/** `known`: the person's own that are kept, those most alike first. */
export function decideFact(
  fact: Pick<Stated, "text" | "about">,
  known: readonly MemoryRow[],
): Verdict {
  const reading = readQuestion(fact.text);
  for (const row of known) {
    const difference = differenceOf(reading, readQuestion(row.text));
    if (difference === undefined) return { kind: "confirms", memory: row.id }; // DC1
    const isSameThing = fact.about !== undefined && fact.about === row.about;
    const isOtherValue = difference === "amount" || difference === "negation";
    if (isSameThing || isOtherValue) return { kind: "replaces", memory: row.id }; // DC2
  }
  return { kind: "new" }; // DC3
}

/** A draft of what a person said in a message. */
export function draftOf(
  fact: Stated,
  verdict: Verdict,
  of: { readonly memory: string; readonly message: string; readonly untilMs: number },
): MemoryDraft {
  return {
    memory: of.memory,
    kind: fact.kind,
    text: fact.text,
    ...(fact.about === undefined ? {} : { about: fact.about }),
    source: { type: "said", message: of.message, quote: fact.quote },
    state: "kept",
    ...(fact.isWanted ? {} : { expiresAtMs: of.untilMs }),
    ...(verdict.kind === "replaces" ? { replaces: verdict.memory } : {}),
    ...(verdict.kind === "confirms" ? { confirms: verdict.memory } : {}),
  };
}
