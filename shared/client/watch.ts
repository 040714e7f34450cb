// The live feed, kept open: resumes after the last event it gave, for as long as the caller wants.
//
// W1. An event with an id is given once and in order; after a break the hub is asked for what
//     follows the last id. Soft values (without an id) may be missed, which is their nature.
// W2. A refusal that will not change (token, role, address) ends the feed; all else is redialled.
// W3. A stream that is silent for three heartbeats counts as broken.

import { backoffMs } from "../base/backoff.ts";
import { GantryError } from "../base/errors.ts";
import { RECONNECT, TIMEOUT } from "../base/policy.ts";
import type { Random } from "../base/prng.ts";
import { isRetryable } from "../flow/attempt.ts";
import { type Clock, reasonOf } from "../flow/clock.ts";
import { parseObject, problemFrom, transportError } from "./problem.ts";
import { makeSseParser, type SseEvent } from "./sse.ts";

export interface FeedEvent {
  /** Log position; undefined for soft values and notices such as `gap`. */
  readonly id: number | undefined;
  readonly type: string;
  readonly data: unknown;
}

export interface FeedOptions {
  /** Log position after which to begin; absent: from now on. */
  readonly since?: number;
  readonly types?: readonly string[];
  readonly signal: AbortSignal;
  /** Told when the feed breaks and when it is back. */
  readonly onState?: (state: "open" | "broken", error?: GantryError) => void;
}

export interface FeedContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Of the hub that is asked now, for messages. */
  readonly address: () => string;
  readonly open: (
    query: Readonly<Record<string, unknown>>,
    lastId: string | undefined,
    signal: AbortSignal,
  ) => Promise<Response>;
}

const SILENCE_MS = 3 * TIMEOUT.sseHeartbeatMs;
const OPEN_MS = TIMEOUT.proposeMs;

/** Ends without an error when the signal aborts. Throws the refusal of W2. */
export async function* watchEvents(
  options: FeedOptions,
  context: FeedContext,
): AsyncGenerator<FeedEvent, void> {
  const { signal, onState } = options;
  const { clock, random } = context;
  const place: Place = { id: options.since === undefined ? undefined : String(options.since) };
  for (let failures = 0; !signal.aborted;) {
    try {
      for await (const event of oneStream(options, context, place)) {
        failures = 0;
        yield event;
      }
      throw new GantryError("interrupted", "The hub closed the feed");
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof GantryError) || !isRetryable(error)) throw error;
      onState?.("broken", error);
      failures += 1;
    }
    const waited = clock.sleep(backoffMs(RECONNECT, failures, random), signal);
    await waited.catch(() => undefined); // aborted: the loop's condition ends it
  }
}

/** Where to go on: the last id that the hub named. */
interface Place {
  id: string | undefined;
}

async function* oneStream(
  { types, signal, onState }: FeedOptions,
  { clock, address, open }: FeedContext,
  place: Place,
): AsyncGenerator<FeedEvent, void> {
  const query = types === undefined ? {} : { types: types.join(",") };
  const controller = new AbortController();
  const linked = AbortSignal.any([controller.signal, signal]);
  try {
    const response = await within(clock.timeout(OPEN_MS, linked), () =>
      open(query, place.id, linked),
    );
    onState?.("open");
    const parser = makeSseParser();
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    for (;;) {
      // A ping keeps the stream alive without being an event, so bytes are what is waited for (W3).
      const { done, value } = await within(clock.timeout(SILENCE_MS, linked), () => reader.read());
      if (done) return;
      for (const event of parser.push(value)) {
        place.id = event.id ?? place.id;
        yield feedEvent(event);
      }
      place.id = parser.lastId ?? place.id;
    }
  } catch (error) {
    throw transportError(error, address(), linked);
  } finally {
    controller.abort(new GantryError("cancelled", "The feed was left")); // closes the connection
  }
}

/** What `start` gives, or the signal's reason if that comes first. */
async function within<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
  if (signal.aborted) throw reasonOf(signal);
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([start(), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Throws what the hub says in an `error` event, e.g. that the token was revoked. */
function feedEvent(event: SseEvent): FeedEvent {
  if (event.type === "error") throw problemFrom(parseObject(event.data) ?? {}, 500);
  const id = event.id !== undefined && /^\d+$/.test(event.id) ? Number(event.id) : undefined;
  return { id, type: event.type, data: dataOf(event.data) };
}

/** JSON where it is JSON, else the text as it came. */
function dataOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
