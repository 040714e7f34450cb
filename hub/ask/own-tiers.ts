// The tiers that need nothing but the ledger and the house's own machines: rules, the exact cache and
// local models.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { TierStep } from "@gantry/shared/contract/route.ts";
import { type Intent, parseIntent } from "../asking/intents.ts";
import type { Asker, Models } from "../hands/models.ts";
import { answerFromCache, askModel, type CacheCounts } from "./model-answer.ts";
import type { Plan } from "./plan.ts";
import { answerIntent, type RuleParts } from "./rules.ts";
import { isBoundToModel } from "./plan.ts";
import { type AnswerTier, type Outcome, passed, taken, type Turn } from "./tiers.ts";

const TALK: ReadonlySet<Intent["type"]> = new Set(["help", "status", "devices", "jobs", "parts"]);

export interface OwnTierParts extends RuleParts {
  readonly models: Models;
  readonly cache: CacheCounts;
}

export function makeOwnTiers(parts: OwnTierParts): Partial<Record<TierStep, AnswerTier>> {
  const { hub, models, cache } = parts;

  async function byRule({ plan, say }: Turn, signal: AbortSignal): Promise<Outcome> {
    const { question, prefixed, stopping, mayAct } = plan;
    if (question.model !== undefined || question.provider !== undefined)
      return passed("a model was asked for by name");
    if (isBoundToModel(plan.sampling)) return passed("only a model can answer in this form");
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
    if (asked.key === undefined) return passed("a repeat may differ (temperature)");
    const hit = answerFromCache(hub, asked.key, cache);
    if (hit === undefined) return passed("the same question was not answered lately");
    say(hit.text);
    return taken(hit);
  }

  async function byModel(turn: Turn, signal: AbortSignal): Promise<Outcome> {
    assertLocal(turn.plan.question.provider);
    const asked = await turn.enriched(signal);
    return taken(await askModel(hub, models, asked, turn.say, signal, askerOf(turn.plan)));
  }

  return {
    rule: { tier: "rule", answer: byRule, isFinal: true },
    exactCache: { tier: "exactCache", answer: byCache },
    loaded: { tier: "loaded", answer: byModel },
  };
}

/** Whose turn at a model it is. */
export function askerOf({ question, urgency, onPlace }: Plan): Asker {
  return {
    person: question.person,
    ...(urgency === undefined ? {} : { urgency }),
    ...(onPlace === undefined ? {} : { onPlace }),
  };
}

function assertLocal(provider: string | undefined): void {
  if (provider === undefined || provider === "local") return;
  const variable = `GANTRY_${provider.toUpperCase().replaceAll(/[^A-Z0-9]/gu, "_")}_API_KEY`;
  throw new GantryError(
    "provider_off",
    `The provider ${provider} is not configured (${variable}); local models are`,
  );
}
