// What was said on the streams of one session, so that a client whose connection broke hears the rest.
//
// EV1. An id names its stream and its place; only what was said on that stream after it is said again.
// EV2. At LIMIT.mcpEvents the oldest go; a client that was away longer hears what is left.

import type { EventStore } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";

type Message = Parameters<EventStore["storeEvent"]>[1];

export function makeEventStore(eventsMax: number = LIMIT.mcpEvents.max): EventStore {
  const events = new Map<string, { readonly stream: string; readonly message: Message }>();
  let count = 0;

  return {
    async storeEvent(stream, message) {
      count += 1;
      const id = `${stream}~${count}`;
      events.set(id, { stream, message });
      const oldest = events.keys().next();
      if (events.size > eventsMax && oldest.done !== true) events.delete(oldest.value); // EV2
      return id;
    },
    async getStreamIdForEventId(id) {
      return id.includes("~") ? streamOf(id) : undefined;
    },
    async replayEventsAfter(last, { send }) {
      const stream = streamOf(last);
      const place = Number(last.slice(stream.length + 1));
      if (!last.includes("~") || !Number.isSafeInteger(place))
        throw new GantryError("bad_request", "Last-Event-ID is none of ours");
      const known = [...events]; // what is said meanwhile goes out by itself
      for (const [id, event] of known) {
        if (event.stream !== stream || Number(id.slice(stream.length + 1)) <= place) continue; // EV1
        await send(id, event.message);
      }
      return stream;
    },
  };
}

const streamOf = (id: string): string => id.slice(0, id.lastIndexOf("~"));
