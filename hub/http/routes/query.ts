// POST /api/query: one reply, or a stream of it.

import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { answerStream } from "../answer-stream.ts";
import { CACHE_HEADER, cacheHeaderOf } from "../cache-header.ts";
import { within } from "../deadline.ts";
import type { DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { ROUTE_HEADER, routeHeader } from "../route-header.ts";
import { problemOf } from "../problem.ts";
import { sseEvent, wantsEventStream } from "../sse.ts";
import { deadlineMsOf, jsonReply } from "./plain.ts";

/** The stream's events are QUERY_STREAM_EVENTS of the contract. */
export const query =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const request = await readRequest(c, "query");
    const body = request.body as QueryRequest; // as its schema says
    const deadlineMs = deadlineMsOf("query");
    if (body.stream !== true && !wantsEventStream(c.req.header("accept"))) {
      const reply = await within(clock, deadlineMs, c.req.raw.signal, (signal) =>
        desk.call("query", request, { signal }),
      );
      const { routing, usage } = reply as QueryReply; // what the desk gives for this route
      const response = jsonReply(reply, 200);
      response.headers.set(ROUTE_HEADER, routeHeader(routing, usage));
      response.headers.set(CACHE_HEADER, cacheHeaderOf(routing));
      return response;
    }
    return answerStream(
      {
        work: (signal, onText, onPlace, pace) =>
          within(clock, deadlineMs, signal, (limited) =>
            desk.call("query", request, { signal: limited, onText, onPlace, pace }),
          ),
        place: (place) => sseEvent("queued", place),
        head: "",
        piece: (text) => sseEvent("token", { text }),
        end: (reply) => sseEvent("reply", reply),
        failure: (error) => sseEvent("error", problemOf(toErrorRecord(error), request.requestId)),
      },
      clock,
      c.req.raw.signal,
    );
  };
