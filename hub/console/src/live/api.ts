// Calls to the hub. Same origin only; the session cookie is HttpOnly and never seen here.
//
//   A1. Every call has a time-out. A 401 ends the session in this tab.
//   A2. Every POST carries an Idempotency-Key, so that a repeat after a lost answer does nothing twice.

import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { QueryReply, QueryRequest } from "@gantry/shared/contract/schemas/asking.ts";
import { sseParser } from "../core/sse.ts";
import { isRecord, type Problem } from "../core/views.ts";
import { change } from "./store.ts";
import { textOf } from "./text-of.ts";

/** A call that did not end well, with what a person should read about it. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, options?: { readonly cause: unknown }) {
    super(problem.detail, options);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

export interface CallOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** An object goes as JSON, a form as multipart. */
  readonly body?: object;
  readonly timeoutMs?: number;
  /** Given again for a repeat of the same request. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Throws ProblemError only. `T` is the reply of the route: hub and console are one release. */
export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(path, options);
  return (await response.json()) as T;
}

export const post = <T>(path: string, body: object = {}): Promise<T> =>
  call<T>(path, { method: "POST", body });

/**
 * Asks and reads the answer as it is written. `onText` gets the pieces in order, `onPlace` the place
 * in the queue while the question waits. Throws ProblemError,
 * with code `cancelled` when `signal` was aborted.
 */
export async function ask(
  body: QueryRequest,
  onText: (text: string) => void,
  onPlace: (place: Place) => void,
  signal: AbortSignal,
): Promise<QueryReply> {
  const options = { method: "POST", body: { ...body, stream: true }, signal } as const;
  const response = await send("/api/query", { ...options, timeoutMs: TIMEOUT.answerMs });
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) {
    return (await response.json()) as QueryReply;
  }
  const parser = sseParser();
  try {
    for await (const text of textOf(response)) {
      for (const message of parser.push(text)) {
        const data: unknown = JSON.parse(message.data);
        if (message.type === "reply") return data as QueryReply;
        if (message.type === "error") throw new ProblemError(problemFrom(data, response.status));
        if (message.type === "queued" && isRecord(data)) onPlace(placeOf(data));
        if (message.type === "token" && isRecord(data)) onText(String(data["text"]));
      }
    }
  } catch (error) {
    throw asProblem(error, signal);
  }
  throw new ProblemError(CUT_OFF);
}

/** In the queue of a model. */
export interface Place {
  readonly position: number;
  /** Where one was measured. */
  readonly etaMs?: number;
}

function placeOf({ position, etaMs }: Readonly<Record<string, unknown>>): Place {
  const eta = typeof etaMs === "number" ? { etaMs } : {};
  return { position: Number(position), ...eta };
}

/** 128 bits in hex. crypto.randomUUID is missing on pages without TLS. */
export const newKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");

async function send(path: string, options: CallOptions): Promise<Response> {
  const { method = "GET", body, timeoutMs = TIMEOUT.fabricationCommandMs, signal } = options;
  const timeout = AbortSignal.timeout(timeoutMs);
  const isForm = body instanceof FormData;
  try {
    const response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: {
        accept: "application/json, text/event-stream",
        ...(body === undefined || isForm ? {} : { "content-type": "application/json" }),
        ...(method === "POST" ? { "idempotency-key": options.key ?? newKey() } : {}),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    if (response.ok) return response;
    if (response.status === 401 && path !== "/api/session") change({ session: { kind: "out" } });
    throw new ProblemError(problemFrom(await response.json().catch(() => null), response.status));
  } catch (error) {
    throw asProblem(error, signal);
  }
}

function asProblem(error: unknown, signal: AbortSignal | undefined): ProblemError {
  if (error instanceof ProblemError) return error;
  const problem = signal?.aborted === true ? CANCELLED : isTimeout(error) ? TIMED_OUT : UNREACHABLE;
  return new ProblemError(problem, { cause: error });
}

const isTimeout = (error: unknown): boolean =>
  error instanceof DOMException && error.name === "TimeoutError";

function problemFrom(value: unknown, status: number): Problem {
  const fields = isRecord(value) ? value : {};
  const text = (name: string, otherwise: string): string => {
    const field = fields[name];
    return typeof field === "string" ? field : otherwise;
  };
  const details = fields["details"];
  return {
    status,
    code: text("code", `http_${status}`),
    title: text("title", `The hub answered ${status}`),
    detail: text("detail", text("message", "")),
    hint: text("hint", ""),
    requestId: text("requestId", ""),
    ...(isRecord(details) ? { details } : {}),
  };
}

const local = (code: string, title: string, hint: string): Problem => ({
  status: 0,
  code,
  title,
  detail: "",
  hint,
  requestId: "",
});

const CANCELLED = local("cancelled", "You stopped it", "");
const TIMED_OUT = local("timeout", "The hub took too long", "Try again.");
const UNREACHABLE = local(
  "unreachable",
  "The hub cannot be reached",
  "Is it running? On its machine: systemctl status gantry-hub, or npm start.",
);
const CUT_OFF = local("interrupted", "The answer was cut off", "Ask again.");
