// What binds an answer: nothing, a JSON schema, or the tools that it may call.

import type { GenerateRequest } from "./generate-request.ts";
import { jsonAnswer } from "./json-answer.ts";
import type { PromptOptions } from "./llama-protocol.ts";
import { toolAnswer } from "./tool-answer.ts";

export interface BoundAnswer {
  /** What the model must follow while it writes. */
  readonly bounds: Pick<PromptOptions, "grammar" | "calls">;
  /** What is wrong with a whole text; undefined when nothing is. */
  readonly faultIn: (text: string) => string | undefined;
}

type Bound = Pick<GenerateRequest, "jsonSchema" | "tools" | "mustCall" | "hasParallelCalls">;

/** Compiled bounds, the most recent `sizeMax`: compiling takes a few ms, using it some us. */
export function makeBoundAnswers(sizeMax: number): (request: Bound) => BoundAnswer | undefined {
  const answers = new Map<string, BoundAnswer>();
  return (request) => {
    const { jsonSchema, tools, mustCall = false, hasParallelCalls = true } = request;
    if (jsonSchema === undefined && tools === undefined) return undefined;
    const key = JSON.stringify([jsonSchema, tools, mustCall, hasParallelCalls]);
    const answer = answers.get(key) ?? boundAnswer(request);
    answers.delete(key);
    answers.set(key, answer);
    const oldest = answers.size > sizeMax ? answers.keys().next().value : undefined;
    if (oldest !== undefined) answers.delete(oldest);
    return answer;
  };
}

/** Words beside calls are free, so a schema binds only an answer that may not call. */
function boundAnswer({
  jsonSchema,
  tools,
  mustCall = false,
  hasParallelCalls = true,
}: Bound): BoundAnswer {
  if (tools !== undefined) return toolAnswer(tools, mustCall, hasParallelCalls);
  const { grammar, faultIn } = jsonAnswer(jsonSchema);
  return { bounds: { grammar }, faultIn };
}
