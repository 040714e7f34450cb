// Use cases of other products' clients beside the answer itself (asking.ts): counting a prompt's tokens,
// and responses that are kept.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { CompletionRequest } from "@gantry/shared/contract/completions.ts";
import type { ResponseCommand, ResponseRow } from "@gantry/shared/contract/responses.ts";
import type {
  SpeakRequest,
  SpokenAudio,
  TranscribeRequest,
  Transcript,
} from "@gantry/shared/contract/speech.ts";
import { plainMessages } from "../asking/tool-prompt.ts";
import type { DeskCallOptions, DeskRequest, Speech } from "../ports.ts";
import { act } from "../hub.ts";
import { responseOf } from "../ledger/domains/responses.ts";
import { actorOf, byOf, type DeskParts, paramOf } from "./context.ts";
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

/** Takes a responseKept's body, `{id, previous?, input, response}`. */
export async function responseMade(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const kept = request.body as Omit<Extract<ResponseCommand, { type: "responseKept" }>, "type">;
  const sizeBytes = Buffer.byteLength(JSON.stringify(kept));
  if (sizeBytes > LIMIT.responseBytes.max)
    throw new GantryError("too_large", `A response of ${sizeBytes} bytes is not kept`, {
      details: { hint: "Send store: false.", param: "store" },
    });
  return act(hub, { type: "responseKept", ...kept }, byOf(request), signal);
}

/** Gives the response and those that it goes on from, the oldest first. */
export function response({ hub }: DeskParts, request: DeskRequest): readonly ResponseRow[] {
  const { person } = actorOf(request);
  const chain: ResponseRow[] = [];
  let next: string | undefined = paramOf(request, "id");
  while (next !== undefined) {
    const row = responseOf(hub.rows, next, person, hub.stampMs());
    if (row === undefined) {
      // One in the middle was dropped: what went on from it has lost its beginning, and says so.
      throw new GantryError("not_found", `There is no response ${next}`);
    }
    if (chain.length >= LIMIT.responseChain.max)
      throw new GantryError("bad_request", `Over ${LIMIT.responseChain.max} responses in a row`, {
        details: { param: "previous_response_id" },
      });
    chain.unshift(row);
    next = request.query["isAlone"] === true ? undefined : row.previous;
  }
  return chain;
}

export async function responseDropped(
  { hub }: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<unknown> {
  const id = paramOf(request, "id");
  return act(hub, { type: "responseDropped", id }, byOf(request), signal);
}

export async function transcribed(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<Transcript> {
  return speechOf(parts).transcribe(request.body as TranscribeRequest, signal); // as the door reads it
}

export async function spoken(
  parts: DeskParts,
  request: DeskRequest,
  { signal }: DeskCallOptions,
): Promise<SpokenAudio> {
  return speechOf(parts).speak(request.body as SpeakRequest, signal); // as the door reads it
}

function speechOf({ speech }: DeskParts): Speech {
  if (speech !== undefined) return speech;
  throw new GantryError("no_speech", "No machine of this house offers speech");
}
