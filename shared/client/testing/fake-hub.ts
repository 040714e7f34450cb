// A hub of a few lines for tests of clients: answers what it was told to, and remembers what came.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { ERRORS, type ErrorCode } from "../../base/errors.ts";

export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly body: unknown;
}

/** `nth`: how many requests of this route came before. */
export type Handler = (seen: Seen, reply: ServerResponse, nth: number) => void | Promise<void>;

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[];
  /** `GET /api/devices`; without the query. The last handler of a route counts. */
  on(route: string, handler: Handler): void;
  /** Answers 200 with this JSON, whatever is asked. */
  json(route: string, value: unknown, status?: number): void;
}

export async function makeFakeHub(): Promise<FakeHub> {
  const handlers = new Map<string, Handler>();
  const counts = new Map<string, number>();
  const seen: Seen[] = [];
  const server = createServer((request, reply) => void serve(request, reply));

  async function serve(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += String(piece);
    const { method = "", url = "", headers } = request;
    const one = { method, url, headers, text, body: jsonOf(text) };
    seen.push(one);
    const route = `${method} ${url.split("?", 1)[0] ?? ""}`;
    const nth = counts.get(route) ?? 0;
    counts.set(route, nth + 1);
    const handler = handlers.get(route);
    if (handler === undefined) sendProblem(reply, "not_found", `No handler for ${route}`);
    else await handler(one, reply, nth);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    on: (route, handler) => void handlers.set(route, handler),
    json: (route, value, status = 200) =>
      void handlers.set(route, (_, reply) => sendJson(reply, value, status)),
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function sendJson(reply: ServerResponse, value: unknown, status = 200): void {
  reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** As the hub says errors. */
export function sendProblem(
  reply: ServerResponse,
  code: ErrorCode,
  detail: string,
  details?: Readonly<Record<string, unknown>>,
): void {
  const { http, title, hint, retry } = ERRORS[code];
  const problem = { type: "urn:x", title, status: http, detail, code, hint, retryable: retry };
  reply
    .writeHead(http, { "content-type": "application/problem+json" })
    .end(JSON.stringify({ ...problem, requestId: "req_x", ...(details && { details }) }));
}

/** Opens an event stream; the test writes to `reply` and ends it. */
export function startEvents(reply: ServerResponse): ServerResponse {
  return reply.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
}

export const sseText = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
