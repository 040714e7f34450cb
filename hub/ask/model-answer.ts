// Answers of a model, fresh or from the exact cache.

import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import type { Generate, Generated } from "@gantry/shared/contract/link.ts";
import type { Role } from "@gantry/shared/contract/roles.ts";
import type { MessageRow, QuestionRow } from "@gantry/shared/contract/rows.ts";
import { isKeepable, keyOptions, modelOptions } from "../asking/model-options.ts";
import { buildMessages, cacheKey } from "../asking/prompt.ts";
import { plainMessages } from "../asking/tool-prompt.ts";
import type { Asker, Models } from "../hands/models.ts";
import type { Hub } from "../hub.ts";
import { messageId } from "../ledger/domains/conversation-rows.ts";
import { isUsable } from "./kept-answers.ts";
import type { Decision, Plan, Sampling } from "./plan.ts";
import type { Recalled } from "./turn.ts";

const HISTORY_TOKENS_MAX = 2_048; // more history makes the first token late, seldom the answer better

/** What the model would be given, and the key of its answer; undefined where a repeat may differ. */
export interface ModelQuestion {
  readonly wanted: string | undefined;
  readonly request: Omit<Generate, "model">;
  readonly key: string | undefined;
  readonly recalled?: Recalled;
  readonly onLogprobs?: Plan["onLogprobs"];
}

export function modelQuestion(hub: Hub, models: Models, plan: Plan): ModelQuestion {
  const { question, prefixed, sampling } = plan;
  const { maxTokens = LIMIT.answerTokens.max, temperature = 0, stop } = sampling;
  const messages =
    plan.messages === undefined
      ? instructed(
          plan,
          buildMessages(
            plan.isAlone === true ? [] : historyOf(hub, question),
            prefixed.text,
            historyTokens(models, question.model),
          ),
        )
      : plainMessages(plan.messages, sampling);
  const request = {
    ...modelOptions(sampling),
    messages: [...messages],
    // A client that brings its own history asks many things under one name.
    ...(plan.messages === undefined ? { session: question.conversation } : {}),
    maxTokens,
    temperature,
    ...(stop === undefined ? {} : { stop: [...stop] }),
  };
  const key =
    temperature > 0 || !isKeepable(sampling)
      ? undefined
      : keyOf(hub, askedOf(question), messages, maxTokens, sampling);
  const { onLogprobs } = plan;
  const told = onLogprobs === undefined ? {} : { onLogprobs };
  return { wanted: question.model, request, key, ...told };
}

/** Who was asked by name is part of the question: another one would answer otherwise. */
const askedOf = ({ provider, model }: QuestionRow): string | undefined =>
  provider === undefined ? model : `${provider}/${model ?? "auto"}`;

/** With what the model is told beside the question in front. */
export const instructed = (
  { instruction, hint }: Plan,
  messages: readonly CompletionMessage[],
): readonly CompletionMessage[] => {
  const told = [instruction, hint].filter((one) => one !== undefined).join("\n");
  return told === "" ? messages : [{ role: "system", content: told }, ...messages];
};

/** Half of the smallest context that may answer; the other half is for the answer. */
function historyTokens(models: Models, wanted: string | undefined): number {
  const contexts = models
    .offers()
    .filter(({ model }) => wanted === undefined || model.name === wanted)
    .map(({ model }) => model.contextTokens / 2);
  return Math.min(HISTORY_TOKENS_MAX, ...contexts);
}

export function historyOf(
  { rows }: Hub,
  { conversation, seq }: QuestionRow,
): readonly MessageRow[] {
  const history: MessageRow[] = [];
  const end = rows.get("conversation", conversation)?.messages ?? seq;
  for (let place = Math.max(0, seq - LIMIT.historyMessages.max); place < end; place += 1) {
    const message = rows.get("message", messageId(conversation, place));
    // After the question stand answers to earlier ones (Q6), and questions that are not its history.
    if (message !== undefined && (place < seq || message.role === "assistant"))
      history.push(message);
  }
  return history;
}

function keyOf(
  { rows }: Hub,
  model: string | undefined,
  messages: readonly CompletionMessage[],
  maxTokens: number,
  sampling: Sampling,
): string {
  return cacheKey({
    generation: rows.get("count", "cacheGeneration") ?? 0,
    model: model ?? "auto",
    messages,
    maxTokens,
    ...keyOptions(sampling),
  });
}

/** How often the cache had the answer since the hub started. */
export interface CacheCounts {
  hits: number;
  misses: number;
}

export function answerFromCache(
  hub: Hub,
  key: string,
  counts: CacheCounts,
  role: Role,
): Decision | undefined {
  const row = hub.rows.get("cache", key);
  const nowMs = hub.stampMs();
  if (row === undefined || !isUsable(hub.rows, row, role, nowMs)) {
    counts.misses += 1;
    hub.metrics.cacheLookups.inc({ result: "miss" });
    return undefined;
  }
  counts.hits += 1;
  hub.metrics.cacheLookups.inc({ result: "hit" });
  const { tier, model, confidence, metadata } = row.routing;
  const ageS = Math.round((nowMs - row.atMs) / 1_000);
  const reason = "the same question was answered before";
  return {
    text: row.text,
    tier,
    model,
    confidence,
    cached: true,
    reason,
    metadata: { ...metadata, cache: "exact", ageS, cacheKey: key },
  };
}

export const cacheUntilMs = (hub: Hub): number => hub.stampMs() + LIFE.answerCacheMs;

export async function askModel(
  hub: Hub,
  models: Models,
  { wanted, request, key, recalled, onLogprobs }: ModelQuestion,
  onText: (text: string) => void,
  signal: AbortSignal,
  asker?: Asker,
): Promise<Decision> {
  const answer = await models.generate(wanted, request, onText, signal, asker);
  const { generated, node, model, queuedMs } = answer;
  const { text, finishReason, promptTokens, completionTokens, cachedTokens } = generated;
  hub.metrics.tokens.inc({ kind: "prompt", model: model.name }, promptTokens);
  hub.metrics.tokens.inc({ kind: "completion", model: model.name }, completionTokens);
  if (generated.logprobs !== undefined) onLogprobs?.(generated.logprobs);
  const isWhole = finishReason === "stop"; // a cut-off answer is not one to repeat
  return {
    text,
    tier: "local",
    model: model.name,
    reason:
      wanted === undefined
        ? "no built-in intent; the least busy local model"
        : "the model was asked for by name",
    confidence: rounded(generated.confidence ?? 0),
    usage: { promptTokens, completionTokens, cachedTokens, costMicroUsd: 0 },
    metadata: {
      node: node.name,
      finishReason,
      ...timesOf(generated),
      ...(generated.stoppedBy === undefined ? {} : { stoppedBy: generated.stoppedBy }),
      ...(queuedMs === 0 ? {} : { queuedMs }),
      ...recalled?.metadata,
      ...(generated.confidence === undefined && { confidence: "unknown" }),
    },
    ...(key === undefined || !isWhole ? {} : { cacheKey: key }),
  };
}

function timesOf({ completionTokens, firstTokenMs, totalMs }: Generated): Record<string, number> {
  const generatingS = (totalMs - firstTokenMs) / 1_000;
  const tokensPerSecond = generatingS > 0 ? Math.round(completionTokens / generatingS) : 0;

  return { tokensPerSecond, firstTokenMs: rounded(firstTokenMs), modelMs: rounded(totalMs) };
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
