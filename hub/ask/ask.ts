// The path of a question:
//
//   on record -> pending confirmation -> exact cache -> rule -> local model -> one entry with all of it
//
// Q1. The question is in the log before anything is decided about it.
// Q2. It is closed by exactly one entry: answer, decision, cost, cache and what it sets in motion.
// Q3. A question that a crash left open is asked again at the next start, or closed as interrupted.
// Q4. The same Idempotency-Key waits for, or gets, the same answer.

import { assert } from "@gantry/shared/base/assert.ts";
import { fromErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type {
  ConfirmationRow,
  MessageRow,
  QuestionRow,
  Routing,
  Tier,
  Usage,
} from "@gantry/shared/contract/rows.ts";
import { parseIntent } from "../asking/intents.ts";
import { parsePrefix, type Prefixed } from "../asking/prefix.ts";
import { buildMessages, cacheKey } from "../asking/prompt.ts";
import { act, type By, newId } from "../hub.ts";
import type { Models } from "../hands/models.ts";
import type { PressStop } from "../hands/stop.ts";
import { messageId } from "../ledger/domains/conversation-rows.ts";
import { isPhrase, normalisePhrase } from "../ledger/confirm-phrase.ts";
import { answerIntent, type RuleParts } from "./rules.ts";

const FREE: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, costMicroUsd: 0 };
const REFUSALS = new Set(["cancel", "no", "refuse", "never mind", "do not"]);

/** What the model is asked with; absent members are the defaults of /api/query. */
export interface Sampling {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly jsonSchema?: unknown;
}

export interface Asking {
  readonly actor: Actor;
  readonly by: By;
  readonly conversation: string;
  readonly text: string;
  readonly provider?: string;
  readonly model?: string;
  readonly isFresh: boolean;
  /** False: words only talk, they start nothing. */
  readonly mayAct: boolean;
  readonly sampling: Sampling;
  /** Given by OpenAI clients, which bring their own history. */
  readonly messages?: readonly CompletionMessage[];
  readonly onText: (text: string) => void;
}

export interface Ask {
  /** Resolves with the answer's message; rejects with what the question failed with. */
  ask(asking: Asking, signal: AbortSignal): Promise<MessageRow>;
  /** Q3. */
  resume(signal: AbortSignal): Promise<void>;
  readonly cache: { readonly hits: number; readonly misses: number };
}

export interface AskParts extends RuleParts {
  readonly models: Models;
}

/** How one question is to be answered. */
interface Plan extends Omit<Asking, "by" | "actor" | "conversation" | "text"> {
  readonly question: QuestionRow;
  readonly prefixed: Prefixed;
  readonly startMs: number;
  /** The emergency stop that this question ordered, already under way. */
  readonly stopping?: ReturnType<PressStop>;
}

interface Decision {
  readonly text: string;
  readonly tier: Tier;
  readonly model: string;
  readonly reason: string;
  readonly cached?: boolean;
  readonly usage?: Usage;
  readonly metadata?: Routing["metadata"];
  readonly effects?: Awaited<ReturnType<typeof answerIntent>>["effects"];
  readonly cacheKey?: string;
}

export function makeAsk(parts: AskParts): Ask {
  const { hub, models, stop } = parts;
  const open = new Map<string, Promise<MessageRow>>(); // Q4: questions being answered here
  const cache = { hits: 0, misses: 0 };

  async function ask(asking: Asking, signal: AbortSignal): Promise<MessageRow> {
    const { actor, by, conversation, text } = asking;
    const startMs = hub.clock.monotonic();
    const prefixed = parsePrefix(text);
    const order = asking.mayAct ? parseIntent(prefixed.text) : undefined;
    // An emergency stop goes out before the disk is asked for anything: nothing may delay it.
    const stopping = order?.type === "stop" ? stop(order.printer, by, signal) : undefined;
    stopping?.catch(() => {}); // awaited by the rule, unless writing the question fails first
    const provider = asking.provider ?? prefixed.provider;
    const model = asking.model ?? prefixed.model;
    const asked = await act(
      hub,
      {
        type: "questionAsked",
        conversation,
        message: newId(hub, "msg"),
        text,
        role: actor.role,
        ...(provider === undefined ? {} : { provider }),
        ...(model === undefined ? {} : { model }),
      },
      by,
      signal,
    );
    const { question: id } = asked as { question: string }; // domains/asking.ts
    const question = hub.rows.hot("question").get(id);
    if (question === undefined || open.has(id)) return earlierAnswer(id);
    const plan = { ...asking, question, prefixed, startMs };
    return answer(stopping === undefined ? plan : { ...plan, stopping }, signal);
  }

  /** Q4. */
  async function earlierAnswer(id: string): Promise<MessageRow> {
    const running = open.get(id);
    if (running !== undefined) return running;
    const at = hub.rows.get("answer", id);
    const message = at === undefined ? undefined : hub.rows.get("message", at);
    if (message === undefined)
      throw new GantryError("interrupted", "The question was cut off; ask again");
    if (message.error !== undefined) throw fromErrorRecord(message.error);
    return message;
  }

  function answer(plan: Plan, signal: AbortSignal): Promise<MessageRow> {
    const { id } = plan.question;
    const running = answerOnce(plan, signal).finally(() => open.delete(id));
    open.set(id, running);
    running.catch(() => {}); // whoever asked hears of it; resumed questions have nobody
    return running;
  }

  async function answerOnce(plan: Plan, signal: AbortSignal): Promise<MessageRow> {
    const { question, startMs } = plan;
    const by: By = { actor: question.person, requestId: question.requestId };
    try {
      return (
        (await confirmByWord(plan, by)) ?? (await record(plan, await decide(plan, signal), by))
      );
    } catch (error) {
      const failure = toErrorRecord(error);
      if (failure.code === "internal")
        hub.log.error({ requestId: question.requestId, error: String(error) }, "a question failed");
      hub.metrics.answers.inc({ tier: "none", cached: "false", result: failure.code });
      await close(
        question,
        { type: "answerFailed", question: question.id, message: newId(hub, "msg"), error: failure },
        by,
      );
      throw error;
    } finally {
      hub.metrics.answerSeconds.observe({ tier: "any" }, (hub.clock.monotonic() - startMs) / 1_000);
    }
  }

  /** The text is the phrase of what this conversation waits for, or withdraws it; else undefined. */
  async function confirmByWord({ question }: Plan, by: By): Promise<MessageRow | undefined> {
    const pending = pendingOf(question.conversation);
    const said = question.text;
    if (pending !== undefined && isPhrase(said, pending.phrase)) {
      await close(
        question,
        {
          type: "confirmationConsumed",
          confirmation: pending.id,
          phrase: said,
          role: question.role,
          question: question.id,
          message: newId(hub, "msg"),
        },
        by,
      );
      return earlierAnswer(question.id);
    }
    if (pending !== undefined && REFUSALS.has(normalisePhrase(said))) {
      await act(hub, { type: "confirmationCancelled", confirmation: pending.id }, by, never);
      return record(
        { question, startMs: hub.clock.monotonic() },
        {
          text: `Withdrawn: ${pending.summary}.`,
          tier: "rule",
          model: "confirmation",
          reason: "the text refuses the pending confirmation",
        },
        by,
      );
    }
    if (normalisePhrase(said).startsWith("confirm ")) throw whyNotConfirmed(question, pending);
    return undefined;
  }

  const pendingOf = (conversation: string): ConfirmationRow | undefined => {
    const id = hub.rows.get("conversation", conversation)?.pending;
    return id === undefined ? undefined : hub.rows.hot("confirmation").get(id);
  };

  function whyNotConfirmed(
    question: QuestionRow,
    pending: ConfirmationRow | undefined,
  ): GantryError {
    if (pending !== undefined)
      return new GantryError("phrase_mismatch", `The phrase is: ${pending.phrase}`);
    const earlier = latestConfirmation(question);
    if (earlier?.state === "consumed")
      return new GantryError("confirmation_used", `${earlier.summary}: it was confirmed already`);
    if (earlier?.state === "expired")
      return new GantryError(
        "confirmation_expired",
        `${earlier.summary}: the time to confirm is over; ask for it again`,
      );
    return new GantryError("not_found", "Nothing in this conversation waits for a confirmation");
  }

  function latestConfirmation({ conversation, seq }: QuestionRow): ConfirmationRow | undefined {
    for (let place = seq - 1; place >= Math.max(0, seq - LIMIT.historyMessages.max); place -= 1) {
      const id = hub.rows.get("message", messageId(conversation, place))?.confirmation;
      if (id !== undefined) return hub.rows.get("confirmation", id);
    }
    return undefined;
  }

  async function decide(plan: Plan, signal: AbortSignal): Promise<Decision> {
    const { question, prefixed } = plan;
    const wanted = plan.model ?? question.model;
    const messages = plan.messages ?? buildMessages(historyOf(question), prefixed.text, 2_048);
    const maxTokens = plan.sampling.maxTokens ?? LIMIT.answerTokens.max;
    const key = cacheableKey(plan, wanted, messages, maxTokens);
    const hit = key === undefined || plan.isFresh ? undefined : lookUp(key);
    if (hit !== undefined) return hit;

    const isForModel = wanted !== undefined || question.provider !== undefined;
    const intent = isForModel ? undefined : parseIntent(prefixed.text);
    if (
      intent !== undefined &&
      (plan.mayAct || ["help", "status", "devices", "jobs"].includes(intent.type))
    ) {
      const { stopping } = plan;
      const hands = stopping === undefined ? parts : { ...parts, stop: () => stopping };
      const { text, effects } = await answerIntent(hands, intent, question, signal);
      plan.onText(text);
      return {
        text,
        effects,
        tier: "rule",
        model: "rules",
        reason: `the sentence is the built-in intent ${intent.type}`,
      };
    }
    if (question.provider !== undefined && question.provider !== "local") {
      const variable = `GANTRY_${question.provider.toUpperCase().replaceAll(/[^A-Z0-9]/gu, "_")}_API_KEY`;
      throw new GantryError(
        "provider_off",
        `The provider ${question.provider} is not configured (${variable}); local models are`,
      );
    }
    return askModel(plan, wanted, messages, maxTokens, key, signal);
  }

  async function askModel(
    plan: Plan,
    wanted: string | undefined,
    messages: readonly CompletionMessage[],
    maxTokens: number,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<Decision> {
    const { temperature = 0, topP, seed, stop: stops, jsonSchema } = plan.sampling;
    const request = {
      messages: [...messages],
      maxTokens,
      temperature,
      ...(topP === undefined ? {} : { topP }),
      ...(seed === undefined ? {} : { seed }),
      ...(stops === undefined ? {} : { stop: [...stops] }),
      ...(jsonSchema === undefined ? {} : { jsonSchema }),
    };
    const { generated, node, model } = await models.generate(wanted, request, plan.onText, signal);
    const {
      text,
      finishReason,
      promptTokens,
      completionTokens,
      cachedTokens,
      firstTokenMs,
      totalMs,
    } = generated;
    hub.metrics.tokens.inc({ kind: "prompt", model: model.name }, promptTokens);
    hub.metrics.tokens.inc({ kind: "completion", model: model.name }, completionTokens);
    const perSecond =
      totalMs > firstTokenMs
        ? Math.round((completionTokens * 10_000) / (totalMs - firstTokenMs)) / 10
        : 0;
    return {
      text,
      tier: "local",
      model: model.name,
      reason:
        wanted === undefined
          ? "no built-in intent; the least busy local model"
          : "the model was asked for by name",
      usage: { promptTokens, completionTokens, cachedTokens, costMicroUsd: 0 },
      metadata: {
        node: node.name,
        finishReason,
        tokensPerSecond: perSecond,
        firstTokenMs: Math.round(firstTokenMs),
        modelMs: Math.round(totalMs),
      },
      ...(key === undefined || finishReason !== "stop" ? {} : { cacheKey: key }),
    };
  }

  /** Only what a repeat would answer alike: no sampling, no schema by chance, no cut-off text. */
  function cacheableKey(
    { sampling }: Plan,
    wanted: string | undefined,
    messages: readonly CompletionMessage[],
    maxTokens: number,
  ): string | undefined {
    if ((sampling.temperature ?? 0) > 0) return undefined;
    const { seed, stop: stops, jsonSchema } = sampling;
    return cacheKey({
      generation: hub.rows.get("count", "cacheGeneration") ?? 0,
      model: wanted ?? "auto",
      messages,
      maxTokens,
      ...(seed === undefined ? {} : { seed }),
      ...(stops === undefined ? {} : { stop: stops }),
      ...(jsonSchema === undefined ? {} : { jsonSchema }),
    });
  }

  function lookUp(key: string): Decision | undefined {
    const row = hub.rows.get("cache", key);
    const isFresh = row !== undefined && row.expiresAtMs > hub.clock.now();
    hub.metrics.cacheLookups.inc({ result: isFresh ? "hit" : "miss" });
    if (!isFresh) {
      cache.misses += 1;
      return undefined;
    }
    cache.hits += 1;
    const { tier, model, metadata } = row.routing;
    const ageS = Math.round((hub.clock.now() - row.atMs) / 1_000);
    return {
      text: row.text,
      tier,
      model,
      cached: true,
      reason: "the same question was answered before",
      metadata: { ...metadata, ageS },
    };
  }

  function historyOf({ conversation, seq }: QuestionRow): readonly MessageRow[] {
    const history: MessageRow[] = [];
    for (let place = Math.max(0, seq - LIMIT.historyMessages.max); place < seq; place += 1) {
      const message = hub.rows.get("message", messageId(conversation, place));
      if (message !== undefined) history.push(message);
    }
    return history;
  }

  /** Q2. */
  async function record(
    { question, startMs }: Pick<Plan, "question" | "startMs">,
    decision: Decision,
    by: By,
  ): Promise<MessageRow> {
    const {
      text,
      tier,
      model,
      reason,
      cached = false,
      metadata = {},
      usage = FREE,
      effects = [],
    } = decision;
    const latencyMs = Math.round((hub.clock.monotonic() - startMs) * 100) / 100;
    const routing: Routing = {
      tier,
      model,
      confidence: tier === "rule" || cached ? 1 : 0.5,
      cached,
      latencyMs,
      reason,
      metadata,
    };
    const expiresAtMs = hub.clock.now() + LIFE.answerCacheMs;
    const kept =
      decision.cacheKey === undefined
        ? {}
        : { cache: { key: decision.cacheKey, prompt: question.text, expiresAtMs } };
    await close(
      question,
      {
        type: "answerGiven",
        question: question.id,
        message: newId(hub, "msg"),
        text,
        routing,
        usage,
        effects,
        ...kept,
      },
      by,
    );
    hub.metrics.answers.inc({ tier, cached: String(cached), result: "ok" });
    return earlierRow(question.id);
  }

  const never = new AbortController().signal;

  /** The closing entry is written even when the asker has left: what was decided is a fact. */
  async function close(
    question: QuestionRow,
    body: Parameters<typeof act>[1],
    by: By,
  ): Promise<void> {
    await act(hub, body, by, never);
    assert(!hub.rows.hot("question").has(question.id), "Q2: the question is closed");
  }

  function earlierRow(id: string): MessageRow {
    const at = hub.rows.get("answer", id);
    const message = at === undefined ? undefined : hub.rows.get("message", at);
    assert(message !== undefined, "Q2: a closed question has its answer");
    return message;
  }

  return {
    ask,
    async resume(signal) {
      for (const question of hub.rows.hot("question").values()) {
        if (open.has(question.id)) continue;
        const by: By = { actor: question.person, requestId: question.requestId };
        if (question.atMs + LIFE.questionResumeMs < hub.clock.now()) {
          const error = {
            code: "interrupted" as const,
            message: "A restart cut this question off",
          };
          await close(
            question,
            { type: "answerFailed", question: question.id, message: newId(hub, "msg"), error },
            by,
          );
          continue;
        }
        const plan = {
          question,
          prefixed: parsePrefix(question.text),
          startMs: hub.clock.monotonic(),
          isFresh: false,
          mayAct: true,
          sampling: {},
          onText: () => {},
        };
        await answer(plan, signal).catch(() => {}); // recorded as failed
      }
    },
    cache,
  };
}
