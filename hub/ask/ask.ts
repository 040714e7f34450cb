// The path of a question:
//
//   on record -> pending confirmation -> the tiers (tiers.ts) -> one entry with all of it
//
// Q1. The question is in the log before anything is decided about it.
// Q2. It is closed by exactly one entry: answer, decision, cost, cache and what it sets in motion.
// Q3. A question that a crash left open is asked again at the next start, or closed as interrupted.
// Q4. The same Idempotency-Key waits for, or gets, the same answer.
// Q5. An emergency stop goes out before the disk is asked for anything: nothing may delay it.
// Q6. Questions of one conversation are answered one after the other, in the order of the log: the
//     second one knows the first one's answer. Callers who bring their own history wait for nobody.

import { assert, present } from "@gantry/shared/base/assert.ts";
import { fromErrorRecord, GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIFE } from "@gantry/shared/base/policy.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import { TIER_STEPS, type TierStep } from "@gantry/shared/contract/route.ts";
import type { MessageRow, QuestionRow, Routing, Usage } from "@gantry/shared/contract/rows.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { parseIntent } from "../asking/intents.ts";
import { parseTranslation, translationInstruction } from "../asking/instructions.ts";
import { parsePrefix, type Prefixed } from "../asking/prefix.ts";
import { act, type By, newId } from "../hub.ts";
import { readWord } from "./by-word.ts";
import { type CacheCounts, cacheUntilMs } from "./model-answer.ts";
import { makeOwnTiers, type OwnTierParts } from "./own-tiers.ts";
import type { Asking, Decision, Plan } from "./plan.ts";
import { type Answered, type AnswerTier, runTiers, type Turn } from "./tiers.ts";
import { makeTurn, type Recall } from "./turn.ts";

const FREE: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, costMicroUsd: 0 };

export interface Ask {
  /** Resolves with the answer's message; rejects with what the question failed with. */
  ask(asking: Asking, signal: AbortSignal): Promise<MessageRow>;
  /** Q3. */
  resume(signal: AbortSignal): Promise<void>;
  /** Answers a question that is on record and that nobody waits for. */
  answer(question: string, signal: AbortSignal): Promise<void>;
  readonly cache: Readonly<CacheCounts>;
}

export type Learning = Pick<
  Extract<CommandBody, { type: "answerLearnt" }>,
  "memories" | "cache" | "hit"
>;

export interface AskParts extends Omit<OwnTierParts, "cache"> {
  /** Tiers of other rooms, each by its place; one that is left out is passed over. */
  readonly tiers?: Partial<Record<TierStep, AnswerTier>>;
  /** What the memory adds to a question before a model gets it. */
  readonly recall?: Recall;
  /** What else the entry of an answer says: what is remembered, what may be given again. */
  readonly learn?: (turn: Turn, decision: Decision, latencyMs: number) => Learning;
  /** The question is over, with this answer or without one. */
  readonly onEnded?: (turn: Turn, decision: Decision | undefined) => void;
  /** Told of each answer once it is on record; never waited for. */
  readonly onAnswered?: (turn: Turn, decision: Decision, message: MessageRow) => void;
}

export function makeAsk(parts: AskParts): Ask {
  const { hub, models, stop } = parts;
  const open = new Map<string, Promise<MessageRow>>(); // Q4: questions being answered here
  const cache: CacheCounts = { hits: 0, misses: 0 };
  const own = makeOwnTiers({ ...parts, cache });
  const tiers = TIER_STEPS.flatMap((step) => parts.tiers?.[step] ?? own[step] ?? []);
  /** Who wants news asks the world before models, which only know what they were taught. */
  const freshTiers = tiers.toSorted(
    (a, b) => Number(isAfterResearch(a.tier)) - Number(isAfterResearch(b.tier)),
  );

  async function ask(asking: Asking, signal: AbortSignal): Promise<MessageRow> {
    const startMs = hub.clock.monotonic();
    const prefixed = parsePrefix(asking.text);
    const order = asking.mayAct ? parseIntent(prefixed.text) : undefined;
    const stopping = order?.type === "stop" ? stop(order.printer, asking.by, signal) : undefined; // Q5
    stopping?.catch(() => {}); // awaited by the rule, unless writing the question fails first
    const id = await recordQuestion(asking, prefixed, signal);
    const question = hub.rows.hot("question").get(id);
    if (question === undefined || open.has(id)) return open.get(id) ?? closedAnswer(id); // Q4
    const plan = { ...asking, ...textOf(prefixed), question, startMs };
    return answer(stopping === undefined ? plan : { ...plan, stopping }, signal);
  }

  /** Q1. The id of the question: this one's, or the first one's under the same Idempotency-Key. */
  async function recordQuestion(
    asking: Asking,
    prefixed: Plan["prefixed"],
    signal: AbortSignal,
  ): Promise<string> {
    const { actor, by, conversation, text } = asking;
    const provider = asking.provider ?? prefixed.provider;
    const model = asking.model ?? prefixed.model;
    const body: CommandBody = {
      type: "questionAsked",
      conversation,
      message: newId(hub, "msg"),
      text,
      role: actor.role,
      ...(provider === undefined ? {} : { provider }),
      ...(model === undefined ? {} : { model }),
    };
    const { question } = (await act(hub, body, by, signal)) as { question: string }; // domains/asking.ts
    return question;
  }

  function answer(plan: Plan, signal: AbortSignal): Promise<MessageRow> {
    const { id } = plan.question;
    const running = answerOnce(plan, signal).finally(() => open.delete(id));
    open.set(id, running);
    running.catch(() => {}); // whoever asked hears of it; resumed questions have nobody
    return running;
  }

  async function answerAlone(
    question: QuestionRow,
    terms: Pick<Plan, "isResumed" | "workload">,
    signal: AbortSignal,
  ): Promise<void> {
    const plan = {
      ...terms,
      question,
      ...textOf(parsePrefix(question.text)),
      startMs: hub.clock.monotonic(),
      isFresh: false,
      mayAct: true,
      sampling: {},
      onText: () => {},
    };
    await answer(plan, signal).catch(() => {}); // recorded as failed
  }

  async function answerOnce(plan: Plan, signal: AbortSignal): Promise<MessageRow> {
    const { question, startMs } = plan;
    let turn: Turn | undefined;
    let given: Decision | undefined;
    try {
      if (await confirmedByWord(question)) return closedAnswer(question.id);
      await turnInConversation(plan, signal);
      turn = makeTurn(hub, models, plan, parts.recall);
      const answered = await decide(turn, signal);
      const message = await record(turn, answered);
      given = answered.decision;
      parts.onAnswered?.(turn, answered.decision, message);
      return message;
    } catch (error) {
      await recordFailure(question, error);
      throw error;
    } finally {
      if (turn !== undefined) parts.onEnded?.(turn, given);
      hub.metrics.answerSeconds.observe({ tier: "any" }, (hub.clock.monotonic() - startMs) / 1_000);
    }
  }

  /** Q6. */
  async function turnInConversation(
    { question, messages, stopping }: Plan,
    signal: AbortSignal,
  ): Promise<void> {
    const isOnItsOwn = messages !== undefined || stopping !== undefined;
    for (const earlier of isOnItsOwn ? [] : hub.rows.hot("question").values()) {
      if (earlier.conversation !== question.conversation || earlier.seq >= question.seq) continue;
      const answering = open.get(earlier.id);
      if (answering !== undefined) await orAborted(answering, signal);
    }
  }

  async function confirmedByWord(question: QuestionRow): Promise<boolean> {
    const word = readWord(hub.rows, question);
    if (word?.kind === "idle") throw word.error;
    if (word?.kind !== "phrase") return false;
    const { text: phrase, role } = question;
    const confirmation = word.confirmation.id;
    await close(question, {
      type: "confirmationConsumed",
      confirmation,
      phrase,
      role,
      question: question.id,
      message: newId(hub, "msg"),
    });
    return true;
  }

  async function decide(turn: Turn, signal: AbortSignal): Promise<Answered> {
    const { question } = turn.plan;
    const word = readWord(hub.rows, question);
    if (word?.kind === "refusal") {
      const { id, summary } = word.confirmation;
      return { decision: await withdraw(question, id, summary), steps: [] };
    }
    return runTiers(turn.plan.isFresh ? freshTiers : tiers, turn, signal);
  }

  async function withdraw(
    question: QuestionRow,
    confirmation: string,
    summary: string,
  ): Promise<Decision> {
    await act(hub, { type: "confirmationCancelled", confirmation }, byOf(question), never);
    return {
      text: `Withdrawn: ${summary}.`,
      tier: "rule",
      model: "confirmation",
      reason: "the text refuses the pending confirmation",
    };
  }

  /** Q2. */
  async function record(turn: Turn, { decision, steps }: Answered): Promise<MessageRow> {
    const { question, startMs } = turn.plan;
    const {
      text,
      tier,
      model,
      reason,
      confidence = 1,
      cached = false,
      metadata = {},
      usage = FREE,
      effects = [],
    } = decision;
    const latencyMs = Math.round((hub.clock.monotonic() - startMs) * 100) / 100;
    const route = steps.length === 0 ? {} : { route: steps };
    const routing: Routing = {
      tier,
      model,
      confidence,
      cached,
      latencyMs,
      reason,
      metadata,
      ...route,
    };
    const learnt = parts.learn?.(turn, decision, latencyMs);
    const key = decision.cacheKey;
    const kept =
      key === undefined || learnt !== undefined
        ? {}
        : { cache: { key, prompt: question.text, expiresAtMs: cacheUntilMs(hub) } };
    const body = {
      question: question.id,
      message: newId(hub, "msg"),
      text,
      routing,
      usage,
      effects,
      ...kept,
    };
    await closePaid(question, body, decision.held, learnt);
    hub.metrics.answers.inc({ tier, cached: String(cached), result: "ok" });
    hub.metrics.costMicroUsd.inc(usage.costMicroUsd);
    return closedAnswer(question.id);
  }

  /** With what the answer cost in the same entry, where it cost anything. */
  async function closePaid(
    question: QuestionRow,
    body: Omit<Extract<CommandBody, { type: "answerGiven" }>, "type">,
    held: Decision["held"],
    learnt: Learning | undefined,
  ): Promise<void> {
    const { cache: _, ...answer } = body;
    const entry = (reservation?: string): CommandBody => {
      const paid = reservation === undefined ? {} : { reservation };
      if (learnt !== undefined && isSomething(learnt))
        return { type: "answerLearnt", answer, ...learnt, ...paid };
      if (reservation !== undefined) return { type: "answerBought", ...body, reservation };
      return { type: "answerGiven", ...body };
    };
    if (held === undefined) return close(question, entry());
    const { reservation } = held;
    try {
      await close(question, entry(reservation));
      held.handedOver();
    } catch (error) {
      // What it cost is known, whatever became of the answer.
      await held.settle("reported", body.usage.costMicroUsd);
      throw error;
    }
  }

  async function recordFailure(question: QuestionRow, cause: unknown): Promise<void> {
    const error = toErrorRecord(cause);
    const { requestId } = question;
    if (error.code === "internal")
      hub.log.error({ requestId, text: String(cause) }, "a question failed");
    hub.metrics.answers.inc({ tier: "none", cached: "false", result: error.code });
    await close(question, {
      type: "answerFailed",
      question: question.id,
      message: newId(hub, "msg"),
      error,
    });
  }

  /** The closing entry is written even when the asker has left: what was decided is a fact. */
  async function close(question: QuestionRow, body: CommandBody): Promise<void> {
    await act(hub, body, byOf(question), never);
    assert(!hub.rows.hot("question").has(question.id), "Q2: the question is closed");
  }

  /** The answer of a closed question; throws what it failed with. */
  function closedAnswer(id: string): MessageRow {
    const message = present(
      hub.rows.get("message", present(hub.rows.get("answer", id), "the answer")),
      "its message",
    );
    if (message.error !== undefined) throw fromErrorRecord(message.error);
    return message;
  }

  return {
    ask,
    async resume(signal) {
      for (const question of hub.rows.hot("question").values()) {
        if (open.has(question.id)) continue;
        if (question.atMs + LIFE.questionResumeMs < hub.stampMs()) {
          await recordFailure(
            question,
            new GantryError("interrupted", "A restart cut this question off"),
          );
          continue;
        }
        await answerAlone(question, { isResumed: true }, signal);
      }
    },
    async answer(id, signal) {
      const question = hub.rows.hot("question").get(id);
      if (question !== undefined && !open.has(id))
        await answerAlone(question, { workload: "scheduled" }, signal);
    },
    cache,
  };
}

/** Until it is answered, or failed; throws the signal's reason. */
function orAborted(answering: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const settled = (): void => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    };
    void answering.then(settled, settled);
  });
}

const never = new AbortController().signal;
/** What is to be translated is a text by itself, whatever it says. */
function textOf(prefixed: Prefixed): Pick<Plan, "prefixed" | "instruction" | "isAlone"> {
  const translation = parseTranslation(prefixed.text);
  if (translation === undefined) return { prefixed };
  const { text, to, from } = translation;
  return {
    prefixed: { ...prefixed, text },
    instruction: translationInstruction(to, from),
    isAlone: true,
  };
}

const isAfterResearch = (step: TierStep): boolean =>
  ["loaded", "otherAgent", "mustLoad", "cloud"].includes(step);
const byOf = ({ person: actor, requestId }: QuestionRow): By => ({ actor, requestId });

const isSomething = ({ memories, cache, hit }: Learning): boolean =>
  memories.length > 0 || cache !== undefined || hit !== undefined;
