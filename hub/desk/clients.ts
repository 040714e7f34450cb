// Use cases of other products' clients beside the answer itself (asking.ts): counting a prompt's tokens,
// and responses that are kept.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { CompletionRequest } from "@gantry/shared/contract/completions.ts";
import { plainMessages } from "../asking/tool-prompt.ts";
import type { DeskCallOptions, DeskRequest } from "../ports.ts";
import type { DeskParts } from "./context.ts";
import { RULES_MODEL } from "./asking.ts";

/** Takes a CompletionRequest, gives a number: as the model that would answer counts. */
export async function tokensCounted(
  { models }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<number> {
  const { model, messages, ...options } = request.body as CompletionRequest; // as the door reads it
  const wanted = model === RULES_MODEL ? undefined : model;
  const plain = plainMessages(messages, options);
  if (plain.length === 0) throw new GantryError("bad_request", "There is no message");
  const counted = {
    ...(options.isRaw === true ? { isRaw: true } : {}),
    messages: plain,
    maxTokens: 1,
    temperature: 0,
    isCount: true,
  };
  const { generated } = await models.generate(wanted, counted, () => {}, signal);
  return generated.promptTokens;
}
