// The loop's model, of those that nodes offer.

import type { Models } from "./models.ts";
import type { AgentModel } from "./agent-turns.ts";

/** Of a model that nobody offers now; the call itself says so. */
const CONTEXT_TOKENS = 4_096;

export const makeAgentModel = (models: Models): AgentModel => ({
  contextTokens(wanted) {
    const sizes = models
      .offers()
      .filter(({ model }) => wanted === undefined || model.name === wanted)
      .map(({ model }) => model.contextTokens);
    return sizes.length === 0 ? CONTEXT_TOKENS : Math.min(...sizes);
  },
  async say({ model, person, messages, temperature, maxTokens, jsonSchema }, signal) {
    const request = {
      messages: messages.map(({ role, content }) => ({ role, content })),
      maxTokens,
      temperature,
      ...(jsonSchema === undefined ? {} : { jsonSchema }),
    };
    const { generated } = await models.generate(model, request, () => {}, signal, { person });
    const { text, promptTokens, completionTokens, cachedTokens } = generated;
    return { text, usage: { promptTokens, completionTokens, cachedTokens, costMicroUsd: 0 } };
  },
});
