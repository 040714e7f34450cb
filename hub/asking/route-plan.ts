// Which models may answer a question, in which order, what each is expected to take and to cost, and
// why the others may not. Pure: what machines, providers and budgets are like comes in as facts.
//
// RP1. Machines of the house first, the quickest first: one that has the model loaded, then others that
//      have, then those that must load it. A cloud provider comes last, the cheapest first.
// RP2. What is `local-only` has no provider in its plan, whoever was asked for by name.
// RP3. A provider whose worst case does not fit in every budget, or whose breaker is open, is left out.
// RP4. A picture goes only to what can see; a prompt only to what can hold it and its answer.
// RP5. Nothing is expected of a machine of which nothing was measured: it counts as the mean of the
//      measured ones, and its time is not told.

import type { DataClass, RouteStep } from "@gantry/shared/contract/route.ts";

export interface RouteQuestion {
  readonly model?: string | undefined;
  /** `local`, or a provider by its name. */
  readonly provider?: string | undefined;
  readonly dataClass: DataClass;
  /** At most; bytes of the text are an upper bound. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly images: number;
  /** From now until the answer should be there. */
  readonly deadlineMs?: number | undefined;
}

export interface LocalFact {
  readonly node: string;
  readonly nodeName: string;
  readonly model: string;
  readonly contextTokens: number;
  readonly slots: number;
  readonly isReady: boolean;
  readonly isLoaded: boolean;
  /** Questions before this one, running ones included. */
  readonly waiting: number;
  readonly tokensPerS?: number | undefined;
  readonly prefillTokensPerS?: number | undefined;
  /** Share of the prompt that this machine has read before, 0 to 1. */
  readonly prefixHit: number;
  readonly loadMs?: number | undefined;
  readonly seesImages: boolean;
}

export interface ProviderFact {
  readonly provider: string;
  readonly model: string;
  readonly contextTokens: number;
  readonly answerTokensMax: number;
  readonly seesImages: boolean;
  readonly worstMicroUsd: number;
  /** Its breaker lets a call through. */
  readonly isUp: boolean;
  readonly hasKey: boolean;
}

export interface RouteFacts {
  readonly locals: readonly LocalFact[];
  readonly providers: readonly ProviderFact[];
  /** Left in the narrowest budget; undefined where the appliance has none. */
  readonly leftMicroUsd: number | undefined;
}

export interface LocalPlace {
  readonly tier: "loaded" | "otherAgent" | "mustLoad";
  readonly node: string;
  readonly nodeName: string;
  readonly model: string;
  readonly reason: string;
  readonly expectedMs?: number;
}

export interface CloudPlace {
  readonly tier: "cloud";
  readonly provider: string;
  readonly model: string;
  readonly reason: string;
  readonly worstMicroUsd: number;
}

export interface RoutePlan {
  /** In the order in which they are tried. */
  readonly places: readonly (LocalPlace | CloudPlace)[];
  readonly ruledOut: readonly RouteStep[];
}

export function planRoute(question: RouteQuestion, facts: RouteFacts): RoutePlan {
  const ruledOut: RouteStep[] = [];
  const locals = localPlaces(question, facts.locals, ruledOut);
  const clouds = cloudPlaces(question, facts, ruledOut);
  return { places: [...locals, ...clouds], ruledOut };
}

// ── machines of the house ───────────────────────────────────────────────────────────────────────

function localPlaces(
  question: RouteQuestion,
  locals: readonly LocalFact[],
  ruledOut: RouteStep[],
): readonly LocalPlace[] {
  const fitting: LocalFact[] = [];
  for (const local of locals) {
    const why = whyNotLocal(question, local);
    if (why === undefined) fitting.push(local);
    else ruledOut.push(out(local.isLoaded ? "otherAgent" : "mustLoad", targetOf(local), why));
  }
  const rates = {
    decode: mean(fitting, "tokensPerS"),
    prefill: mean(fitting, "prefillTokensPerS"),
  };
  const timed = fitting.map((local) => ({ local, ...timeOf(question, local, rates) }));
  const ordered = timed.toSorted(
    (a, b) =>
      Number(b.local.isLoaded) - Number(a.local.isLoaded) || // RP1
      Number(b.local.isReady) - Number(a.local.isReady) ||
      a.ms - b.ms ||
      a.local.waiting / a.local.slots - b.local.waiting / b.local.slots ||
      (targetOf(a.local) < targetOf(b.local) ? -1 : 1),
  );
  const late = ordered.filter(
    ({ ms, isKnown }) => isKnown && ms > (question.deadlineMs ?? Infinity),
  );
  const inTime = ordered.filter((one) => !late.includes(one));
  // Too late is better than not at all: what misses the deadline is tried after what keeps it.
  return [...inTime, ...late].map(({ local, ms, isKnown }, index) => ({
    tier: !local.isLoaded ? "mustLoad" : index === 0 ? "loaded" : "otherAgent",
    node: local.node,
    nodeName: local.nodeName,
    model: local.model,
    reason: localReason(local, index === 0),
    ...(isKnown ? { expectedMs: Math.round(ms) } : {}),
  }));
}

function whyNotLocal(question: RouteQuestion, local: LocalFact): string | undefined {
  const { provider, model, images, promptTokens } = question;
  if (provider !== undefined && provider !== "local") return `${provider} was asked for`;
  if (model !== undefined && model !== local.model) return `${model} was asked for`;
  if (images > 0 && !local.seesImages) return "it cannot see pictures"; // RP4
  // An upper bound in bytes must not keep a prompt from a machine that would count and tell exactly.
  if (promptTokens / BYTES_PER_TOKEN_MAX > local.contextTokens)
    return `the prompt is longer than its ${local.contextTokens} tokens`;
  return undefined;
}

/** Of ordinary text: what is over this many bytes for each token of a context surely does not fit. */
const BYTES_PER_TOKEN_MAX = 8;

interface Rates {
  readonly decode: number | undefined;
  readonly prefill: number | undefined;
}

/** RP5. */
function timeOf(
  { promptTokens, maxTokens }: RouteQuestion,
  local: LocalFact,
  rates: Rates,
): { readonly ms: number; readonly isKnown: boolean } {
  const decode = local.tokensPerS ?? rates.decode;
  if (decode === undefined) return { ms: 0, isKnown: false };
  const prefill = local.prefillTokensPerS ?? rates.prefill;
  const decodeMs = (maxTokens / decode) * 1_000;
  const prefillMs = prefill === undefined ? 0 : (promptTokens / prefill) * 1_000;
  const waitMs = (local.waiting / local.slots) * (decodeMs + prefillMs);
  const loadMs = local.isLoaded ? 0 : (local.loadMs ?? 0);
  const ms = loadMs + waitMs + prefillMs * (1 - local.prefixHit) + decodeMs;
  return { ms, isKnown: local.tokensPerS !== undefined };
}

function mean(
  facts: readonly LocalFact[],
  member: "tokensPerS" | "prefillTokensPerS",
): number | undefined {
  const known = facts.flatMap((fact) => fact[member] ?? []);
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length;
}

function localReason(local: LocalFact, isFirst: boolean): string {
  const parts = [
    local.isLoaded ? "the model is loaded" : "the model must be loaded first",
    ...(local.waiting > 0 ? [`${local.waiting} before it`] : []),
    ...(local.prefixHit > 0 ? ["it has read this conversation before"] : []),
    ...(local.isReady ? [] : ["the machine is not linked now"]),
    ...(isFirst ? ["nothing here is quicker"] : []),
  ];
  return parts.join(", ");
}

// ── providers ───────────────────────────────────────────────────────────────────────────────────

function cloudPlaces(
  question: RouteQuestion,
  { providers, leftMicroUsd }: RouteFacts,
  ruledOut: RouteStep[],
): readonly CloudPlace[] {
  const places: CloudPlace[] = [];
  for (const fact of providers) {
    const { provider, model, worstMicroUsd } = fact;
    const why = whyNotCloud(question, fact, leftMicroUsd);
    if (why !== undefined) {
      ruledOut.push({ ...out("cloud", `${provider}/${model}`, why), worstMicroUsd });
      continue;
    }
    const reason =
      question.provider === provider || question.model === model
        ? "it was asked for by name"
        : "no machine of the house could answer";
    places.push({ tier: "cloud", provider, model, worstMicroUsd, reason });
  }
  return places.toSorted((a, b) => a.worstMicroUsd - b.worstMicroUsd); // RP1
}

function whyNotCloud(
  question: RouteQuestion,
  fact: ProviderFact,
  leftMicroUsd: number | undefined,
): string | undefined {
  const { provider, model, dataClass, promptTokens, maxTokens, images } = question;
  if (dataClass === "local-only") return "the question must not leave the house"; // RP2
  if (provider !== undefined && provider !== fact.provider) return `${provider} was asked for`;
  if (model !== undefined && model !== fact.model) return `${model} was asked for`;
  if (!fact.hasKey) return "it has no key";
  if (images > 0 && !fact.seesImages) return "it cannot see pictures"; // RP4
  if (maxTokens > fact.answerTokensMax)
    return `it answers with ${fact.answerTokensMax} tokens at most`;
  if (promptTokens / BYTES_PER_TOKEN_MAX + maxTokens > fact.contextTokens)
    return `the prompt is longer than its ${fact.contextTokens} tokens`;
  if (!fact.isUp) return "it failed too often and is left alone for now"; // RP3
  if (leftMicroUsd === undefined) return "the appliance has no budget for providers";
  if (fact.worstMicroUsd > leftMicroUsd)
    return `it may cost ${fact.worstMicroUsd} millionths of a dollar, and ${leftMicroUsd} are left`;
  return undefined;
}

const targetOf = ({ nodeName, model }: LocalFact): string => `${nodeName}/${model}`;

const out = (tier: RouteStep["tier"], target: string, reason: string): RouteStep => ({
  tier,
  outcome: "skipped",
  target,
  reason,
});
