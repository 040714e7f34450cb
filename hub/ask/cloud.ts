// The tier of cloud providers: who may be asked, with what, for how much, and what comes back.
//
// CL1. Only what may leave leaves: the question's own text and what was said with a provider before;
//      no answer of this house, no memory, nothing of its devices.
// CL2. Personal data and secrets are placeholders on the way, and themselves in the answer.
// CL3. A provider that fails before it has said anything is followed by the next one of the plan.
// CL4. Money is reserved before each call and settled after it (cloud-money.ts).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CompletionMessage, Picture } from "@gantry/shared/contract/completions.ts";
import type { Workload } from "@gantry/shared/contract/money.ts";
import type { DataClass } from "@gantry/shared/contract/route.ts";
import type { Targets } from "@gantry/shared/flow/targets.ts";
import { costMicroUsd, promptTokensMax, worstMicroUsd } from "../asking/price.ts";
import { makeRestorer, redact } from "../asking/redaction.ts";
import type { CloudPlace, ProviderFact } from "../asking/route-plan.ts";
import type { By, Hub } from "../hub.ts";
import type { CloudMoney, Held } from "./cloud-money.ts";
import { settlementOf } from "./cloud-money.ts";
import {
  type CloudAnswer,
  CloudFault,
  type CloudModel,
  type CloudProvider,
} from "./cloud-types.ts";
import type { Sampling } from "./plan.ts";

export interface CloudParts {
  readonly hub: Hub;
  readonly providers: readonly CloudProvider[];
  readonly defaultClass: DataClass;
  readonly money: CloudMoney;
  readonly targets: Targets;
}

export interface CloudQuestion {
  /** In clear; all of it may leave (CL1). */
  readonly messages: readonly CompletionMessage[];
  readonly pictures: readonly Picture[];
  readonly sampling: Sampling;
  readonly person: string;
  readonly workload: Workload;
  readonly question?: string | undefined;
}

export interface Bought {
  readonly answer: CloudAnswer;
  readonly costMicroUsd: number;
  readonly held: Held;
  /** How many values were placeholders on the way. */
  readonly redactions: number;
}

export interface Cloud {
  readonly defaultClass: DataClass;
  /** Every model of every provider, with its worst case for this question. */
  facts(
    question: Pick<CloudQuestion, "messages" | "pictures" | "sampling">,
  ): readonly ProviderFact[];
  /** For people: nothing secret is in it. */
  views(): readonly ProviderView[];
  /**
   * One call. Its price is reserved and, unless the answer is given, settled. Throws what the provider
   * or the budget failed with.
   */
  buy(
    place: Pick<CloudPlace, "provider" | "model" | "worstMicroUsd">,
    question: CloudQuestion,
    onText: (text: string) => void,
    by: By,
    signal: AbortSignal,
  ): Promise<Bought>;
}

export interface ProviderView {
  readonly name: string;
  readonly hasKey: boolean;
  readonly isUp: boolean;
  readonly models: readonly CloudModel[];
}

const TRIES_MAX = 2;
const RETRY_WAIT_MS_MAX = 5_000;

export const cloudTokens = ({ maxTokens }: Sampling): number => maxTokens ?? LIMIT.answerTokens.max;

export function makeCloud(parts: CloudParts): Cloud {
  const { hub, providers, money, targets, defaultClass } = parts;
  const { clock } = hub;

  function find(name: string, model: string): readonly [CloudProvider, CloudModel] {
    const provider = providers.find((one) => one.name === name);
    const found = provider?.models.find((one) => one.name === model);
    if (provider === undefined || found === undefined)
      throw new GantryError("provider_off", `The provider ${name} has no model ${model}`);
    return [provider, found];
  }

  /** Tries again what surely was not charged and may pass at once: one reservation is enough for it. */
  async function ask(
    provider: CloudProvider,
    request: Parameters<CloudProvider["complete"]>[0],
    onText: (text: string) => void,
    signal: AbortSignal,
  ): Promise<CloudAnswer> {
    const target = targetOf(provider.name);
    for (let tries = 1; ; tries += 1) {
      targets.admit(target);
      try {
        const answer = await provider.complete(request, onText, signal);
        targets.answered(target);
        return answer;
      } catch (error) {
        if (signal.aborted) targets.givenUp(target);
        else if (isIllness(error)) targets.failed(target);
        else targets.answered(target);
        const waitMs = retryWaitMs(error);
        if (signal.aborted || tries === TRIES_MAX || waitMs === undefined) throw error;
        await clock.sleep(waitMs, signal);
      }
    }
  }

  return {
    defaultClass,
    facts({ messages, pictures, sampling }) {
      return providers.flatMap((provider) =>
        provider.models.map((model) => ({
          provider: provider.name,
          model: model.name,
          contextTokens: model.contextTokens,
          answerTokensMax: model.answerTokensMax,
          seesImages: model.seesImages,
          worstMicroUsd: worstOf(model, messages, pictures, sampling),
          isUp: !targets.isLeftAlone(targetOf(provider.name)),
          hasKey: provider.hasKey(),
        })),
      );
    },
    views: () =>
      providers.map((provider) => ({
        name: provider.name,
        hasKey: provider.hasKey(),
        isUp: !targets.isLeftAlone(targetOf(provider.name)),
        models: provider.models,
      })),
    async buy(place, question, onText, by, signal) {
      const [provider, model] = find(place.provider, place.model);
      const { messages, pictures, sampling, person, workload } = question;
      const { texts, values } = redact(
        messages.map(({ content }) => content),
        namesOf(hub),
      ); // CL2
      const sent = messages.map(({ role }, at) => ({ role, content: texts[at] ?? "" }));
      const worst = Math.max(
        worstOf(model, sent, pictures, sampling),
        worstOf(model, messages, pictures, sampling),
      );
      const held = await money.reserve(
        {
          person,
          workload,
          provider: provider.name,
          model: model.name,
          worstMicroUsd: worst,
          question: question.question,
        },
        by,
        signal,
      ); // CL4
      const restorer = makeRestorer(values);
      const limited = clock.timeout(TIMEOUT.answerMs, signal);
      try {
        const answer = await ask(
          provider,
          {
            model: model.name,
            messages: sent,
            pictures,
            maxTokens: cloudTokens(sampling),
            callId: held.reservation,
            ...samplingOf(sampling),
          },
          (piece) => onText(restorer.push(piece)),
          limited,
        );
        onText(restorer.end());
        const text = makeRestorer(values);
        return {
          answer: { ...answer, text: text.push(answer.text) + text.end() },
          costMicroUsd: costMicroUsd(model, answer),
          held,
          redactions: values.size,
        };
      } catch (error) {
        await held.settle(settlementOf(error));
        throw error;
      }
    },
  };
}

const targetOf = (provider: string): string => `cloud:${provider}`;

function worstOf(
  model: CloudModel,
  messages: readonly CompletionMessage[],
  pictures: readonly Picture[],
  sampling: Sampling,
): number {
  const prompt = promptTokensMax(messages, pictures.length, model);
  const schema =
    sampling.jsonSchema === undefined ? 0 : Buffer.byteLength(JSON.stringify(sampling.jsonSchema));
  return worstMicroUsd(model, prompt + schema, cloudTokens(sampling));
}

/** What says something about the provider, not about the question. */
const isIllness = (error: unknown): boolean =>
  error instanceof CloudFault &&
  ["model_failed", "timeout", "unreachable", "interrupted", "rate_limited"].includes(error.code);

/** Undefined: not again here. */
function retryWaitMs(error: unknown): number | undefined {
  if (!(error instanceof CloudFault) || error.isCharged !== false || !error.kind.retry)
    return undefined;
  const waitMs = Number(error.details["retryAfterS"] ?? 0) * 1_000;
  return waitMs <= RETRY_WAIT_MS_MAX ? Math.max(waitMs, 250) : undefined;
}

function samplingOf({ temperature, topP, seed, stop, jsonSchema }: Sampling): Partial<Sampling> {
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(jsonSchema === undefined ? {} : { jsonSchema }),
  };
}

/** People of the house, as tokens name them. */
export const namesOf = ({ rows }: Hub): readonly string[] => [
  ...new Set([...rows.hot("token").values()].map(({ person }) => person)),
];
