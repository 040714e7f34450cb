// A streamed answer that may still fail with a status of its own: the reply begins with the first text,
// with the end, or after TIMEOUT.streamBeginMs, whichever comes first. Until then a refusal is an
// ordinary one, with Retry-After, which clients know how to obey; after it, it is said in the stream.
//
// LS1. A client that goes away ends the work, before and after the reply has begun.
// LS2. What the client has not read yet is joined into one text. When it has grown past HELD_CHARS the
//      maker is told to wait, until the client has read it all.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { makePace, type Pace } from "@gantry/shared/flow/pace.ts";
import type { Place } from "../../asking/waiting.ts";
import { HELD_CHARS } from "../answer-stream.ts";
import { SSE_PING, sseResponse } from "../sse.ts";

/** Readers of server-sent events pass over comments; people who look at the stream do not. */
export const placeComment = ({ position, etaMs }: Place): string =>
  `: queued position=${position}${etaMs === undefined ? "" : ` eta_ms=${etaMs}`}\n\n`;

export interface LiveStream {
  /** Tells `say` the stream's text as it comes to be; the result is its end. */
  readonly work: (signal: AbortSignal, say: (text: string) => void, pace: Pace) => Promise<string>;
  /** The end of a stream that fails after it began. */
  readonly failure: (error: unknown) => string;
  /** Default: server-sent events, with a comment now and then while nothing comes. */
  readonly form?: "sse" | "ndjson";
}

/** Throws what the work failed with before the reply began. */
export async function liveStream(
  { work, failure, form = "sse" }: LiveStream,
  clock: Clock,
  parent: AbortSignal,
): Promise<Response> {
  const gone = new AbortController();
  const pace = makePace();
  let held = ""; // LS2
  let failed: { readonly cause: unknown } | undefined;
  let isOver = false;
  let isClosed = false;
  let news = new AbortController();

  const onGone = (): void => gone.abort(reasonOf(parent)); // LS1
  if (parent.aborted) onGone();
  parent.addEventListener("abort", onGone, { once: true });

  void run();

  async function run(): Promise<void> {
    try {
      const last = await work(gone.signal, say, pace);
      held += last; // what came meanwhile stands before it
    } catch (cause) {
      failed = { cause };
    }
    isOver = true;
    parent.removeEventListener("abort", onGone);
    news.abort();
  }

  function say(text: string): void {
    if (text === "") return;
    held += text;
    if (held.length > HELD_CHARS) pace.set(true); // LS2
    news.abort();
  }

  async function next(): Promise<string | undefined> {
    if (isClosed || gone.signal.aborted) return undefined;
    if (held === "" && !isOver) {
      news = new AbortController();
      const woken = AbortSignal.any([news.signal, gone.signal]);
      await clock.sleep(TIMEOUT.sseHeartbeatMs, woken).catch(() => undefined); // woken
    }
    const text = held;
    held = "";
    pace.set(false);
    if (isOver) {
      isClosed = true;
      return text + (failed === undefined ? "" : failure(failed.cause));
    }
    if (text !== "") return text;
    if (gone.signal.aborted) return undefined;
    return form === "sse" ? SSE_PING : "\n";
  }

  await clock.sleep(TIMEOUT.streamBeginMs, news.signal).catch(() => undefined); // it began
  if (failed !== undefined && held === "") throw failed.cause;
  const response = sseResponse(next, () => gone.abort());
  if (form === "ndjson") response.headers.set("content-type", "application/x-ndjson");
  return response;
}
