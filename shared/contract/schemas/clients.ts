// Routes that speak other people's protocols: OpenAI's, Anthropic's, Ollama's. The doors read these bodies
// by themselves (hub/http/openai, anthropic, ollama): unknown fields are ignored, as their clients expect,
// and faults are told in each protocol's own form.

import { z } from "zod";
import { documentSchema, type SomeRoutes } from "./common.ts";

/** Any object: read by the door. */
const bodySchema = z.looseObject({});
const asked = { body: bodySchema, reply: documentSchema };

export const CLIENT_SCHEMAS = {
  chatCompletions: {
    body: z.looseObject({ model: z.string().optional(), messages: z.array(z.unknown()) }),
    reply: documentSchema,
  },
  completions: asked,
  embeddings: { body: z.looseObject({ input: z.unknown() }), reply: documentSchema },
  models: { reply: documentSchema },
  model: { reply: documentSchema },
  responseMade: asked,
  response: { reply: documentSchema },
  responseItems: { reply: documentSchema },
  responseDropped: { reply: documentSchema },
  /** multipart/form-data */
  transcribed: { reply: documentSchema },
  /** The reply is sound. */
  spoken: asked,
  messageMade: asked,
  tokensCounted: asked,
  ollamaTags: { reply: documentSchema },
  ollamaPs: { reply: documentSchema },
  ollamaShow: asked,
  ollamaChat: asked,
  ollamaGenerate: asked,
  ollamaEmbed: asked,
  ollamaEmbeddings: asked,
} satisfies SomeRoutes;
