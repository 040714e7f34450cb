// What the agent and the child process of one model say to each other over the fork's channel.
//
// P1. The agent speaks first and once: `load`. The child answers `ready` or `refused`, nothing else.
// P2. Each `generate` gets any number of `chunk`s and then exactly one `done` or `failed`.
// P3. The texts of a request's chunks, joined, are the text of its `done`.

import type { ErrorRecord } from "@gantry/shared/base/errors.ts";
import type { TokenLogprob } from "@gantry/shared/contract/completions.ts";

/** Which GPU libraries llama.cpp may load: `false` is the processor only. */
export type GpuChoice = "auto" | "cuda" | "vulkan" | false;

export interface LoadOptions {
  readonly path: string;
  /** Requests served at once; fewer are opened where the memory does not allow it. 1 to 64. */
  readonly slots: number;
  /** Per slot; cut to what the model was trained with. */
  readonly contextTokens: number;
  readonly threads: number;
  readonly gpu: GpuChoice;
  /** Where what slots have read is kept; left out: nowhere. */
  readonly parkFolder?: string;
}

export interface ModelFacts {
  readonly slots: number;
  readonly contextTokens: number;
  readonly threads: number;
  readonly gpu: string;
  readonly hasChatTemplate: boolean;
  /** Weights and context as llama.cpp counts them. */
  readonly memoryBytes: number;
  readonly loadMs: number;
}

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface PromptOptions {
  readonly messages: readonly ChatMessage[];
  /** The conversation, for the slot that has read it. */
  readonly session?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  /** 1 is off. */
  readonly topP: number;
  readonly seed?: number;
  /** The answer ends before any of these. */
  readonly stop: readonly string[];
  /** GBNF the answer must follow. */
  readonly grammar?: string;
  readonly calls?: CallBounds;
  /** As OpenAI defines them, -2 to 2; 0 is off. */
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** By number of a token: -100 (never) to 100. */
  readonly logitBias?: Readonly<Record<string, number>>;
  /** Tell the probability of each token and of so many others. Slow: all of the vocabulary is sorted. */
  readonly topLogprobs?: number;
  /** The text is continued as it stands: no roles, no template. */
  readonly isRaw?: boolean;
  /** The prompt is counted and not answered. */
  readonly isCount?: boolean;
}

/** Calls of tools, in the form of contract/tool-text.ts. Words before the first one are free. */
export interface CallBounds {
  /** GBNF of everything behind the first CALL_OPEN. */
  readonly grammar: string;
  /** The answer begins with a call. */
  readonly mustCall: boolean;
}

export interface Generation {
  readonly text: string;
  readonly finishReason: "stop" | "length" | "cancelled";
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Of promptTokens, those that were in the slot's cache already. */
  readonly cachedTokens: number;
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Mean probability of the sampled tokens that were looked at (adapters/llama-confidence.ts), 0 to 1. */
  readonly confidence?: number;
  readonly logprobs?: readonly TokenLogprob[];
  /** Which of the stops ended it. */
  readonly stoppedBy?: string;
}

export type ToChild =
  | { readonly kind: "load"; readonly options: LoadOptions }
  | { readonly kind: "generate"; readonly id: number; readonly prompt: PromptOptions }
  | { readonly kind: "cancel"; readonly id: number }
  /** No token more until `isHeld` is false again; what was computed is still told. */
  | { readonly kind: "hold"; readonly id: number; readonly isHeld: boolean };

export type FromChild =
  | { readonly kind: "ready"; readonly facts: ModelFacts }
  | { readonly kind: "refused"; readonly error: ErrorRecord }
  | { readonly kind: "chunk"; readonly id: number; readonly text: string }
  | { readonly kind: "done"; readonly id: number; readonly generation: Generation }
  | { readonly kind: "failed"; readonly id: number; readonly error: ErrorRecord };

/** Whether words of llama.cpp, of its library or of V8 say that memory could not be had. */
export const isAboutMemory = (words: string): boolean =>
  /bad_alloc|out of memory|heap limit|failed to allocate|allocation failed|OOMErrorHandler/i.test(
    words,
  );
