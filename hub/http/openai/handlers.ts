// Every route that speaks another product's protocol, with the one bound that all of them share.

import type { GantryError } from "@gantry/shared/base/errors.ts";
import type { RouteName } from "@gantry/shared/contract/routes.ts";
import { countTokens, messages } from "../anthropic/messages.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { ollamaChat, ollamaGenerate } from "../ollama/chat.ts";
import {
  ollamaEmbed,
  ollamaEmbeddings,
  ollamaPs,
  ollamaShow,
  ollamaTags,
} from "../ollama/models.ts";
import { errorResponse } from "../problem.ts";
import { spoken, transcribed } from "./audio.ts";
import { chatCompletions } from "./chat.ts";
import { completions } from "./completions.ts";
import { embeddings } from "./embeddings.ts";
import { model, models } from "./models.ts";
import { makeRates, rated } from "./rates.ts";
import { response, responseDropped, responseItems, responses } from "./responses.ts";

export function clientHandlers(deps: DoorDeps): Partial<Record<RouteName, Handler>> {
  const rates = makeRates(deps.clock);
  const door = { ...deps, rates };
  const counted = (handler: Handler): Handler => rated(rates, handler, refuse);
  return {
    chatCompletions: counted(chatCompletions(door)),
    completions: counted(completions(door)),
    embeddings: counted(embeddings(door)),
    models: models(deps),
    model: model(deps),
    responseMade: counted(responses(door)),
    response: response(deps),
    responseItems: responseItems(deps),
    responseDropped: responseDropped(deps),
    transcribed: counted(transcribed(door)),
    spoken: counted(spoken(door)),
    messageMade: counted(messages(door)),
    tokensCounted: counted(countTokens(door)),
    ollamaTags: ollamaTags(deps),
    ollamaPs: ollamaPs(deps),
    ollamaShow: ollamaShow(deps),
    ollamaChat: counted(ollamaChat(door)),
    ollamaGenerate: counted(ollamaGenerate(door)),
    ollamaEmbed: counted(ollamaEmbed(door)),
    ollamaEmbeddings: counted(ollamaEmbeddings(door)),
  };
}

const refuse = (error: GantryError, c: DoorContext): Response =>
  errorResponse(error, c.req.path, c.get("requestId"));
