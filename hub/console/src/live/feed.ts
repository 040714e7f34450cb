// The live feed: one streamed GET /api/events that is kept open for ever. It runs in the shared
// worker, or in the page where there is none.
//
//   F1. After a loss it resumes behind the last id seen (Last-Event-ID), so nothing is missed.
//   F2. Silence of QUIET_MS is a loss: the hub sends a comment every TIMEOUT.sseHeartbeatMs. This is
//       why it is fetch and not EventSource, which hides comments, statuses and half-open connections.
//   F3. `denied` ends it: the session is over, redialling would only fill the log.

import { backoffMs } from "@gantry/shared/base/backoff.ts";
import { RECONNECT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { sseParser } from "../core/sse.ts";
import { textOf } from "./text-of.ts";

export type FeedSignal =
  /** `isNew`: the stream was opened just now; what was read before may be old. */
  | { readonly kind: "live"; readonly isNew: boolean }
  | { readonly kind: "lost"; readonly sinceMs: number }
  | { readonly kind: "denied" }
  | {
      readonly kind: "event";
      readonly type: string;
      readonly id: string | undefined;
      readonly data: unknown;
    };

const QUIET_MS = 2 * TIMEOUT.sseHeartbeatMs + 5_000;

/** Delivers until `signal` is aborted or the hub denies. Never throws. */
export async function keepFeed(
  deliver: (signal: FeedSignal) => void,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    const stream = { lastId, heardAtMs: 0 };
    const end = await readStream(stream, deliver, signal);
    if (signal.aborted) return;
    if (end === "denied") {
      deliver({ kind: "denied" });
      return;
    }
    lastId = stream.lastId;
    failures = stream.heardAtMs === 0 ? failures + 1 : 1;
    if (stream.heardAtMs !== 0) deliver({ kind: "lost", sinceMs: stream.heardAtMs });
    const waitMs = backoffMs(RECONNECT, failures, Math.random);
    await systemClock.sleep(waitMs, signal).catch(() => undefined);
  }
}

interface Stream {
  lastId: string | undefined;
  /** Wall clock of the last byte; 0 before the first. */
  heardAtMs: number;
}

async function readStream(
  stream: Stream,
  deliver: (signal: FeedSignal) => void,
  signal: AbortSignal,
): Promise<"ended" | "denied"> {
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), QUIET_MS);
  const heard = (): void => {
    stream.heardAtMs = Date.now();
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), QUIET_MS);
  };
  try {
    const response = await fetch("/api/events", {
      credentials: "same-origin",
      headers: {
        accept: "text/event-stream",
        ...(stream.lastId === undefined ? {} : { "last-event-id": stream.lastId }),
      },
      signal: AbortSignal.any([quiet.signal, signal]),
    });
    if (response.status === 401 || response.status === 403) return "denied";
    if (!response.ok) return "ended";
    heard();
    deliver({ kind: "live", isNew: true });
    const parser = sseParser(stream.lastId);
    for await (const text of textOf(response)) {
      heard();
      for (const { type, id, data } of parser.push(text)) {
        deliver({ kind: "event", type, id, data: parsed(data) });
      }
      stream.lastId = parser.lastId();
    }
  } catch {
    // Lost, quiet or closed: the loop above dials again or ends.
  } finally {
    clearTimeout(timer);
  }
  return "ended";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
