// The typed client of the hub's HTTP API: one method per route, made from the table of routes.
//
// CL1. A GET is tried twice (RETRY.interactive). A POST is tried twice as well, because it always
//      carries an Idempotency-Key; PUT and DELETE are sent once.
// CL2. Every call ends: by its reply, by its time-out, or by the caller's signal.
// CL3. Only GantryErrors come out. One request id belongs to a client and goes with every call.
// CL4. Nothing of zod is loaded: schemas are here as types only.

import { GantryError } from "../base/errors.ts";
import { mintId } from "../base/ids.ts";
import { RETRY, type RetryPolicy, TIMEOUT } from "../base/policy.ts";
import type { Random } from "../base/prng.ts";
import { type Route, type RouteName, ROUTES } from "../contract/routes.ts";
import type { BodyOf, QueryOf, QueryReply, QueryRequest, ReplyOf } from "../contract/schemas.ts";
import { attempt } from "../flow/attempt.ts";
import type { Clock } from "../flow/clock.ts";
import { type AnswerPiece, readAnswer } from "./answer.ts";
import { problemOf, transportError } from "./problem.ts";
import { type PrintFile, uploadBody } from "./upload.ts";
import { type FeedEvent, type FeedOptions, watchEvents } from "./watch.ts";

export interface ClientOptions {
  /** `http://HOST:PORT`; a path below it is kept. */
  readonly baseUrl: string;
  /** Absent for public routes only. */
  readonly token?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch?: typeof fetch;
  /** Minted when absent. */
  readonly requestId?: string;
}

type ParamsOf<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & ParamsOf<`/${Rest}`>
  : Path extends `${string}/:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;
type With<Key extends string, T> = T extends undefined ? unknown : { readonly [K in Key]: T };

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Longest time for all tries together, ms. */
  readonly timeoutMs?: number;
  /** Minted when absent; a caller that repeats a POST by itself gives the same one again. */
  readonly idempotencyKey?: string;
  readonly ifRevision?: number;
}
export type CallInput<N extends RouteName> = ParamsOf<(typeof ROUTES)[N]["path"]> &
  With<"body", BodyOf<N>> &
  (QueryOf<N> extends undefined ? unknown : { readonly query?: QueryOf<N> }) &
  CallOptions;

/** `client.devices()`, `client.print({ id })`, `client.flagSet({ key, body: { value } })`, ... */
export type RouteCalls = {
  readonly [N in Exclude<RouteName, "events">]: (
    ...input: CallOptions extends CallInput<N> ? [CallInput<N>?] : [CallInput<N>]
  ) => Promise<ReplyOf<N>>;
};

export interface Client extends RouteCalls {
  readonly baseUrl: string;
  readonly requestId: string;
  /** Asks and gives the answer piece by piece; the last piece is the whole reply. */
  stream(question: QueryRequest, options?: CallOptions): AsyncGenerator<AnswerPiece, QueryReply>;
  /** Live events for ever; resumes by itself after the last one it gave. */
  events(options: FeedOptions): AsyncGenerator<FeedEvent, void>;
  /** One page of past events. */
  eventsPage(query: QueryOf<"events">, options?: CallOptions): Promise<ReplyOf<"events">>;
  /** Sends a print as multipart, in pieces: never the whole file in memory. */
  upload(file: PrintFile, options?: CallOptions): Promise<ReplyOf<"printSubmitted">>;
}

export function makeClient(options: ClientOptions): Client {
  const { clock, random, token } = options;
  const send = options.fetch ?? fetch;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const requestId = options.requestId ?? mintId("req", clock.now(), random);
  const never = new AbortController().signal;

  function headersOf(route: Route, call: CallOptions): Headers {
    const headers = new Headers({ accept: "application/json", "x-request-id": requestId });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (call.ifRevision !== undefined) headers.set("if-match", String(call.ifRevision));
    if (route.method === "POST") {
      headers.set("idempotency-key", call.idempotencyKey ?? mintId("req", clock.now(), random));
    }
    return headers;
  }

  /** One try: a successful response, or the error that it stands for. */
  async function open(url: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await send(url, { ...init, signal, redirect: "error" });
    } catch (error) {
      throw transportError(error, baseUrl, signal);
    }
    if (!response.ok) throw await problemOf(response, baseUrl);
    return response;
  }

  async function readJson(response: Response, signal: AbortSignal): Promise<unknown> {
    try {
      const isText = response.headers.get("content-type")?.startsWith("text/plain") === true;
      return await (isText ? response.text() : response.json());
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw new GantryError("unreachable", `${baseUrl} answered, but not as a Gantry hub does`);
      }
      throw transportError(error, baseUrl, signal);
    }
  }

  async function call(name: RouteName, input: LooseInput): Promise<unknown> {
    const route = ROUTES[name];
    const url = `${baseUrl}${pathOf(route, input)}${queryText(input.query)}`;
    const headers = headersOf(route, input);
    const init: RequestInit = { method: route.method, headers };
    if (route.method === "POST" || route.method === "PUT") {
      headers.set("content-type", "application/json");
      init.body = JSON.stringify(input.body ?? {});
    }
    const policy = policyOf(name, route, input.timeoutMs);
    const signal = input.signal ?? never;
    return await attempt(
      async (trial) => await readJson(await open(url, init, trial), trial),
      policy,
      { clock, random, signal },
    );
  }

  async function* stream(
    question: QueryRequest,
    options: CallOptions = {},
  ): AsyncGenerator<AnswerPiece, QueryReply> {
    const headers = headersOf(ROUTES.query, options);
    headers.set("content-type", "application/json");
    headers.set("accept", "text/event-stream, application/json");
    const body = JSON.stringify({ ...question, stream: true });
    const init = { method: "POST", headers, body };
    const limitMs = options.timeoutMs ?? TIMEOUT.answerMs;
    const signal = clock.timeout(limitMs, options.signal);
    // Only the opening is repeated: once text has come, repeating would say it twice.
    const policy = { ...RETRY.interactive, tryMs: limitMs, totalMs: limitMs };
    const response = await attempt(
      async () => await open(`${baseUrl}${ROUTES.query.path}`, init, signal),
      policy,
      { clock, random, signal },
    );
    return yield* readAnswer(response, baseUrl, signal);
  }

  async function upload(
    file: PrintFile,
    options: CallOptions = {},
  ): Promise<ReplyOf<"printSubmitted">> {
    const route = ROUTES.printSubmitted;
    const { contentType, body } = uploadBody(file, mintId("req", clock.now(), random));
    const headers = headersOf(route, options);
    headers.set("content-type", contentType);
    const signal = clock.timeout(options.timeoutMs ?? UPLOAD_MS, options.signal);
    // A stream can be sent only once, so an upload is never repeated by itself.
    const init: RequestInit = { method: "POST", headers, body, duplex: "half" };
    const response = await open(`${baseUrl}${route.path}`, init, signal);
    return (await readJson(response, signal)) as ReplyOf<"printSubmitted">;
  }

  const names = Object.keys(ROUTES) as RouteName[];
  const calls = Object.fromEntries(
    names.map((name) => [name, (input: LooseInput = {}) => call(name, input)]),
  );
  return {
    // Each method has its route's types: `call` passes on what the hub's own schema checked.
    ...(calls as unknown as RouteCalls),
    baseUrl,
    requestId,
    stream,
    upload,
    events: (feed) =>
      watchEvents(feed, {
        clock,
        random,
        baseUrl,
        open: (query, lastId, signal) => {
          const headers = headersOf(ROUTES.events, {});
          headers.set("accept", "text/event-stream");
          if (lastId !== undefined) headers.set("last-event-id", lastId);
          return open(`${baseUrl}${ROUTES.events.path}${queryText(query)}`, { headers }, signal);
        },
      }),
    eventsPage: async (query, options = {}) => {
      const page = { ...query, format: "json" };
      return (await call("events", { ...options, query: page })) as ReplyOf<"events">;
    },
  };
}

interface LooseInput extends CallOptions {
  readonly body?: unknown;
  readonly query?: unknown;
  readonly [param: string]: unknown;
}

/** 268 MB, the largest file, at 1 MB/s and some. */
const UPLOAD_MS = 6 * TIMEOUT.fabricationCommandMs;

/** How long a person waits for what is not a plain read or write. */
const WAITS: Partial<Readonly<Record<RouteName, number>>> = {
  query: TIMEOUT.answerMs,
  chatCompletions: TIMEOUT.answerMs,
  embeddings: TIMEOUT.answerMs,
  exec: TIMEOUT.commandMs + TIMEOUT.proposeMs,
  stop: TIMEOUT.stopMs + TIMEOUT.proposeMs,
};

/** CL1. */
function policyOf(name: RouteName, route: Route, timeoutMs: number | undefined): RetryPolicy {
  const isRead = route.method === "GET";
  const usualMs = isRead ? RETRY.interactive.totalMs : (WAITS[name] ?? TIMEOUT.proposeMs);
  const limitMs = timeoutMs ?? usualMs;
  const triesMax = isRead || route.method === "POST" ? RETRY.interactive.triesMax : 1;
  return { ...RETRY.interactive, triesMax, tryMs: limitMs, totalMs: limitMs };
}

/** Throws bad_request for a parameter that is missing or empty. */
function pathOf(route: Route, input: LooseInput): string {
  return route.path.replaceAll(/:([a-z]+)/gi, (_, name: string) => {
    const value = input[name];
    if (typeof value !== "string" || value === "") {
      throw new GantryError("bad_request", `${route.path} needs ${name}`);
    }
    return encodeURIComponent(value);
  });
}

function queryText(query: unknown): string {
  if (typeof query !== "object" || query === null) return "";
  const set = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}
