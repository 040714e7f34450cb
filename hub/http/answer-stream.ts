// The stream of one answer: text as it is made, then one end, with pings while nothing comes.
//
// AS1. What the client has not read yet is joined into one text. When it has grown past HELD_CHARS the
//      maker is told to wait, until the client has read it all.
// AS2. A client that goes away aborts the work.

import type { Clock } from "@gantry/shared/flow/clock.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makePace, type Pace } from "@gantry/shared/flow/pace.ts";
import type { Place } from "../asking/waiting.ts";
import { SSE_PING, sseResponse } from "./sse.ts";

/** Of a stream that is not read: several seconds of a fast model. */
export const HELD_CHARS = 16_384;

export interface AnswerStream {
  /** Does the work; what it gives to `onText` is streamed, its result is the end. */
  readonly work: (
    signal: AbortSignal,
    onText: (text: string) => void,
    onPlace: (place: Place) => void,
    pace: Pace,
  ) => Promise<unknown>;
  /** Sent first, if not empty. */
  readonly head: string;
  readonly piece: (text: string) => string;
  /** Left out: who waits is not told its place. Only the newest one is sent. */
  readonly place?: (place: Place) => string;
  readonly end: (result: unknown) => string;
  readonly failure: (error: unknown) => string;
}

/** Starts the work at once. `parent`: the request's life and deadline. */
export function answerStream(stream: AnswerStream, clock: Clock, parent: AbortSignal): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, parent]);
  let held = "";
  const pace = makePace();
  let place: Place | undefined;
  let last: string | undefined;
  let isHeadSent = stream.head === "";
  let isDone = false;
  let arrived = new AbortController();

  void run(); // ends with the work, which `signal` ends; it catches everything

  async function run(): Promise<void> {
    const onText = (text: string): void => {
      held += text; // AS1
      if (held.length > HELD_CHARS) pace.set(true);
      arrived.abort();
    };
    const onPlace = (now: Place): void => {
      if (stream.place === undefined) return;
      place = now;
      arrived.abort();
    };
    try {
      last = await stream.work(signal, onText, onPlace, pace).then(stream.end, stream.failure);
    } catch {
      gone.abort(); // the end could not be written down; the client sees a stream cut off
    }
    arrived.abort();
  }

  const news = (): boolean => held !== "" || place !== undefined || last !== undefined;

  async function waitForNews(): Promise<void> {
    if (news()) return;
    arrived = new AbortController();
    const woken = AbortSignal.any([arrived.signal, gone.signal]);
    await clock.sleep(TIMEOUT.sseHeartbeatMs, woken).catch(() => undefined); // woken
  }

  async function next(): Promise<string | undefined> {
    if (isDone || gone.signal.aborted) return undefined;
    if (!isHeadSent) {
      isHeadSent = true;
      return stream.head;
    }
    await waitForNews();
    if (place !== undefined && stream.place !== undefined) {
      const text = stream.place(place);
      place = undefined;
      return text;
    }
    if (held !== "") {
      const text = stream.piece(held);
      held = "";
      pace.set(false);
      return text;
    }
    if (last === undefined) return gone.signal.aborted ? undefined : SSE_PING;
    isDone = true;
    return last;
  }

  return sseResponse(next, () => gone.abort()); // AS2
}
