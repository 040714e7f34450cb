// The tiers that ask a model: machines of the house in the order of the plan, then providers. The plan
// (asking/route-plan.ts) is made once for each question, at the first of these tiers.
//
// MT1. What must not leave the house is in no plan of a provider: said so by its asker, by the house's
//      default, or because a restart cut the question off and nobody is there to say it again.
// MT2. To ask a provider, or a model that only a provider has, by name says that this question may
//      leave, unless its asker says otherwise.
// MT3. An answer that is less sure than its asker wants is kept, unsaid, until nobody better is left.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import type { DataClass, TierStep } from "@gantry/shared/contract/route.ts";
import type { MessageRow } from "@gantry/shared/contract/rows.ts";
import { promptTokensMax } from "../asking/price.ts";
import {
  type CloudPlace,
  type LocalFact,
  type LocalPlace,
  planRoute,
  type RoutePlan,
} from "../asking/route-plan.ts";
import { buildMessages } from "../asking/prompt.ts";
import type { Asker, Models, Offer } from "../hands/models.ts";
import type { By, Hub } from "../hub.ts";
import { budgetRoom } from "../ledger/domains/budgets.ts";
import { type Cloud, cloudTokens, type CloudQuestion } from "./cloud.ts";
import { askModel, historyOf, instructed, type ModelQuestion } from "./model-answer.ts";
import type { Decision, Plan } from "./plan.ts";
import { type AnswerTier, type Outcome, passed, taken, type Turn, unsure } from "./tiers.ts";

const CLOUD_HISTORY_TOKENS = 2_048;
const NO_PRICES = { inputUsdPerMillion: 0, outputUsdPerMillion: 0 };

export interface ModelTierParts {
  readonly hub: Hub;
  readonly models: Models;
  /** Left out: no provider is configured. */
  readonly cloud?: Cloud;
}

export function makeModelTiers(
  parts: ModelTierParts,
): Pick<Record<TierStep, AnswerTier>, "loaded" | "otherAgent" | "mustLoad" | "cloud"> {
  const { hub, models, cloud } = parts;
  const plans = new WeakMap<Turn, Routed>();

  function routeOf(turn: Turn, signal: AbortSignal): Promise<Routed> | Routed {
    const known = plans.get(turn);
    if (known !== undefined) return known;
    return turn.enriched(signal).then((asked) => {
      const routed = { asked, ...planFor(parts, turn.plan, asked), tried: new Set<string>() };
      plans.set(turn, routed);
      for (const step of routed.route.ruledOut) turn.note(step);
      return routed;
    });
  }

  function local(tier: LocalPlace["tier"]): AnswerTier {
    return {
      tier,
      async answer(turn, signal) {
        const { question } = turn.plan;
        const routed = await routeOf(turn, signal);
        const { asked, route, tried } = routed;
        const locals = route.places.filter((place) => place.tier !== "cloud");
        if (tier === "loaded" && locals.length === 0) return nobodyHere(turn, routed, signal);
        const place = locals.find((one) => one.tier === tier && !tried.has(one.model));
        if (place === undefined) return passed(whyNone(route, tier));
        tried.add(place.model);
        const wish = { ...asked, wanted: place.model };
        const say = turn.plan.confidence === undefined ? turn.say : () => {};
        const decision = await askModel(hub, models, wish, say, signal, askerOf(turn.plan));
        return judged(turn, {
          ...decision,
          reason: question.model === undefined ? place.reason : "the model was asked for by name",
          ...(place.expectedMs === undefined
            ? {}
            : { metadata: { ...decision.metadata, expectedMs: place.expectedMs } }),
        });
      },
    };
  }

  /** Where nothing here could: the fault that says so, unless a provider is left to be asked. */
  async function nobodyHere(turn: Turn, routed: Routed, signal: AbortSignal): Promise<Outcome> {
    const { question } = turn.plan;
    if (routed.route.places.length > 0 || isCloudName(question.provider))
      return passed(whyNone(routed.route, "loaded"));
    if (turn.plan.pictures !== undefined && turn.plan.pictures.length > 0)
      throw new GantryError(
        "capability_missing",
        "No model that is reachable for this question can see pictures",
      );
    const wish = { ...routed.asked, wanted: question.model };
    return taken(await askModel(hub, models, wish, turn.say, signal, askerOf(turn.plan)));
  }

  const byCloud: AnswerTier["answer"] = async (turn, signal) => {
    const { plan } = turn;
    const { provider } = plan.question;
    if (cloud === undefined) {
      if (isCloudName(provider)) throw providerOff(provider);
      return passed("no provider is configured");
    }
    if (plan.isResumed === true && isCloudName(provider))
      throw new GantryError(
        "interrupted",
        `A restart cut this question off, and it is not sent to ${provider} again by itself`,
      ); // MT1
    const { route, question } = await routeOf(turn, signal);
    const places = route.places.filter((place): place is CloudPlace => place.tier === "cloud");
    if (places.length === 0) {
      if (isCloudName(provider)) throw whyNotProvider(route, provider);
      return passed(whyNone(route, "cloud"));
    }
    let failure: unknown;
    for (const place of places) {
      try {
        return taken(await bought(turn, place, question, signal));
      } catch (error) {
        failure = error;
        if (turn.hasSaid || signal.aborted) throw error;
        turn.note(failedStep(place, error)); // CL3
      }
    }
    throw failure;
  };

  async function bought(
    turn: Turn,
    place: CloudPlace,
    question: CloudQuestion,
    signal: AbortSignal,
  ): Promise<Decision> {
    const { person, requestId } = turn.plan.question;
    const by: By = { actor: person, requestId };
    const { answer, costMicroUsd, held, redactions } = await (cloud as Cloud).buy(
      place,
      question,
      turn.say,
      by,
      signal,
    );
    const { text, finishReason, promptTokens, completionTokens, cachedTokens } = answer;
    hub.metrics.tokens.inc({ kind: "prompt", model: place.model }, promptTokens);
    hub.metrics.tokens.inc({ kind: "completion", model: place.model }, completionTokens);
    const key = turn.asked.key;
    return {
      text,
      tier: "frontier",
      model: place.model,
      reason: place.reason,
      confidence: 0,
      usage: { promptTokens, completionTokens, cachedTokens, costMicroUsd },
      metadata: {
        provider: place.provider,
        finishReason,
        confidence: "unknown",
        ...(redactions === 0 ? {} : { redactions }),
      },
      held,
      ...(key === undefined || finishReason !== "stop" ? {} : { cacheKey: key }),
    };
  }

  return {
    loaded: local("loaded"),
    otherAgent: local("otherAgent"),
    mustLoad: local("mustLoad"),
    cloud: { tier: "cloud", answer: byCloud },
  };
}

interface Routed {
  readonly asked: ModelQuestion;
  readonly route: RoutePlan;
  readonly question: CloudQuestion;
  /** Models of the house that were asked: their other machines were asked with them. */
  readonly tried: Set<string>;
}

// ── the plan ────────────────────────────────────────────────────────────────────────────────────

function planFor(
  { hub, models, cloud }: ModelTierParts,
  plan: Plan,
  asked: ModelQuestion,
): { readonly route: RoutePlan; readonly question: CloudQuestion } {
  const { question, sampling, pictures = [], workload = "interactive", deadlineMs } = plan;
  const { messages } = asked.request;
  const last = lastNode(hub, plan);
  const outward: CloudQuestion = {
    messages: plan.messages === undefined ? outwardMessages(hub, plan) : messages,
    pictures,
    sampling,
    person: question.person,
    workload,
    question: question.id,
  };
  const room = budgetRoom(hub.rows, { person: question.person, workload }, hub.stampMs());
  const route = planRoute(
    {
      model: question.model,
      provider: question.provider,
      dataClass: isNamed(models, cloud, question.model)
        ? dataClassOf(plan, "may-leave")
        : dataClassOf(plan, cloud?.defaultClass),
      promptTokens: promptTokensMax(messages, pictures.length, NO_PRICES),
      maxTokens: cloudTokens(sampling),
      images: pictures.length,
      deadlineMs,
    },
    {
      locals: models.offers().map((offer) => localFact(models, offer, last)),
      providers: sampling.tools === undefined ? (cloud?.facts(outward) ?? []) : [],
      leftMicroUsd: room.bound === undefined ? undefined : room.leftMicroUsd,
    },
  );
  return { route, question: outward };
}

/** MT2: by its model, where no machine of the house has one of that name. */
const isNamed = (models: Models, cloud: Cloud | undefined, wanted: string | undefined): boolean =>
  wanted !== undefined &&
  !models.offers().some(({ model }) => model.name === wanted) &&
  (cloud?.views() ?? []).some((one) => one.models.some(({ name }) => name === wanted));

/** MT1, MT2. */
export function dataClassOf(plan: Plan, defaultClass: DataClass = "local-only"): DataClass {
  if (plan.isResumed === true) return "local-only";
  if (plan.dataClass !== undefined) return plan.dataClass;
  return isCloudName(plan.question.provider) ? "may-leave" : defaultClass;
}

const isCloudName = (provider: string | undefined): provider is string =>
  provider !== undefined && provider !== "local";

function localFact(
  models: Models,
  { node, model, live }: Offer,
  last: string | undefined,
): LocalFact {
  const queue = models.queues().find((one) => one.model === model.name);
  return {
    node: node.id,
    nodeName: node.name,
    model: model.name,
    contextTokens: model.contextTokens,
    slots: model.slots,
    isReady: live?.isReady ?? true,
    isLoaded: live?.isLoaded ?? true,
    waiting: (queue?.running ?? 0) + (queue?.waiting ?? 0),
    tokensPerS: live?.tokensPerS ?? queue?.tokensPerS,
    prefillTokensPerS: live?.prefillTokensPerS,
    prefixHit: node.name === last ? CONVERSATION_SHARE : 0,
    loadMs: live?.loadMs,
    seesImages: live?.seesImages ?? false,
  };
}

/** What is said of a prompt whose conversation a machine has read before: its first half. */
const CONVERSATION_SHARE = 0.5;

/** The machine that gave the last answer of this conversation: it has read it already. */
function lastNode(hub: Hub, { question }: Plan): string | undefined {
  const node = historyOf(hub, question).findLast(({ routing }) => routing?.tier === "local")
    ?.routing?.metadata["node"];
  return typeof node === "string" ? node : undefined;
}

/** CL1: of the conversation only what a provider has answered, which it has seen already. */
function outwardMessages(hub: Hub, plan: Plan): readonly CompletionMessage[] {
  const history = plan.isAlone === true ? [] : historyOf(hub, plan.question);
  const shared = history.filter((message, at) => hasLeft(message) || hasLeft(history[at + 1]));
  return instructed(plan, buildMessages(shared, plan.prefixed.text, CLOUD_HISTORY_TOKENS));
}

const hasLeft = (message: MessageRow | undefined): boolean =>
  message?.role === "assistant" && message.routing?.tier === "frontier" && !message.routing.cached;

// ── answers ─────────────────────────────────────────────────────────────────────────────────────

/** MT3. */
function judged(turn: Turn, decision: Decision): Outcome {
  const { confidence: wanted } = turn.plan;
  if (wanted === undefined) return taken(decision);
  const sure = decision.metadata?.["confidence"] === "unknown" ? undefined : decision.confidence;
  if (sure !== undefined && sure >= wanted) {
    turn.say(decision.text);
    return taken(decision);
  }
  const told = sure === undefined ? "nobody knows how sure it is" : `it is ${sure} sure`;
  return unsure(decision, `${told}, and ${wanted} is wanted`);
}

function whyNone({ ruledOut }: RoutePlan, tier: TierStep): string {
  const own = ruledOut.filter((step) => (step.tier === "cloud") === (tier === "cloud"));
  const [first] = own;
  if (first === undefined)
    return tier === "cloud" ? "no provider fits" : "no machine has a model that was not asked yet";
  const more = own.length > 1 ? ` (and ${own.length - 1} more)` : "";
  return `${first.target}: ${first.reason}${more}`;
}

function failedStep({ provider, model, worstMicroUsd }: CloudPlace, error: unknown) {
  const reason = error instanceof GantryError ? `${error.code}: ${error.message}` : "internal";
  return {
    tier: "cloud" as const,
    outcome: "failed" as const,
    target: `${provider}/${model}`,
    reason: reason.slice(0, 300),
    worstMicroUsd,
  };
}

function providerOff(provider: string): GantryError {
  const variable = `GANTRY_${provider.toUpperCase().replaceAll(/[^A-Z0-9]/gu, "_")}_API_KEY`;
  return new GantryError(
    "provider_off",
    `The provider ${provider} is not configured (${variable} and GANTRY_PROVIDERS); local models are`,
  );
}

function whyNotProvider(route: RoutePlan, provider: string): GantryError {
  const own = route.ruledOut.filter(
    ({ tier, target = "" }) => tier === "cloud" && target.startsWith(`${provider}/`),
  );
  const reasons = [...new Set(own.map(({ reason }) => reason))];
  if (reasons.length === 0) return providerOff(provider);
  const told = `${provider} cannot be asked: ${reasons.join("; ")}`;
  if (reasons.some((reason) => reason.includes("must not leave")))
    return new GantryError("forbidden", told);
  if (reasons.some((reason) => /cost|budget/.test(reason)))
    return new GantryError("budget_spent", told);
  if (reasons.some((reason) => reason.includes("left alone")))
    return new GantryError("breaker_open", told);
  if (reasons.some((reason) => reason.includes("pictures")))
    return new GantryError("capability_missing", told);
  return new GantryError("provider_off", told);
}

/** Whose turn at a model it is. */
export function askerOf({ question, urgency, onPlace, pace, deadlineMs }: Plan): Asker {
  return {
    person: question.person,
    answerId: `ans_${question.id}`, // the next leader asks for it under the same name
    ...(pace === undefined ? {} : { pace }),
    ...(urgency === undefined ? {} : { urgency }),
    ...(onPlace === undefined ? {} : { onPlace }),
    ...(deadlineMs === undefined ? {} : { patienceMs: Math.min(deadlineMs, PATIENCE_MS_MAX) }),
  };
}

/** Longer than any answer takes: a greater one would be none. */
const PATIENCE_MS_MAX = 600_000;
