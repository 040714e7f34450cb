// GET /api/registry/watch: changes of the registry as a stream, or one look with format=json.
//
// WD1. The desk is asked for more only when the client has read what came before: a slow client costs
//      its place in the registry's ring, and is told `compacted` when that is gone.
// WD2. The id of an event is a revision; a client that connects again with it, to this hub or another,
//      goes on after it. Only the last part of a snapshot has an id: a part of one is no state.
// WD3. A token that no longer holds ends the stream.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import type { WatchChange, WatchMessage } from "@gantry/shared/contract/watch-kinds.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import type { Feed } from "../feed/feed.ts";
import type { Identities } from "../identity.ts";
import { readQuery } from "../input.ts";
import { problemOf } from "../problem.ts";
import { sseEvent, sseResponse } from "../sse.ts";
import { makeStreamSlots } from "../stream-slots.ts";

const RETRY_MS = 1_000;
/** The desk answers within TIMEOUT.watchProgressMs; after this it is gone. */
const ASK_MS = TIMEOUT.watchProgressMs + 5_000;

interface WatchQuery {
  readonly since?: number | "now";
  readonly kinds?: string;
  readonly prefix?: string;
  readonly selector?: string;
  readonly format: "sse" | "json";
}

interface WatchReply {
  readonly revision: number;
  readonly messages: readonly WatchMessage[];
}

export interface WatchDoor {
  readonly handler: Handler;
  /** Streams that are open now. */
  readonly streams: () => number;
}

/** `streamsMax`: one more stream is refused with `busy`. */
export function watchDoor(
  { desk, clock, scope }: DoorDeps,
  feed: Feed,
  identities: Identities,
  streamsMax: number = LIMIT.streams.max,
): WatchDoor {
  const slots = makeStreamSlots("watches", streamsMax, scope.signal);

  async function ask(
    c: DoorContext,
    actor: Actor,
    query: object,
    signal: AbortSignal,
  ): Promise<WatchReply> {
    const requestId = c.get("requestId");
    const request = { actor, requestId, params: {}, query: { ...query }, body: undefined };
    const reply = await within(clock, ASK_MS, signal, (limited) =>
      desk.call("registryWatch", request, { signal: limited }),
    );
    return reply as WatchReply; // the desk gives the reply of its schema
  }

  async function stream(c: DoorContext, actor: Actor, query: WatchQuery): Promise<Response> {
    const since = lastEventId(c) ?? query.since ?? 0;
    const { signal, end } = slots.take(c);
    try {
      // The first answer before the head: a bad selector is a 400 and not the end of a stream, and
      // `now` is when it was asked.
      const first = await ask(c, actor, { ...query, since }, signal);
      return sseResponse(makeNext(c, actor, query, first, signal), end);
    } catch (error) {
      end();
      throw error;
    }
  }

  function makeNext(
    c: DoorContext,
    actor: Actor,
    query: WatchQuery,
    first: WatchReply,
    signal: AbortSignal,
  ): () => Promise<string | undefined> {
    const secretSha256 = c.get("secretSha256");
    const known = makeKnownKeys();
    let place = first.revision;
    let waiting: WatchReply | undefined = first;
    let isGreeted = false;
    let isEnded = false;
    let { tokenChanges, beats } = feed;

    async function assertToken(): Promise<void> {
      if (tokenChanges === feed.tokenChanges && beats === feed.beats) return;
      ({ tokenChanges, beats } = feed);
      if ((await identities.recheck(secretSha256)) === undefined) {
        throw new GantryError("unauthenticated", "The token was revoked or has expired"); // WD3
      }
    }

    return async () => {
      if (!isGreeted) {
        isGreeted = true;
        return `retry: ${RETRY_MS}\n\n`;
      }
      if (isEnded) return undefined;
      try {
        while (!signal.aborted) {
          await assertToken();
          const reply =
            waiting ?? (await ask(c, actor, { ...query, since: place, isResumed: true }, signal));
          waiting = undefined;
          place = reply.revision;
          const text = reply.messages.map((message) => textOf(known.filter(message))).join("");
          if (text !== "") return text;
        }
      } catch (error) {
        isEnded = true;
        if (signal.aborted) return undefined;
        return sseEvent("error", problemOf(toErrorRecord(error), c.get("requestId")));
      }
      return undefined;
    };
  }

  return {
    async handler(c) {
      const actor = c.get("actor");
      if (actor === null) throw new GantryError("unauthenticated", "A watch needs a token");
      const query = readQuery(c, "registryWatch") as unknown as WatchQuery; // what its schema gives
      if (query.format === "sse") return stream(c, actor, query);
      return c.json(await ask(c, actor, query, c.req.raw.signal));
    },
    streams: slots.count,
  };
}

/** Leaves out that a key is gone which this client was never shown. Knows nothing before a snapshot. */
function makeKnownKeys(): { filter(message: WatchMessage): WatchMessage } {
  let keys: Set<string> | undefined;

  function isNews(change: WatchChange): boolean {
    if (keys === undefined) return true;
    if ("gone" in change) return keys.delete(change.key);
    keys.add(change.key);
    return true;
  }

  return {
    filter(message) {
      if (message.type === "snapshot") {
        if (message.isFirst) keys = new Set();
        for (const { key } of message.items) keys?.add(key);
      }
      return message.type === "delta"
        ? { ...message, changes: message.changes.filter(isNews) }
        : message;
    },
  };
}

/** WD2. */
function textOf(message: WatchMessage): string {
  const { type, revision } = message;
  if (type === "delta" && message.changes.length === 0) return "";
  const isPlace =
    type === "delta" || type === "progress" || (type === "snapshot" && message.isLast);
  return `${isPlace ? `id: ${revision}\n` : ""}${sseEvent(type, message)}`;
}

/** The header is set by browsers when they connect again, so it wins over the address. */
function lastEventId(c: DoorContext): number | undefined {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return undefined;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  const message = "must be a revision";
  throw new GantryError("bad_request", `last-event-id ${message}`, {
    details: { fields: [{ path: "last-event-id", message }] },
  });
}
