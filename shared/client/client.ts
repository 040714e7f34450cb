// The typed client of the hub's HTTP API: one method per route, made from the table of routes.
//
// CL1. Every call may be repeated, because every one that changes something carries an
//      Idempotency-Key: with one hub it is tried twice (RETRY.interactive), with several until its
//      time is over. Where the key cannot help (an upload that gives its bytes once) there is one try.
// CL2. Every call ends: by its reply, by its time-out, or by the caller's signal.
// CL3. Only GantryErrors come out. One request id belongs to a client and goes with every call.
// CL4. A hub that does not answer is left for the next one at once; only when all of them said no is
//      their Retry-After waited for.
// CL5. An answer that breaks off is asked for again under the same key, and what was given already is
//      not given twice.
// CL6. Nothing of zod is loaded: schemas are here as types only.

import { backoffMs } from "../base/backoff.ts";
import { GantryError } from "../base/errors.ts";
import { mintId } from "../base/ids.ts";
import { RETRY, type RetryPolicy, TIMEOUT } from "../base/policy.ts";
import type { Random } from "../base/prng.ts";
import { type Route, type RouteName, ROUTES } from "../contract/routes.ts";
import type { QueryReply, QueryRequest } from "../contract/schemas/asking.ts";
import type { BodyOf, QueryOf, ReplyOf } from "../contract/schemas/table.ts";
import { attempt, type AttemptContext } from "../flow/attempt.ts";
import type { Clock } from "../flow/clock.ts";
import { type AnswerPiece, readAnswer } from "./answer.ts";
import { makeHubs, withoutSlash } from "./hubs.ts";
import { problemOf, transportError } from "./problem.ts";
import { type PrintFile, uploadBody } from "./upload.ts";
import { type FeedEvent, type FeedOptions, watchEvents } from "./watch.ts";

export interface ClientOptions {
  /** `http://HOST:PORT`; a path below it is kept. */
  readonly baseUrl: string;
  /** Other hubs of the same cluster, to turn to when this one does not answer. */
  readonly others?: readonly string[];
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
  readonly [
    N in Exclude<RouteName, "events" | "backup" | "cadFile" | "modelFile" | "artifactContent">
  ]: (
    ...input: CallOptions extends CallInput<N> ? [CallInput<N>?] : [CallInput<N>]
  ) => Promise<ReplyOf<N>>;
};

export interface Download {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Undefined where the hub did not say. */
  readonly sizeBytes: number | undefined;
}

export interface Client extends RouteCalls {
  readonly baseUrl: string;
  readonly requestId: string;
  /** Asks and gives the answer piece by piece; the last piece is the whole reply. */
  stream(question: QueryRequest, options?: CallOptions): AsyncGenerator<AnswerPiece, QueryReply>;
  /** Live events for ever; resumes by itself after the last one it gave. */
  events(options: FeedOptions): AsyncGenerator<FeedEvent, void>;
  /** One page of past events. */
  eventsPage(query: QueryOf<"events">, options?: CallOptions): Promise<ReplyOf<"events">>;
  /** The whole backup, as it comes. Not repeated: its bytes are of one moment. */
  download(options?: CallOptions): Promise<Download>;
  /** A file of a part, as it comes. */
  /** The bytes of an artifact, or of one file of a document. */
  artifactFile(
    which: { readonly id: string; readonly format?: string },
    options?: CallOptions,
  ): Promise<Download>;
  partFile(
    part: { readonly id: string; readonly file: string },
    options?: CallOptions,
  ): Promise<Download>;
  /** Sends a print as multipart, in pieces: never the whole file in memory. */
  upload(file: PrintFile, options?: CallOptions): Promise<ReplyOf<"printSubmitted">>;
}

export function makeClient(options: ClientOptions): Client {
  const { clock, random, token } = options;
  const send = options.fetch ?? fetch;
  const hubs = makeHubs([options.baseUrl, ...(options.others ?? [])], clock);
  const baseUrl = withoutSlash(options.baseUrl);
  const requestId = options.requestId ?? mintId("req", clock.now(), random);
  const never = new AbortController().signal;

  function headersOf(route: Route, call: CallOptions): Headers {
    const headers = new Headers({ accept: "application/json", "x-request-id": requestId });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    if (call.ifRevision !== undefined) headers.set("if-match", String(call.ifRevision));
    if (route.method !== "GET") {
      headers.set("idempotency-key", call.idempotencyKey ?? mintId("req", clock.now(), random));
    }
    return headers;
  }

  /** One try, at the hub whose turn it is: a successful response, or the error that it stands for. */
  async function open(path: string, init: RequestInit, signal: AbortSignal): Promise<Opened> {
    const address = hubs.current;
    let response: Response;
    try {
      response = await send(`${address}${path}`, { ...init, signal, redirect: "error" });
    } catch (error) {
      hubs.failed(address);
      throw transportError(error, address, signal);
    }
    const problem = response.ok ? undefined : await problemOf(response, address);
    hubs.answered(address, problem?.kind.http !== 503);
    if (problem === undefined) return { response, address };
    const { address: leader } = problem.details;
    if (problem.code === "not_leader" && typeof leader === "string") hubs.follow(leader);
    throw problem;
  }

  /** CL4. */
  const waits = (): Pick<AttemptContext, "waitMs"> => {
    let said = 0;
    return {
      waitMs(error, failures) {
        const usualMs = backoffMs(RETRY.interactive.backoff, failures, random);
        if (!(error instanceof GantryError)) return usualMs;
        if (error.code === "not_leader") return NEXT_MS;
        said += 1;
        if (said % hubs.all.length !== 0) return NEXT_MS;
        const { retryAfterS } = error.details;
        return typeof retryAfterS === "number" ? Math.max(usualMs, 1_000 * retryAfterS) : usualMs;
      },
    };
  };

  async function readJson({ response, address }: Opened, signal: AbortSignal): Promise<unknown> {
    try {
      const isText = response.headers.get("content-type")?.startsWith("text/plain") === true;
      return await (isText ? response.text() : response.json());
    } catch (error) {
      if (error instanceof SyntaxError) {
        throw new GantryError("unreachable", `${address} answered, but not as a Gantry hub does`);
      }
      hubs.failed(address);
      throw transportError(error, address, signal);
    }
  }

  async function call(name: RouteName, input: LooseInput): Promise<unknown> {
    const route = ROUTES[name];
    const path = `${pathOf(route, input)}${queryText(input.query)}`;
    const headers = headersOf(route, input);
    const init: RequestInit = { method: route.method, headers };
    if (route.method === "POST" || route.method === "PUT" || route.method === "PATCH") {
      headers.set("content-type", "application/json");
      init.body = JSON.stringify(input.body ?? {});
    }
    const policy = policyOf(name, route, input.timeoutMs, hubs.all.length);
    const signal = input.signal ?? never;
    return await attempt(
      async (trial) => await readJson(await open(path, init, trial), trial),
      policy,
      { clock, random, signal, ...waits() },
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
    const policy = { ...followPolicy(hubs.all.length), tryMs: limitMs, totalMs: limitMs };
    const given = makeGiven();
    for (let breaks = 0; ;) {
      const { response, address } = await attempt(
        async () => await open(ROUTES.query.path, init, signal),
        policy,
        { clock, random, signal, ...waits() },
      );
      try {
        for await (const piece of readAnswer(response, address, signal)) {
          if (piece.kind === "reply") {
            yield piece;
            return piece.reply;
          }
          if (piece.kind === "queued") {
            yield piece;
            continue;
          }
          const text = given.fresh(piece.text);
          if (text === "") continue;
          breaks = 0;
          yield { kind: "token", text };
        }
        throw new GantryError("interrupted", "The answer broke off before its end");
      } catch (error) {
        breaks += 1;
        if (signal.aborted || !isBreak(error) || breaks >= BREAKS_MAX) throw error;
        hubs.failed(address);
        given.again(); // CL5
        await clock.sleep(backoffMs(RETRY.interactive.backoff, breaks, random), signal);
      }
    }
  }

  async function upload(
    file: PrintFile,
    options: CallOptions = {},
  ): Promise<ReplyOf<"printSubmitted">> {
    const route = ROUTES.printSubmitted;
    const headers = headersOf(route, options);
    const limitMs = options.timeoutMs ?? UPLOAD_MS;
    const isRepeatable = typeof file.bytes === "function";
    const policy = isRepeatable
      ? followPolicy(hubs.all.length)
      : { ...RETRY.interactive, triesMax: 1 };
    const reply = await attempt(
      async (trial) => {
        const { contentType, body } = uploadBody(file, mintId("req", clock.now(), random));
        headers.set("content-type", contentType);
        const init: RequestInit = { method: "POST", headers, body, duplex: "half" };
        return await readJson(await open(route.path, init, trial), trial);
      },
      { ...policy, tryMs: limitMs, totalMs: limitMs },
      { clock, random, signal: options.signal ?? never, ...waits() },
    );
    return reply as ReplyOf<"printSubmitted">; // the hub's own schema checked it
  }

  const download = (options: CallOptions = {}): Promise<Download> =>
    fetchBytes(ROUTES.backup, ROUTES.backup.path, options);

  const artifactFile: Client["artifactFile"] = ({ id, format }, options = {}) => {
    const path = ROUTES.artifactContent.path.replace(":id", encodeURIComponent(id));
    const query = format === undefined ? "" : `?format=${encodeURIComponent(format)}`;
    return fetchBytes(ROUTES.artifactContent, `${path}${query}`, options);
  };

  const partFile: Client["partFile"] = ({ id, file }, options = {}) => {
    const [to, of] = [encodeURIComponent(id), encodeURIComponent(file)];
    const path = ROUTES.cadFile.path.replace(":id", to).replace(":file", of);
    return fetchBytes(ROUTES.cadFile, path, options);
  };

  async function fetchBytes(route: Route, path: string, options: CallOptions): Promise<Download> {
    const headers = headersOf(route, options);
    headers.set("accept", "*/*");
    const signal = options.signal ?? never;
    const policy = { ...followPolicy(hubs.all.length), tryMs: DOWNLOAD_MS, totalMs: DOWNLOAD_MS };
    const { response, address } = await attempt(
      async () => await open(path, { headers }, signal),
      policy,
      { clock, random, signal, ...waits() },
    );
    const length = response.headers.get("content-length");
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      try {
        for await (const piece of response.body ?? []) yield piece;
      } catch (error) {
        throw transportError(error, address, signal);
      }
    }
    return { bytes: pieces(), sizeBytes: length === null ? undefined : Number(length) };
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
    download,
    partFile,
    artifactFile,
    events: (feed) =>
      watchEvents(feed, {
        clock,
        random,
        address: () => hubs.current,
        open: async (query, lastId, signal) => {
          const headers = headersOf(ROUTES.events, {});
          headers.set("accept", "text/event-stream");
          if (lastId !== undefined) headers.set("last-event-id", lastId);
          const path = `${ROUTES.events.path}${queryText(query)}`;
          return (await open(path, { headers }, signal)).response;
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
  runPatchProposed: TIMEOUT.answerMs,
  chatCompletions: TIMEOUT.answerMs,
  embeddings: TIMEOUT.answerMs,
  exec: TIMEOUT.commandMs + TIMEOUT.proposeMs,
  stop: TIMEOUT.stopMs + TIMEOUT.proposeMs,
};

/** A hub that is silent is left after this long, where there is another one. */
const SILENT_MS = 4_000;
/** Before the next hub is tried. */
const NEXT_MS = 20;
/** Times in a row that an answer may break off without one new piece. */
const BREAKS_MAX = 6;
/** Until the first byte of a backup: the hub copies its rows first. */
const DOWNLOAD_MS = 600_000;

/** How often and with what pauses, with so many hubs. */
const followPolicy = (hubCount: number): RetryPolicy =>
  hubCount === 1 ? RETRY.interactive : { ...RETRY.interactive, triesMax: 1_000 };

/** CL1. */
function policyOf(
  name: RouteName,
  route: Route,
  timeoutMs: number | undefined,
  hubCount: number,
): RetryPolicy {
  const isRead = route.method === "GET";
  const waitMs = WAITS[name];
  const isAlone = hubCount === 1;
  // Long enough for an election, where another hub may lead in a moment.
  const readMs = isAlone ? RETRY.interactive.totalMs : TIMEOUT.proposeMs;
  const totalMs = timeoutMs ?? (isRead ? readMs : (waitMs ?? TIMEOUT.proposeMs));
  const isShort = !isAlone && waitMs === undefined && timeoutMs === undefined;
  const tryMs = isShort ? Math.min(SILENT_MS, totalMs) : totalMs;
  return { ...followPolicy(hubCount), tryMs, totalMs };
}

/** The connection or its hub is gone; the question may well be answered elsewhere. */
const isBreak = (error: unknown): boolean => error instanceof GantryError && BREAKS.has(error.code);
const BREAKS: ReadonlySet<string> = new Set([
  "unreachable",
  "interrupted",
  "no_leader",
  "not_leader",
  "stopping",
  "starting",
  "outcome_unknown",
]);

interface Opened {
  readonly response: Response;
  readonly address: string;
}

interface Given {
  /** What of this piece was not given yet. */
  fresh(text: string): string;
  /** The answer begins anew. */
  again(): void;
}

/** CL5. Where the second answer says something else, nothing more is given: its reply has it all. */
function makeGiven(): Given {
  let given = "";
  let heard = "";
  return {
    fresh(text) {
      const before = heard;
      heard += text;
      if (heard.length <= given.length) return "";
      if (!heard.startsWith(given)) return "";
      const fresh = heard.slice(Math.max(before.length, given.length));
      given = heard;
      return fresh;
    },
    again() {
      heard = "";
    },
  };
}

/** Throws bad_request for a parameter that is missing or empty. */
function pathOf(route: Route, input: LooseInput): string {
  return route.path.replaceAll(/(?<=\/):([a-z]+)/gi, (_, name: string) => {
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
