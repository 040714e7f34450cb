// A completion as the OpenAI door hands it to the hub, and what the hub hands back. The door owns the
// OpenAI shapes; the hub owns the path of the question.

import type { Routing, Usage } from "./rows.ts";

export interface CompletionMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface CompletionRequest {
  readonly model?: string;
  readonly messages: readonly CompletionMessage[];
  /** 1 to LIMIT.answerTokens.max. */
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** JSON Schema that the text must satisfy. */
  readonly jsonSchema?: unknown;
}

export interface CompletionReply {
  readonly id: string;
  readonly createdAtMs: number;
  readonly text: string;
  readonly finishReason: "stop" | "length";
  readonly routing: Routing;
  readonly usage: Usage;
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
}
