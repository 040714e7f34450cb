// Event streams over WebSocket: the same paths, guards, cursors and readers as the server-sent ones. An
// upgrade asks the app for the stream, and only where that says yes the socket is taken.
//
// WS1. Whatever refuses a stream refuses a socket: the answer is that HTTP response. Besides, a page of
//      somebody else's is refused whatever it brings: no other protection stands before a socket.
// WS2. A viewer holds one piece of the stream and no more: the next one is made when the piece before has
//      left. Who takes none for TIMEOUT.socketStuckMs, or answers no ping before the next one, is dropped.
// WS3. Nothing is read from a viewer: its first message ends the socket.

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Hono } from "hono";
import { WebSocket, WebSocketServer } from "ws";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makeSseParser, type SseEvent } from "@gantry/shared/client/sse.ts";
import { type Route, ROUTES } from "@gantry/shared/contract/routes.ts";
import { CLOSE, type SocketMessage } from "@gantry/shared/contract/sockets.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { DoorEnv } from "./door.ts";
import { assertOwnPage } from "./guard.ts";
import { errorResponse } from "./problem.ts";

export const isSocketRequest = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === "websocket";

export interface Sockets {
  /** For `upgrade` of the server; takes over the connection. */
  readonly upgrade: (request: IncomingMessage, connection: Duplex, head: Buffer) => void;
}

export function makeSockets(app: Hono<DoorEnv>, scheme: "http" | "https", clock: Clock): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // its memory for each viewer has no bound of ours
    maxPayload: LIMIT.socketMessageBytes.max,
  });

  async function open(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    gone: AbortController,
  ): Promise<void> {
    const response = await streamFor(app, scheme, request, gone.signal);
    const { body, status } = response;
    if (gone.signal.aborted) return body?.cancel();
    if (status !== 200 || body === null) return refuse(connection, response);
    server.handleUpgrade(request, connection, head, (socket) => {
      void serve(socket, body, clock).finally(() => gone.abort());
    });
  }

  return {
    upgrade(request, connection, head) {
      const gone = new AbortController();
      connection.once("close", () => gone.abort());
      connection.on("error", () => connection.destroy());
      open(request, connection, head, gone).catch(() => connection.destroy());
    },
  };
}

/** Paths whose answer is a stream, as patterns. */
const STREAMS: readonly RegExp[] = (Object.values(ROUTES) as readonly Route[])
  .filter(({ stream }) => stream === "sse")
  .map(({ path }) => new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`));

/** WS1. */
async function streamFor(
  app: Hono<DoorEnv>,
  scheme: string,
  incoming: IncomingMessage,
  signal: AbortSignal,
): Promise<Response> {
  const { url = "", method } = incoming;
  try {
    const at = new URL(url, `${scheme}://${incoming.headers.host ?? ""}`);
    if (method !== "GET" || !STREAMS.some((path) => path.test(at.pathname)))
      throw new GantryError("not_found", `There is no stream at ${at.pathname.slice(0, 200)}`);
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (typeof value === "string" && !name.startsWith("sec-websocket-")) headers.set(name, value);
    }
    assertOwnPage(headers, at, false);
    headers.set("accept", "text/event-stream");
    const response = await app.fetch(new Request(at, { headers, signal }), { incoming });
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
    if (response.status !== 200 || isStream) return response;
    await response.body?.cancel();
    throw new GantryError("bad_request", "This address gives one answer, and no stream");
  } catch (error) {
    if (error instanceof GantryError) return errorResponse(error, url.slice(0, 200), "none");
    const unread = new GantryError("bad_request", "The address or the Host cannot be read");
    return errorResponse(unread, "", "none");
  }
}

async function refuse(connection: Duplex, response: Response): Promise<void> {
  const text = await response.text();
  const { status, headers } = response;
  headers.set("content-length", String(Buffer.byteLength(text)));
  headers.set("connection", "close");
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`;
  connection.end([head, ...lines, "", text].join("\r\n"));
}

/** Until the stream or the viewer is gone. Never rejects. */
async function serve(
  socket: WebSocket,
  body: ReadableStream<Uint8Array>,
  clock: Clock,
): Promise<void> {
  const reader = body.getReader();
  const parser = makeSseParser();
  let isAnswering = true;
  let toldId: string | undefined;
  socket.on("pong", () => {
    isAnswering = true;
  });
  socket.on("error", () => socket.terminate());
  socket.once("close", () => void reader.cancel().catch(() => undefined));
  socket.once("message", () => socket.close(CLOSE.nothingIsRead, "nothing is read here")); // WS3

  async function say(events: readonly SseEvent[]): Promise<void> {
    for (const { type, data, id } of events) {
      toldId = id ?? toldId;
      await send(socket, messageOf(type, data, id), clock);
    }
    if (events.length > 0) return;
    if (parser.lastId !== undefined && parser.lastId !== toldId) {
      toldId = parser.lastId;
      await send(socket, messageOf("position", undefined, toldId), clock);
    }
    if (!isAnswering) return socket.terminate(); // WS2
    isAnswering = false;
    socket.ping();
  }

  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || socket.readyState !== WebSocket.OPEN) break;
      await say(parser.push(value));
    }
    socket.close(CLOSE.goingAway, "the stream is over");
    const waited = new AbortController();
    socket.once("close", () => waited.abort());
    if (socket.readyState !== WebSocket.CLOSED)
      await clock.sleep(TIMEOUT.socketFarewellMs, waited.signal).catch(() => undefined);
  } catch {
    // the viewer is gone, or stuck
  }
  socket.terminate();
  await reader.cancel().catch(() => undefined);
}

/** `data` is JSON already and goes out as it is. As SocketMessage. */
function messageOf(event: string, data: string | undefined, id: string | undefined): string {
  const head: SocketMessage = { event, ...(id === undefined ? {} : { id: Number(id) }) };
  const text = JSON.stringify(head);
  return data === undefined ? text : `${text.slice(0, -1)},"data":${data}}`;
}

/** WS2: resolves when it has left this process. */
async function send(socket: WebSocket, text: string, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.send(text, (error) => (error instanceof Error ? reject(error) : resolve()));
  if (socket.bufferedAmount === 0) return promise; // the kernel has it
  const sent = new AbortController();
  const stuck = clock.sleep(TIMEOUT.socketStuckMs, sent.signal).then(
    () => Promise.reject(new GantryError("timeout", "The viewer takes nothing")),
    () => undefined,
  );
  try {
    await Promise.race([promise, stuck.then(() => promise)]);
  } finally {
    sent.abort();
  }
}
