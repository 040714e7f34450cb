// One question with what a model would be given for it, and with whether anything was said yet.

import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import type { RouteStep } from "@gantry/shared/contract/route.ts";
import type { Models } from "../hands/models.ts";
import type { Hub } from "../hub.ts";
import { type ModelQuestion, modelQuestion } from "./model-answer.ts";
import type { Plan } from "./plan.ts";
import type { Turn } from "./tiers.ts";

export interface Recalled {
  /** Put in front of the conversation; none: nothing was found. */
  readonly messages: readonly CompletionMessage[];
  /** Told with the answer: what was recalled, by id. */
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
}

export type Recall = (plan: Plan, signal: AbortSignal) => Promise<Recalled | undefined>;

export function makeTurn(hub: Hub, models: Models, plan: Plan, recall: Recall | undefined): Turn {
  const asked = modelQuestion(hub, models, plan);
  let hasSaid = false;
  let notes: RouteStep[] = [];
  let enriching: Promise<ModelQuestion> | undefined;

  async function enrich(signal: AbortSignal): Promise<ModelQuestion> {
    const recalled = await recall?.(plan, signal);
    if (recalled === undefined || recalled.messages.length === 0) return asked;
    const messages = [...recalled.messages, ...asked.request.messages];
    // What was recalled is one person's: the answer must not be found under the shared key.
    return { ...asked, request: { ...asked.request, messages }, key: undefined, recalled };
  }

  return {
    plan,
    asked,
    enriched: (signal) => (enriching ??= enrich(signal)),
    say(text) {
      if (text === "") return;
      hasSaid = true;
      plan.onText(text);
    },
    get hasSaid() {
      return hasSaid;
    },
    note: (step) => void notes.push(step),
    takeNotes() {
      const taken = notes;
      notes = [];
      return taken;
    },
  };
}
