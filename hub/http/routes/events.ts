// GET /api/events: a stream, or one page of past events with format=json.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { EVENT_TYPES, type LedgerEvent } from "@gantry/shared/contract/events.ts";
import type { RunView } from "@gantry/shared/contract/schemas/runs.ts";
import type { Actor } from "@gantry/shared/contract/roles.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import type { Feed } from "../feed/feed.ts";
import { type EventPage, makeReader, type ReaderOptions } from "../feed/reader.ts";
import { maySee } from "../feed/ring.ts";
import type { Identities } from "../identity.ts";
import { readParams, readQuery } from "../input.ts";
import { sseResponse } from "../sse.ts";
import { makeStreamSlots } from "../stream-slots.ts";

const PAGE_EVENTS = 1_000;
const TYPES: ReadonlySet<string> = new Set([...EVENT_TYPES, "telemetry", "node.load"]);

interface EventsQuery {
  readonly since?: number;
  readonly types?: string;
  readonly format: "sse" | "json";
  readonly limit: number;
}

export interface EventsDoor {
  readonly handler: Handler;
  /** Of the run that the path names. */
  readonly ofRun: Handler;
  /** Streams that are open now. */
  readonly streams: () => number;
}

/** `streamsMax`: one more stream is refused with `busy`. */
export function eventsDoor(
  deps: DoorDeps,
  feed: Feed,
  identities: Identities,
  streamsMax: number = LIMIT.streams.max,
): EventsDoor {
  const { desk, clock, scope } = deps;
  const slots = makeStreamSlots("event streams", streamsMax, scope.signal);

  function readPage(c: DoorContext, since: number, limit: number, about?: string): PageOf {
    const requestId = c.get("requestId");
    const query = { since, limit, format: "json", ...(about === undefined ? {} : { about }) };
    return async (actor, signal) => {
      const page = await within(clock, TIMEOUT.proposeMs, signal, (limited) =>
        desk.call(
          "events",
          { actor, requestId, params: {}, query, body: undefined },
          { signal: limited },
        ),
      );
      return page as EventPage; // the desk gives the reply of its schema
    };
  }

  async function onePage(c: DoorContext, actor: Actor, query: EventsQuery): Promise<Response> {
    const types = typesOf(query.types);
    const page = await readPage(c, query.since ?? 0, query.limit)(actor, c.req.raw.signal);
    const isShown = (event: LedgerEvent): boolean =>
      maySee(actor, event.person) && (types === undefined || types.has(event.type));
    return c.json({
      events: page.events.filter(isShown),
      ...(page.next === undefined ? {} : { next: page.next }),
    });
  }

  async function stream(
    c: DoorContext,
    actor: Actor,
    query: Pick<EventsQuery, "types" | "since">,
    about?: string,
  ): Promise<Response> {
    const types = typesOf(query.types);
    const asked = lastEventId(c) ?? query.since;
    const secretSha256 = c.get("secretSha256");
    const { signal, end } = slots.take(c);
    let span: RunSpan = {};
    try {
      await feed.join(signal); // before the head: "from now on" needs to know where now is
      if (about !== undefined) span = await spanOf(c, actor, about, signal);
    } catch (error) {
      end();
      throw error;
    }
    const next = makeReader({
      feed,
      actor,
      requestId: c.get("requestId"),
      types,
      since: asked === undefined ? undefined : Math.max(asked, (span.first ?? 0) - 1),
      ...(about === undefined ? {} : { about }),
      ...(span.past === undefined ? {} : { past: span.past }),
      readPage: (from, reader, limited) => readPage(c, from, PAGE_EVENTS, about)(reader, limited),
      recheck: () => identities.recheck(secretSha256),
      signal,
    });
    return sseResponse(next, end);
  }

  /**
   * Between which positions a run was told of, so that an old one costs no walk through the log. Where
   * nobody can say so now, the walk it is. Throws not_found.
   */
  async function spanOf(
    c: DoorContext,
    actor: Actor,
    id: string,
    signal: AbortSignal,
  ): Promise<RunSpan> {
    const [heard, seq] = [feed.position, feed.ring.next]; // before the run is looked at
    const request = { actor, requestId: c.get("requestId"), params: { id }, query: {} };
    try {
      const view = await within(clock, TIMEOUT.readConfirmMs, signal, (limited) =>
        desk.call("run", { ...request, body: undefined }, { signal: limited }),
      );
      const { positions } = view as RunView; // the desk gives the reply of its schema
      if (positions === undefined) return {};
      const { first, last } = positions;
      return last === undefined ? { first } : { first, past: { last, heard, seq } };
    } catch (error) {
      if (error instanceof GantryError && error.code === "not_found") throw error;
      return {};
    }
  }

  return {
    handler(c) {
      const actor = c.get("actor");
      if (actor === null) throw new GantryError("unauthenticated", "Events need a token");
      const query = readQuery(c, "events") as unknown as EventsQuery; // what its schema gives
      return query.format === "json" ? onePage(c, actor, query) : stream(c, actor, query);
    },
    ofRun(c) {
      const actor = c.get("actor");
      if (actor === null) throw new GantryError("unauthenticated", "Events need a token");
      const { id } = readParams(c, "runEvents");
      const query = readQuery(c, "runEvents") as Pick<EventsQuery, "types" | "since">;
      return stream(c, actor, query, id);
    },
    streams: slots.count,
  };
}

interface RunSpan {
  readonly first?: number;
  readonly past?: NonNullable<ReaderOptions["past"]>;
}

type PageOf = (actor: Actor, signal: AbortSignal) => Promise<EventPage>;

function typesOf(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined || text === "") return undefined;
  const types = text.split(",").map((type) => type.trim());
  const unknown = types.find((type) => !TYPES.has(type));
  if (unknown === undefined) return new Set(types);
  throw badField("query.types", `"${unknown.slice(0, 60)}" is not an event type`);
}

/** The header is set by browsers when they connect again, so it wins over the address. */
function lastEventId(c: DoorContext): number | undefined {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return undefined;
  if (/^\d{1,15}$/.test(header)) return Number(header);
  throw badField("last-event-id", "must be a log position");
}

const badField = (path: string, message: string): GantryError =>
  new GantryError("bad_request", `${path}: ${message}`, {
    details: { fields: [{ path, message }] },
  });
