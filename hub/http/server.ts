// The listening socket: one port for the whole door, over plain HTTP/1.1 or over TLS with HTTP/2.
//
// SV1. A client that is slow with its headers loses its connection; one that is slow with its body
//      loses it when nothing has come for IDLE_MS. Streams may last for ever.
// SV2. Closing: no new connection, no new request on an old one; what is under way may end within
//      TIMEOUT.stopMs, event streams are ended at once, then every socket goes.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { DoorEnv } from "./door.ts";

const HEADERS_MS = 10_000;
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
  /** For tests; HEADERS_MS by default. */
  readonly headersMs?: number;
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
  const handle = getRequestListener(app.fetch);
  let isClosing = false;
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (isClosing) response.setHeader("connection", "close");
    void handle(request, response); // it catches everything itself
  };
  const server =
    options.tls === undefined ? plainServer(options, onRequest) : tlsServer(options, handle);
  const { address, port } = await bind(server, options);

  return {
    host: address,
    port,
    async close(endStreams) {
      isClosing = true;
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      closeIdle(server);
      await endStreams();
      closeIdle(server);
      const ended = new AbortController();
      const deadline = clock.sleep(TIMEOUT.stopMs, ended.signal).catch(() => undefined);
      await Promise.race([closed, deadline]);
      ended.abort();
      closeAll(server);
      await closed;
    },
  };
}

type AnyServer = Server | Http2SecureServer;

function plainServer(
  { headersMs }: ListenOptions,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const server = createServer(
    {
      headersTimeout: headersMs ?? HEADERS_MS, // SV1
      requestTimeout: 0, // uploads of 256 MB over Wi-Fi take what they take
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(headersMs ?? HEADERS_MS, 5_000),
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    onRequest,
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on("request", (request: IncomingMessage) => dropSlowBody(request));
  return server;
}

function tlsServer(
  { tls }: ListenOptions,
  onRequest: ReturnType<typeof getRequestListener>,
): Http2SecureServer {
  const server = createSecureServer({
    ...tls,
    allowHTTP1: true,
    minVersion: "TLSv1.2",
    settings: { maxConcurrentStreams: 200 },
  });
  server.on("request", (request, response) => void onRequest(request, response));
  return server;
}

/** Cuts a body of which nothing came for IDLE_MS; once it is whole, the answer may take its time. */
function dropSlowBody(request: IncomingMessage): void {
  const { socket } = request;
  socket.setTimeout(IDLE_MS, () => {
    if (!request.complete) socket.destroy();
  });
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

function closeIdle(server: AnyServer): void {
  if ("closeIdleConnections" in server) server.closeIdleConnections();
}

function closeAll(server: AnyServer): void {
  if ("closeAllConnections" in server) server.closeAllConnections();
}
