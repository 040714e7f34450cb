// A wish in words becomes a patch. Common wishes need no model (workflow/patches/sentences); the others
// are asked of one, whose answer is bound to a form and judged like anybody's.
//
// PP1. An answer that is no patch, or one that is refused, is asked for again with its faults named,
//      TRIES_MAX times in all; then it is refused for good.
// PP2. What is ambiguous is asked back, by the grammar and by the model alike.
// PP3. Nothing is applied here: who asked decides what becomes of it.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Generate } from "@gantry/shared/contract/link.ts";
import type { Graph } from "@gantry/shared/contract/workflow.ts";
import type { NodeState } from "../workflow/engine-types.ts";
import { isArray, isObject, type Json } from "../workflow/json-value.ts";
import { type PatchFault, patchFault, patchRefused } from "../workflow/patches/patch-fault.ts";
import { readSentence } from "../workflow/patches/sentences/sentences.ts";
import type { Models } from "./models.ts";
import { PROPOSAL_FORM, PROPOSAL_RULES } from "./proposal-prompt.ts";

/** The first answer, and two more. */
export const TRIES_MAX = 3;
const CHOICES_MAX = 20;
const TEXT_CHARS = 500;

export interface Wish {
  readonly sentence: string;
  readonly graph: Graph;
  readonly stateOf: (id: string) => NodeState | undefined;
  /** What machines offer now. */
  readonly capabilities: readonly string[];
  /** What is wrong with these operations; none: they would be taken, or would wait for a person. */
  readonly judge: (operations: unknown) => readonly PatchFault[];
}

export type Proposal =
  | {
      readonly kind: "patch";
      readonly by: "grammar" | "model";
      readonly operations: readonly unknown[];
      readonly tries: number;
    }
  | { readonly kind: "question"; readonly question: string; readonly choices: readonly string[] };

/** Throws sentence_unclear, what a patch is refused with, and what a model throws. */
export async function proposePatch(
  models: Pick<Models, "generate" | "offers">,
  wish: Wish,
  signal: AbortSignal,
): Promise<Proposal> {
  const read = readSentence(wish, wish.sentence);
  if (read.kind === "question") return read; // PP2
  if (read.kind === "patch") {
    const { operations } = read;
    const faults = wish.judge(operations);
    if (faults.length > 0) throw patchRefused(faults, "patch_conflict");
    return { kind: "patch", by: "grammar", operations, tries: 0 };
  }
  if (models.offers().length === 0)
    throw new GantryError(
      "sentence_unclear",
      "The sentence has none of the forms that are understood without a model, and there is no model",
      { details: { forms: FORMS } },
    );
  return askModel(models, wish, signal);
}

/** For people: what is understood without a model. */
const FORMS = [
  "add WHAT at the end | before NODE | after NODE | between NODE and NODE",
  "remove NODE",
  "skip NODE",
  "retry NODE N times",
  "change FIELD of NODE to VALUE",
  "connect NODE to NODE",
  "disconnect NODE from NODE",
];

/** PP1. */
async function askModel(
  models: Pick<Models, "generate">,
  wish: Wish,
  signal: AbortSignal,
): Promise<Proposal> {
  const messages: Generate["messages"] = [
    { role: "system", content: PROPOSAL_RULES },
    { role: "user", content: question(wish) },
  ];
  let faults: readonly PatchFault[] = [];
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const { generated } = await models.generate(
      undefined,
      {
        messages,
        maxTokens: LIMIT.answerTokens.max,
        temperature: 0,
        jsonSchema: PROPOSAL_FORM,
      },
      () => {},
      signal,
    );
    const read = readAnswer(generated.text);
    if (read.kind === "question") return read; // PP2
    faults = read.kind === "faults" ? read.faults : wish.judge(read.operations);
    if (faults.length === 0 && read.kind === "patch")
      return { kind: "patch", by: "model", operations: read.operations, tries };
    messages.push(
      { role: "assistant", content: generated.text.slice(0, LIMIT.promptChars.max) },
      { role: "user", content: complaint(faults) },
    );
  }
  throw new GantryError(
    "sentence_unclear",
    `The model's ${TRIES_MAX} answers were no patch that fits: ${faults[0]?.message ?? "none"}`,
    { details: { tries: TRIES_MAX, faults: faults.slice(0, LIMIT.workflowFaults.max) } },
  );
}

/** Throws too_large. */
function question({ sentence, graph, stateOf, capabilities }: Wish): string {
  const states = Object.keys(graph.nodes).map((id) => [id, stateOf(id) ?? "pending"]);
  const text = [
    `The graph: ${JSON.stringify(graph)}`,
    `States of its nodes: ${JSON.stringify(Object.fromEntries(states))}`,
    `Capabilities of the machines: ${JSON.stringify(capabilities)}`,
    `The wish: ${JSON.stringify(sentence)}`,
  ].join("\n");
  const { max } = LIMIT.proposalChars;
  if (text.length > max)
    throw new GantryError("too_large", `The graph is too large for a model; use operations`, {
      details: { limit: "proposalChars", max },
    });
  return text;
}

const complaint = (faults: readonly PatchFault[]): string =>
  [
    "This cannot be applied:",
    ...faults
      .slice(0, 10)
      .map(({ code, pointer, message, hint }) => `- ${code} at "${pointer}": ${message}. ${hint}`),
    "Answer again with the whole, corrected patch.",
  ].join("\n");

type Answer =
  | { readonly kind: "patch"; readonly operations: readonly Json[] }
  | Extract<Proposal, { kind: "question" }>
  | { readonly kind: "faults"; readonly faults: readonly PatchFault[] };

const bad = (message: string): Answer => ({
  kind: "faults",
  faults: [patchFault("bad_draft", "", message)],
});

/** Anything may come: an engine without grammars gives what the model says. */
export function readAnswer(text: string): Answer {
  let given: Json;
  try {
    given = JSON.parse(text) as Json;
  } catch {
    return bad("The answer is not JSON");
  }
  if (!isObject(given)) return bad("The answer is not an object");
  const { kind, operations, question: asked, choices } = given;
  if (kind === "question" && typeof asked === "string" && asked.trim() !== "") {
    const texts = isArray(choices ?? null) ? (choices as readonly Json[]) : []; // just looked at
    return {
      kind: "question",
      question: asked.slice(0, TEXT_CHARS),
      choices: texts
        .filter((each) => typeof each === "string")
        .slice(0, CHOICES_MAX)
        .map((each) => each.slice(0, TEXT_CHARS)),
    };
  }
  if (operations === undefined || !isArray(operations))
    return bad("The answer has neither operations nor a question");
  return { kind: "patch", operations };
}
