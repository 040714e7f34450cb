// The tiers that there always are: rules, the exact cache, and models (model-tiers.ts).

import type { TierStep } from "@gantry/shared/contract/route.ts";
import { type Intent, parseIntent } from "../asking/intents.ts";
import { answerFromCache, type CacheCounts } from "./model-answer.ts";
import { makeModelTiers, type ModelTierParts } from "./model-tiers.ts";
import { answerIntent, type RuleParts } from "./rules.ts";
import { isBoundToModel } from "./plan.ts";
import { type AnswerTier, type Outcome, passed, taken, type Turn } from "./tiers.ts";

const TALK: ReadonlySet<Intent["type"]> = new Set(["help", "status", "devices", "jobs", "parts"]);

export interface OwnTierParts extends RuleParts, ModelTierParts {
  readonly cache: CacheCounts;
}

export function makeOwnTiers(parts: OwnTierParts): Partial<Record<TierStep, AnswerTier>> {
  const { hub, cache } = parts;

  async function byRule({ plan, say }: Turn, signal: AbortSignal): Promise<Outcome> {
    const { question, prefixed, stopping, mayAct } = plan;
    if (question.model !== undefined || question.provider !== undefined)
      return passed("a model was asked for by name");
    if (isBoundToModel(plan.sampling) || plan.instruction !== undefined)
      return passed("only a model can answer in this form");
    if (plan.pictures !== undefined && plan.pictures.length > 0)
      return passed("there are pictures to look at");
    const intent = parseIntent(prefixed.text);
    if (intent === undefined) return passed("the sentence is no built-in intent");
    if (!mayAct && !TALK.has(intent.type)) return passed("tools are off, and this intent acts");
    const hands = stopping === undefined ? parts : { ...parts, stop: () => stopping };
    const { text, effects } = await answerIntent(hands, intent, question, signal);
    say(text);
    const reason = `the sentence is the built-in intent ${intent.type}`;
    return taken({ text, effects, tier: "rule", model: "rules", reason });
  }

  async function byCache({ plan, asked, say }: Turn): Promise<Outcome> {
    if (plan.isFresh) return passed("a fresh answer is asked for");
    if (plan.useAgent === true) return passed("the agent loop is asked for");
    if (plan.pictures !== undefined && plan.pictures.length > 0)
      return passed("there are pictures to look at");
    if (asked.key === undefined) return passed("a repeat may differ (temperature)");
    const hit = answerFromCache(hub, asked.key, cache, plan.question.role);
    if (hit === undefined) return passed("the same question was not answered lately");
    say(hit.text);
    return taken(hit);
  }

  return {
    rule: { tier: "rule", answer: byRule, isFinal: true },
    exactCache: { tier: "exactCache", answer: byCache },
    ...makeModelTiers(parts),
  };
}
