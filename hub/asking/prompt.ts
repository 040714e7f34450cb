// What a model is given: the history of the conversation within a budget, then the question; and the
// key under which its answer may be given again.

import { digestOf } from "@gantry/shared/base/digest.ts";
import type { CompletionMessage } from "@gantry/shared/contract/completions.ts";
import type { MessageRow } from "@gantry/shared/contract/rows.ts";

/** Few on purpose: small vocabularies need a token for two letters, and what does not fit is refused. */
const CHARS_PER_TOKEN = 2;

/**
 * The newest messages that fit, oldest first, and the question last. Failed answers are left out.
 * `budgetTokens`: for all of it, about half of the model's context.
 */
export function buildMessages(
  history: readonly MessageRow[],
  question: string,
  budgetTokens: number,
): readonly CompletionMessage[] {
  const messages: CompletionMessage[] = [{ role: "user", content: question }];
  let leftChars = budgetTokens * CHARS_PER_TOKEN - question.length;
  for (const { role, text, error } of history.toReversed()) {
    if (error !== undefined || text === "") continue;
    leftChars -= text.length;
    if (leftChars < 0) break;
    messages.unshift({ role, content: text });
  }
  return messages;
}

export interface CacheScope {
  /** Grows when all cached answers are forgotten. */
  readonly generation: number;
  readonly model: string;
  readonly messages: readonly CompletionMessage[];
  readonly maxTokens: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly jsonSchema?: unknown;
}

/** Equal only if every fact that the answer depends on is equal; the last question is normalised. */
export function cacheKey(scope: CacheScope): string {
  const messages = scope.messages.map(({ role, content }) => [role, normaliseQuestion(content)]);
  return digestOf({ ...scope, messages });
}

/** NFKC and single spaces. Case stays: "polish" and "Polish" are two questions. */
export const normaliseQuestion = (text: string): string =>
  text.normalize("NFKC").replaceAll(/\s+/gu, " ").trim();
