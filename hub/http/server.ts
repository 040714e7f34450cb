// The listening socket: one port for the whole door, over plain HTTP/1.1 or over TLS with HTTP/2.
//
// SV1. A client that is slow with its headers loses its connection; one that is slow with its body
//      loses it when nothing has come for IDLE_MS. Streams may last for ever.
// SV2. Closing: no new connection, no new request on an old one; what is under way may end within
//      DRAIN_MS, event streams are ended at once, then every socket goes.

import { createServer, type IncomingMessage, Server, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer, type Http2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { DoorEnv } from "./door.ts";
import { errorResponse } from "./problem.ts";
import { isSocketRequest, makeSockets } from "./sockets.ts";

const HEADERS_MS = 10_000;
/** Less than the parent's TIMEOUT.stopMs, so that a door with a slow request still ends by itself. */
const DRAIN_MS = 0.8 * TIMEOUT.stopMs;
const IDLE_MS = 60_000;
/** Above what proxies keep (HAProxy 10 s, nginx 60 s): they close first, not we under a request. */
const KEEP_ALIVE_MS = 75_000;
const HEADER_BYTES_MAX = 16_384;
const CONNECTIONS_MAX = 2_000;

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** PEM. Without it the door speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Longest wait for whole headers; HEADERS_MS by default. */
  readonly headersMs?: number;
  /** Longest silence within a body; IDLE_MS by default. */
  readonly idleMs?: number;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** SV2. `endStreams` ends the event streams. Resolves when the last socket is closed. */
  close(endStreams: () => Promise<void>): Promise<void>;
}

/** Throws port_busy, or bad_config for an address that is not ours. */
export async function listen(
  app: Hono<DoorEnv>,
  options: ListenOptions,
  clock: Clock,
): Promise<HttpServer> {
  const handle = getRequestListener(app.fetch, { errorHandler: unreadable });
  const server = options.tls === undefined ? plainServer(options) : tlsServer(options.tls);
  const life = watchConnections(server);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    void handle(request, response); // it catches everything itself
  });
  server.on(
    "upgrade",
    makeSockets(app, options.tls === undefined ? "http" : "https", clock).upgrade,
  );
  const { address, port } = await bind(server, options);

  return {
    host: address,
    port,
    async close(endStreams) {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      life.close();
      await endStreams();
      const ended = new AbortController();
      const deadline = clock.sleep(DRAIN_MS, ended.signal).catch(() => undefined);
      await Promise.race([closed, deadline]);
      ended.abort();
      life.destroy();
      await closed;
    },
  };
}

/** For what is HTTP but no address of ours could be made of it, so the app never saw it. */
function unreadable(cause: unknown): Response {
  const error = new GantryError("bad_request", "The address or the Host cannot be read", { cause });
  return errorResponse(error, "", "none");
}

type AnyServer = Server | Http2SecureServer;

function plainServer({ headersMs = HEADERS_MS, idleMs = IDLE_MS }: ListenOptions): Server {
  const server = createServer({
    headersTimeout: headersMs, // SV1
    requestTimeout: 0, // uploads of 256 MB over Wi-Fi take what they take
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(headersMs, 5_000),
    maxHeaderSize: HEADER_BYTES_MAX,
    shouldUpgradeCallback: isSocketRequest, // any other upgrade that a client offers is not taken
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", (request: IncomingMessage) => dropSlowBody(request, idleMs));
  return server;
}

const tlsServer = (tls: NonNullable<ListenOptions["tls"]>): Http2SecureServer =>
  createSecureServer({
    ...tls,
    allowHTTP1: true,
    minVersion: "TLSv1.2",
    settings: { maxConcurrentStreams: 200 },
  });

interface Connections {
  /** Idle ones end now, the others with their last answer. */
  close(): void;
  /** All end now. */
  destroy(): void;
}

function watchConnections(server: AnyServer): Connections {
  const sockets = new Set<Socket>();
  const answering = new Set<ServerResponse>();
  const sessions = new Set<Http2Session>();
  let isClosing = false;

  server.on(server instanceof Server ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session: Http2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    if (isClosing) response.shouldKeepAlive = false;
    answering.add(response);
    response.once("close", () => {
      answering.delete(response);
      if (isClosing && response instanceof ServerResponse) socket.end(); // its head may have promised to keep it
    });
  });

  return {
    close() {
      isClosing = true;
      for (const session of sessions) session.close();
      for (const response of answering) response.shouldKeepAlive = false;
      if (server instanceof Server) server.closeIdleConnections();
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Cuts a body of which nothing came for `idleMs`; once it is whole, the answer may take its time. */
function dropSlowBody(request: IncomingMessage, idleMs: number): void {
  const { headers, socket } = request;
  if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) return;
  request.setTimeout(idleMs, () => socket.destroy());
  request.once("end", () => socket.setTimeout(0));
}

function bind(server: AnyServer, { host, port }: ListenOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>();
  server.once("error", (cause: NodeJS.ErrnoException) => reject(bindError(cause, host, port)));
  server.listen(port, host, () => resolve(server.address() as AddressInfo)); // a TCP server's
  return promise;
}

function bindError(cause: NodeJS.ErrnoException, host: string, port: number): GantryError {
  const where = `${host}:${port}`;
  if (cause.code === "EADDRINUSE") {
    const message = `${where} is in use; stop the other program or set GANTRY_HTTP_PORT`;
    return new GantryError("port_busy", message, { cause, details: { host, port } });
  }
  return new GantryError("bad_config", `Cannot listen on ${where}: ${cause.message}`, { cause });
}
