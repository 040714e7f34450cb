// Reads a streamed answer: `token` events while it grows, then the whole `reply` or an `error`.

import { GantryError } from "../base/errors.ts";
import type { QueryReply } from "../contract/schemas/asking.ts";
import { isObject, parseObject, problemFrom, transportError } from "./problem.ts";
import { makeSseParser, type SseEvent } from "./sse.ts";

export type AnswerPiece =
  /** It waits for its turn at a model; `etaMs` only where one was measured. */
  | { readonly kind: "queued"; readonly position: number; readonly etaMs?: number }
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "reply"; readonly reply: QueryReply };

/**
 * The pieces of one answer; returns the reply as well. A hub that answers at once with JSON gives
 * only the reply. Throws what the hub says, `interrupted` when the stream ends before the reply.
 */
export async function* readAnswer(
  response: Response,
  address: string,
  signal: AbortSignal,
): AsyncGenerator<AnswerPiece, QueryReply> {
  for await (const event of readEvents(response, address, signal)) {
    const piece = pieceOf(event);
    if (piece !== undefined) yield piece;
    if (piece?.kind === "reply") return piece.reply;
  }
  throw new GantryError("interrupted", "The answer broke off before its end");
}

/** Every event of a response, also of a plain JSON one. Throws GantryError only. */
export async function* readEvents(
  response: Response,
  address: string,
  signal: AbortSignal,
): AsyncGenerator<SseEvent, void> {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
  try {
    if (!isStream) {
      yield { type: "reply", data: await response.text(), id: undefined };
      return;
    }
    const parser = makeSseParser();
    for await (const bytes of response.body ?? []) yield* parser.push(bytes);
  } catch (error) {
    throw transportError(error, address, signal);
  }
}

function queuedOf(data: Readonly<Record<string, unknown>> | undefined): AnswerPiece | undefined {
  const { position, etaMs } = data ?? {};
  if (typeof position !== "number") return undefined;
  return { kind: "queued", position, ...(typeof etaMs === "number" ? { etaMs } : {}) };
}

/** Undefined for an event that this release does not know. */
function pieceOf(event: SseEvent): AnswerPiece | undefined {
  const data = parseObject(event.data);
  if (event.type === "error") throw problemFrom(data ?? {}, 500);
  if (event.type === "queued") return queuedOf(data);
  if (event.type === "token") {
    const text = data?.["text"];
    return typeof text === "string" ? { kind: "token", text } : undefined;
  }
  if (event.type !== "reply") return undefined;
  if (data === undefined || !isObject(data["result"])) {
    throw new GantryError("unreachable", "That was not an answer of a Gantry hub");
  }
  // The hub checked its reply against the schema before it sent it.
  return { kind: "reply", reply: data as unknown as QueryReply };
}
