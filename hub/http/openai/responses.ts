// /v1/responses: answers that may go on from earlier ones. A response is in the log before anybody is
// told that it is completed, so that the next request can name it, at any hub.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import { mintId } from "@gantry/shared/base/ids.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { CompletionReply } from "@gantry/shared/contract/completions.ts";
import type { ResponseItem, ResponseRow } from "@gantry/shared/contract/responses.ts";
import { within } from "../deadline.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { readParams, readRequest, requestOf } from "../input.ts";
import { jsonReply } from "../routes/plain.ts";
import type { DeskRequest } from "../../ports.ts";
import { askModel, type ModelDoor } from "./ask-model.ts";
import { type LiveStream, liveStream, placeComment } from "./live-stream.ts";
import { refuse } from "./parse.ts";
import { makeResponseEvents } from "./response-events.ts";
import { completionOf, readResponse, type ResponseRequest } from "./response-request.ts";
import {
  outputOf,
  type ResponseEnd,
  type ResponseHead,
  responseOf,
  statusOf,
} from "./response-shape.ts";
import { routeHeaders } from "./route-headers.ts";

export const responses =
  (door: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "responseMade");
    const request = readResponse(read.body);
    const before = await itemsBefore(door, c, read, request);
    const asked = completionOf(request, before);
    const nowMs = door.clock.now();
    const head: ResponseHead = {
      id: `resp_${mintId("msg", nowMs, door.random).slice("msg_".length)}`,
      createdAtMs: nowMs,
      request,
    };
    if (request.isStream) return streamed(door, c, read, head, asked);
    const reply = await askModel(door, read, asked, { signal: c.req.raw.signal });
    const response = responseOf(head, endOf(reply, outputOf(head, reply)));
    await keep(door, read, head, response, c.req.raw.signal);
    const made = jsonReply(response, 200);
    for (const [name, value] of routeHeaders(reply)) made.headers.set(name, value);
    return made;
  };

const endOf = (reply: CompletionReply, output: readonly ResponseItem[]): ResponseEnd => ({
  status: statusOf(reply),
  model: reply.routing.model,
  output,
  usage: reply.usage,
});

/** What was asked and answered before, in order. Throws bad_request where it is not there. */
async function itemsBefore(
  door: DoorDeps,
  c: DoorContext,
  read: DeskRequest,
  { body }: ResponseRequest,
): Promise<readonly ResponseItem[]> {
  const { previous_response_id: id } = body;
  if (typeof id !== "string") return [];
  const request = { ...read, params: { id }, query: {}, body: undefined };
  const chain = await chainOf(door, c, request).catch((cause: unknown) => {
    if (!(cause instanceof GantryError) || cause.code !== "not_found") throw cause;
    throw refuse("previous_response_id", `there is no response "${id}"`);
  });
  return chain.flatMap(({ input, response: { output } }) => [
    ...input,
    ...(Array.isArray(output) ? (output as ResponseItem[]) : []), // as response-shape.ts made it
  ]);
}

function chainOf(
  { desk, clock }: DoorDeps,
  c: DoorContext,
  request: DeskRequest,
): Promise<readonly ResponseRow[]> {
  return within(clock, TIMEOUT.proposeMs, c.req.raw.signal, async (signal) => {
    const rows = await desk.call("response", request, { signal });
    return rows as readonly ResponseRow[]; // what the desk gives for this route
  });
}

/** Nothing for `store: false`. */
async function keep(
  { desk, clock }: DoorDeps,
  read: DeskRequest,
  { id, request }: ResponseHead,
  response: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<void> {
  if (!request.isKept) return;
  const { previous_response_id: previous } = request.body;
  const body = {
    id,
    input: request.input,
    response,
    ...(typeof previous === "string" ? { previous } : {}),
  };
  const { replay: _replay, ...asked } = read; // the question had the key
  await within(clock, TIMEOUT.proposeMs, signal, (limited) =>
    desk.call("responseMade", { ...asked, body }, { signal: limited }),
  );
}

function streamed(
  door: ModelDoor,
  c: DoorContext,
  read: DeskRequest,
  head: ResponseHead,
  asked: ReturnType<typeof completionOf>,
): Promise<Response> {
  const events = makeResponseEvents(head);
  const work: LiveStream["work"] = async (signal, say, pace) => {
    const reply = await askModel(door, read, asked, {
      signal,
      pace,
      onPlace: (place) => say(placeComment(place)),
      onText: (text) => say(events.begin() + events.feed(text)),
    });
    const begun = events.begin();
    const { text, output } = events.close(reply);
    const end = endOf(reply, output);
    await keep(door, read, head, responseOf(head, end), signal);
    return begun + text + events.end(end.status === "incomplete" ? "incomplete" : "completed", end);
  };
  const failure = (error: unknown): string => {
    const { code, message } = toErrorRecord(error);
    const model = head.request.body.model ?? "gantry";
    const end: ResponseEnd = { status: "failed", model, output: [], error: { code, message } };
    return events.begin() + events.end("failed", end);
  };
  return liveStream({ work, failure }, door.clock, c.req.raw.signal);
}

async function oneOf(deps: DoorDeps, c: DoorContext, route: "response" | "responseItems") {
  const params = readParams(c, route);
  const request = requestOf(c, route, { params, query: { isAlone: true }, body: undefined });
  const [row] = await chainOf(deps, c, request);
  if (row === undefined) throw new GantryError("not_found", "There is no such response");
  return row;
}

export const response =
  (deps: DoorDeps): Handler =>
  async (c) =>
    jsonReply((await oneOf(deps, c, "response")).response, 200);

/** The newest first, as OpenAI lists them by default. */
export const responseItems =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { id, input } = await oneOf(deps, c, "responseItems");
    const isOldestFirst = c.req.query("order") === "asc";
    const named = input.map((item, index) => ({
      id: `item_${id.replace(/^resp_/, "")}_${index}`,
      ...item,
    }));
    const data = isOldestFirst ? named : named.toReversed();
    const [first, last] = [data[0]?.id ?? null, data.at(-1)?.id ?? null];
    return jsonReply(
      { object: "list", data, first_id: first, last_id: last, has_more: false },
      200,
    );
  };

export const responseDropped =
  ({ desk, clock }: DoorDeps): Handler =>
  async (c) => {
    const params = readParams(c, "responseDropped");
    const request = requestOf(c, "responseDropped", { params, query: {}, body: undefined });
    await within(clock, TIMEOUT.proposeMs, c.req.raw.signal, (signal) =>
      desk.call("responseDropped", request, { signal }),
    );
    return jsonReply({ id: params["id"], object: "response", deleted: true }, 200);
  };
