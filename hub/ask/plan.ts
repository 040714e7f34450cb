// The words of the path of a question: what is asked, how it is to be answered, what was decided.

import type {
  CallerMessage,
  CompletionOptions,
  Picture,
  TokenLogprob,
} from "@gantry/shared/contract/completions.ts";
import type { AnswerEffect } from "@gantry/shared/contract/commands.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { QuestionRow, Routing, Tier, Usage } from "@gantry/shared/contract/rows.ts";
import type { Workload } from "@gantry/shared/contract/money.ts";
import type { DataClass } from "@gantry/shared/contract/route.ts";
import type { Pace } from "@gantry/shared/flow/pace.ts";
import type { Prefixed } from "../asking/prefix.ts";
import type { Place, Urgency } from "../asking/waiting.ts";
import type { PressStop } from "../hands/stop.ts";
import type { By } from "../hub.ts";
import type { Held } from "./cloud-money.ts";

/** What the model is asked with; absent members are the defaults of /api/query. */
export type Sampling = CompletionOptions;

/** True: only a model can answer so, no rule. */
export const isBoundToModel = ({ tools, jsonSchema, topLogprobs, isRaw }: Sampling): boolean =>
  tools !== undefined || jsonSchema !== undefined || topLogprobs !== undefined || isRaw === true;

/** How a question may be answered, whoever asks it. */
export interface Terms {
  /** True: no answer from the cache. */
  readonly isFresh: boolean;
  /** False: words only talk, they start nothing. */
  readonly mayAct: boolean;
  /** True: the agent loop answers (agent-tier.ts). */
  readonly useAgent?: boolean;
  readonly sampling: Sampling;
  /** Given by OpenAI clients, which bring their own history. */
  readonly messages?: readonly CallerMessage[];
  readonly onText: (text: string) => void;
  /** Told the probabilities of a fresh answer, if sampling asks for them; they are kept nowhere. */
  readonly onLogprobs?: (logprobs: readonly TokenLogprob[]) => void;
  /** Of its turn at a model; default: interactive. */
  readonly urgency?: Urgency;
  /** Of who reads the answer: while it is behind, the model waits. */
  readonly pace?: Pace;
  /** Told while it waits for its turn. */
  readonly onPlace?: (place: Place) => void;
  /** Whether it may leave the house; left out: the house's default (model-tiers.ts, MT1 and MT2). */
  readonly dataClass?: DataClass;
  /** An answer that is less sure is not taken while somebody may be surer; 0 to 1. */
  readonly confidence?: number;
  /** From when it was asked. */
  readonly deadlineMs?: number;
  /** Go with the question, to a model that can see. */
  readonly pictures?: readonly Picture[];
  /** Whose budget it is; default: interactive. */
  readonly workload?: Workload;
  /** What a model is told beside the question; other tiers answer without it. */
  readonly hint?: string;
  /** What only a model can do with the text. */
  readonly instruction?: string;
  /** True: what was said before has nothing to do with it. */
  readonly isAlone?: boolean;
}

export interface Asking extends Terms {
  readonly actor: Actor;
  readonly by: By;
  readonly conversation: string;
  readonly text: string;
  readonly provider?: string;
  readonly model?: string;
}

/** A recorded question and the terms of its answer. */
export interface Plan extends Terms {
  readonly question: QuestionRow;
  readonly prefixed: Prefixed;
  /** Monotonic. */
  readonly startMs: number;
  /** Cut off by a restart: its asker's terms are lost. */
  readonly isResumed?: boolean;
  /** The emergency stop that this question ordered, already under way. */
  readonly stopping?: ReturnType<PressStop>;
}

/** The answer and the reason for it, before both are on record. */
export interface Decision {
  readonly text: string;
  readonly tier: Tier;
  readonly model: string;
  readonly reason: string;
  /** As in Routing; a rule is sure: 1 where it is missing. */
  readonly confidence?: number;
  readonly cached?: boolean;
  readonly usage?: Usage;
  readonly metadata?: Routing["metadata"];
  readonly effects?: readonly AnswerEffect[];
  /** Under which the answer may be given again. */
  readonly cacheKey?: string;
  /** The money that was reserved for it: settled with the answer. */
  readonly held?: Held;
}
