// The built-in intents: a small grammar over plain sentences, answered without any model. It is
// strict: a sentence that is not wholly understood is left to the model, because half an order
// ("do not print ...", "when will you cancel ...") must not become an act.

import { readPartWords } from "@gantry/shared/cad/words.ts";

export type Intent =
  | { readonly type: "help" }
  | { readonly type: "status" }
  | { readonly type: "devices" }
  | { readonly type: "jobs" }
  | { readonly type: "print"; readonly file: string; readonly printer?: string }
  | {
      readonly type: "wish";
      readonly wish: "pause" | "resume" | "cancel";
      /** A job's id or name; absent: the one job it can mean. */
      readonly target?: string;
      readonly printer?: string;
    }
  | { readonly type: "bedCleared"; readonly printer?: string }
  | { readonly type: "parts" }
  /** The whole sentence: which part it is, is read again where it is made. */
  | { readonly type: "make"; readonly prompt: string }
  | { readonly type: "stop"; readonly printer?: string };

interface Rule {
  readonly pattern: RegExp;
  readonly make: (groups: Readonly<Record<string, string | undefined>>) => Intent;
}

// Fillers that people put around an order and that change nothing of it.
const POLITE = /^(?:please|hey gantry|ok gantry|gantry|could you|can you|would you)[,:]?\s+/iu;
const THANKS = /[,\s]+(?:please|now|thanks|thank you)$/iu;
const NAME = String.raw`(?<printer>[\p{L}\p{N}][\p{L}\p{N}_-]*)`;
const ON_PRINTER = String.raw`(?:\s+(?:on|with|using|at)\s+(?:the\s+)?(?:printer\s+)?${NAME})`;

const rule = (source: string, make: Rule["make"]): Rule => ({
  pattern: new RegExp(`^${source}$`, "iu"),
  make,
});
const withPrinter = <T extends Intent>(intent: T, printer: string | undefined): T =>
  printer === undefined ? intent : { ...intent, printer };

const RULES: readonly Rule[] = [
  rule(
    String.raw`(?:list|show)?\s*(?:me\s+)?(?:the\s+|all\s+)*parts|what (?:parts )?can (?:you|i) make`,
    () => ({ type: "parts" }),
  ),
  rule(String.raw`help|what can you do|commands`, () => ({ type: "help" })),
  rule(
    String.raw`(?:show\s+)?(?:the\s+)?(?:system\s+)?status|how are (?:you|things)|what is going on|what's going on`,
    () => ({
      type: "status",
    }),
  ),
  rule(
    String.raw`(?:list|show|which|what)?\s*(?:are\s+)?(?:my\s+|the\s+|all\s+)*(?:devices|printers|machines)(?:\s+(?:are there|do you have|are online))?`,
    () => ({ type: "devices" }),
  ),
  rule(
    String.raw`(?:list|show|what is in|what's in|what is|what's)?\s*(?:my\s+|the\s+|all\s+)*(?:print\s+)?(?:jobs|queue|prints|printing)(?:\s+now)?`,
    () => ({ type: "jobs" }),
  ),
  rule(
    String.raw`(?:emergency\s+stop|e-?stop|stop\s+(?:everything|all(?:\s+printers)?|now)|stop)(?:\s+(?:on\s+)?(?:the\s+)?printer\s+${NAME})?`,
    ({ printer }) => withPrinter({ type: "stop" }, printer),
  ),
  rule(
    String.raw`(?:the\s+)?(?:bed|plate)(?:\s+of\s+(?:printer\s+)?${NAME})?\s+(?:is\s+)?(?:cleared|clear|empty)`,
    ({ printer }) => withPrinter({ type: "bedCleared" }, printer),
  ),
  rule(String.raw`(?:bed|plate)\s+cleared${ON_PRINTER}?`, ({ printer }) =>
    withPrinter({ type: "bedCleared" }, printer),
  ),
  rule(
    String.raw`(?:i\s+(?:have\s+)?)?(?:cleared|emptied)\s+(?:the\s+)?(?:bed|plate)${ON_PRINTER}?`,
    ({ printer }) => withPrinter({ type: "bedCleared" }, printer),
  ),
  rule(
    String.raw`print\s+(?:the\s+)?(?:file\s+)?(?:"(?<quoted>[^"]{1,120})"|(?<file>[\p{L}\p{N}][\p{L}\p{N} ._()+-]{0,119}?))${ON_PRINTER}?`,
    ({ quoted, file, printer }) =>
      withPrinter({ type: "print", file: (quoted ?? file ?? "").trim() }, printer),
  ),
  rule(
    String.raw`(?<wish>pause|resume|continue|cancel|abort)(?:\s+(?:the\s+)?(?:print|job|printing))?(?:\s+(?<target>prt_[0-9a-z]{26}))?${ON_PRINTER}?`,
    ({ wish, target, printer }) => {
      const wanted = wish?.toLowerCase();
      const intent = {
        type: "wish" as const,
        wish:
          wanted === "continue"
            ? ("resume" as const)
            : wanted === "abort"
              ? ("cancel" as const)
              : (wanted as "pause" | "resume" | "cancel"), // the pattern has no other
      };
      return withPrinter(
        target === undefined ? intent : { ...intent, target: target.toLowerCase() },
        printer,
      );
    },
  ),
];

const MAKE = /^(?:make|create|generate|design|build|model|draw)\s/iu;

/** Undefined: not one of ours; ask the model. */
export function parseIntent(input: string): Intent | undefined {
  let text = input
    .trim()
    .replaceAll(/\s+/gu, " ")
    .replace(/[.!?]+$/u, "");
  for (let peeled = text.replace(POLITE, ""); peeled !== text; peeled = text.replace(POLITE, "")) {
    text = peeled;
  }
  text = text.replace(THANKS, "").trim();
  for (const { pattern, make } of RULES) {
    const match = pattern.exec(text);
    if (match !== null) return make(match.groups ?? {});
  }
  // Only an order: "box" alone is a question to somebody else.
  return MAKE.test(text) && readPartWords(text) !== undefined
    ? { type: "make", prompt: text }
    : undefined;
}

export const HELP = `I can do these without a model:
- **status**: machines, printers and what needs you
- **devices**: the printers and what they do
- **jobs**: print jobs and the queue
- **print FILE on PRINTER**: a file you uploaded before, or one in the hub's gcode folder
- **pause**, **resume**, **cancel** (with the job's id, or "on PRINTER")
- **bed cleared on PRINTER**: lets the next job start
- **make a box 40x30x20 with lid**, or another part: "parts" lists them
- **stop**: emergency stop of all printers
Anything else goes to the local model. "@provider:" and "#model:" in front choose one.`;
