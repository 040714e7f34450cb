// A completion as the OpenAI door hands it to the hub, and what the hub hands back. The door owns the
// OpenAI shapes; the hub owns the path of the question.

import type { Routing, Usage } from "./rows.ts";

/** A call of a tool that a model asks for, or asked for earlier. `arguments`: JSON text of an object. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A tool that the caller offers and runs by itself. `name`: letters, digits, _ and -, at most 64. */
export interface ToolOffer {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of an object; any object where it is missing. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** True: a schema that cannot be upheld while writing is refused; else it is a hint to the model. */
  readonly isStrict?: boolean;
}

/** `auto`: the model may call; `required`: it must; an offer that may not be used is left out. */
export type ToolChoice = "none" | "auto" | "required";

/** A message as a model gets it: text alone. */
export interface CompletionMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A message as callers send it, who run tools by themselves (hub/asking/tool-prompt.ts). */
export interface CallerMessage {
  readonly role: CompletionMessage["role"] | "tool";
  readonly content: string;
  /** Of an assistant's message. */
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool's message: which call this is the result of. */
  readonly toolCallId?: string;
}

/** How the text is made, apart from what it answers. Absent members are the defaults of the model. */
export interface CompletionOptions {
  /** 1 to LIMIT.answerTokensAsked.max. */
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  /** At most 4; none of them is ever part of the text. */
  readonly stop?: readonly string[];
  /** JSON Schema that the text must satisfy. */
  readonly jsonSchema?: unknown;
  /** -2 to 2, as OpenAI defines them. */
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** By number of the model's own tokens: -100 (never) to 100 (nothing else). */
  readonly logitBias?: Readonly<Record<string, number>>;
  /** Tell the probability of each token, and of so many others, 0 to 20. */
  readonly topLogprobs?: number;
  /** At least one, if it is there. */
  readonly tools?: readonly ToolOffer[];
  /** Default: auto. */
  readonly toolChoice?: ToolChoice;
  /** False: at most one call. */
  readonly hasParallelCalls?: boolean;
  /** The text of the last message goes to the model as it is, without roles, to be continued. */
  readonly isRaw?: boolean;
}

export interface CompletionRequest extends CompletionOptions {
  readonly model?: string;
  readonly messages: readonly CallerMessage[];
  /** Go with the last message of the role user, to a model that can see. */
  readonly pictures?: readonly Picture[];
}

export const PICTURE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"] as const;

export interface Picture {
  readonly mediaType: (typeof PICTURE_TYPES)[number];
  readonly base64: string;
}

/** A token of the answer. `bytes`: its UTF-8, or a part of a character; null where nobody can say. */
export interface TokenChance {
  readonly token: string;
  /** Natural logarithm; -9999 for what was impossible. */
  readonly logprob: number;
  readonly bytes: readonly number[] | null;
}

export interface TokenLogprob extends TokenChance {
  /** The likeliest at this place, most likely first. */
  readonly top: readonly TokenChance[];
}

export interface CompletionReply {
  readonly id: string;
  readonly createdAtMs: number;
  /** Calls of tools stand in it in the form of contract/tool-text.ts. */
  readonly text: string;
  readonly finishReason: "stop" | "length";
  readonly routing: Routing;
  readonly usage: Usage;
  /** If they were asked for; missing from an answer that was given before. */
  readonly logprobs?: readonly TokenLogprob[];
}

export interface EmbeddingsRequest {
  readonly model?: string;
  readonly input: readonly string[];
}

export interface EmbeddingsReply {
  readonly model: string;
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number;
}

export interface ModelView {
  readonly id: string;
  readonly createdAtMs: number;
  readonly node: string;
  readonly contextTokens: number;
  readonly kind: "chat" | "embedding" | "rule";
  readonly sizeBytes?: number;
  readonly slots?: number;
  /** In its machine's memory now; missing: nobody has said. */
  readonly isLoaded?: boolean;
}
