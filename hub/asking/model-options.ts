// The caller's options as a machine with the model takes them, and as a part of the cache's key. Pure.

import type { CompletionOptions } from "@gantry/shared/contract/completions.ts";
import type { Generate } from "@gantry/shared/contract/link.ts";

type Options = Omit<Generate, "model" | "messages" | "maxTokens" | "temperature" | "stop">;

/** Without the members that are undefined: a key that is there counts, even with nothing in it. */
export function modelOptions(options: CompletionOptions): Options {
  const { topP, seed, jsonSchema, logitBias, topLogprobs, isRaw } = options;
  const { presencePenalty, frequencyPenalty } = options;
  return {
    ...(topP === undefined ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(jsonSchema === undefined ? {} : { jsonSchema }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(logitBias === undefined ? {} : { logitBias: { ...logitBias } }),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
    ...(isRaw === undefined ? {} : { isRaw }),
    ...toolOptions(options),
  };
}

function toolOptions({ tools, toolChoice, hasParallelCalls = true }: CompletionOptions): Options {
  if (tools === undefined || toolChoice === "none") return {};
  return {
    tools: tools.map(({ name, parameters, isStrict = false }) => ({ name, parameters, isStrict })),
    mustCall: toolChoice === "required",
    hasParallelCalls,
  };
}

/** What of them changes the answer, besides bounds and messages; the offer of tools is a message. */
export function keyOptions(options: CompletionOptions): Record<string, unknown> {
  const { seed, stop, temperature: _temperature, maxTokens: _maxTokens, ...rest } = options;
  const { topP: _topP, toolChoice, tools, ...others } = rest; // greedy: topP cuts nothing off
  const choice = tools === undefined ? {} : { tools, toolChoice };
  const all = { seed, stop, ...others, ...choice };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Whether the answer may be kept: probabilities are kept nowhere, raw text is not normalised. */
export const isKeepable = ({ topLogprobs, isRaw }: CompletionOptions): boolean =>
  topLogprobs === undefined && isRaw !== true;
