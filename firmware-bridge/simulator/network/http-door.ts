// Test equipment: an HTTP server of a simulated printer, with faults, and a WebSocket door where one
// is asked for (RFC 6455, text frames of whole messages, no extensions).

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import {
  GARBAGE,
  noFaults,
  type NetworkFaults,
  type SimulatedDevice,
  takeFault,
} from "./faults.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
  header(name: string): string;
}

export interface Answered {
  readonly status: number;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WebSocketPeer {
  send(text: string): void;
}

export interface HttpDoorHandlers {
  answer(asked: Asked): Answered;
  readonly onSocket?: (peer: WebSocketPeer) => (text: string) => void;
}

export interface HttpDoor extends SimulatedDevice {
  readonly peers: ReadonlySet<WebSocketPeer>;
}

export async function openHttpDoor(handlers: HttpDoorHandlers): Promise<HttpDoor> {
  const faults = noFaults();
  const sockets = new Set<Duplex>();
  const peers = new Set<WebSocketPeer>();
  const server = createServer((request, response) => void reply(request, response));
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });

  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    } catch {
      return; // the client went away
    }
    if (faults.isHung) return;
    const url = new URL(request.url ?? "/", "http://printer");
    const method = request.method ?? "GET";
    const asked: Asked = {
      method,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      body: Buffer.concat(parts),
      header: (name) => String(request.headers[name] ?? ""),
    };
    const isCommand = method !== "GET";
    if (isCommand && takeFault(faults, "refuse")) return end(response, { status: 409 });
    const answered = handlers.answer(asked);
    if (isCommand && takeFault(faults, "loseAnswers")) {
      request.socket.destroy();
      return;
    }
    end(response, answered);
  }

  function end(response: ServerResponse, { status, json, headers = {} }: Answered): void {
    if (takeFault(faults, "garbage")) {
      response.writeHead(200).end(GARBAGE);
      return;
    }
    const text = json === undefined ? "" : JSON.stringify(json);
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
  }

  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    const { onSocket } = handlers;
    const key = request.headers["sec-websocket-key"];
    if (onSocket === undefined || key === undefined) return socket.destroy();
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
    );
    const peer = peerOf(socket, faults);
    peers.add(peer);
    socket.on("close", () => peers.delete(peer));
    const take = onSocket(peer);
    readFrames(socket, (text) => {
      if (!faults.isHung) take(text);
    });
  });

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address has a port
  const disconnect = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${port}`,
    faults,
    peers,
    disconnect,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        disconnect();
      }),
  };
}

function peerOf(socket: Duplex, faults: NetworkFaults): WebSocketPeer {
  return {
    send(text) {
      if (faults.isHung || socket.destroyed) return;
      const payload = Buffer.from(takeFault(faults, "garbage") ? GARBAGE : text);
      const size = payload.length;
      const head =
        size < 126 ? Buffer.from([0x81, size]) : Buffer.from([0x81, 126, size >> 8, size & 255]);
      socket.write(Buffer.concat([head, payload]));
    },
  };
}

/** Client frames are masked; messages here are shorter than 64 KiB and not fragmented. */
function readFrames(socket: Duplex, onText: (text: string) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    for (;;) {
      const frame = takeFrame(held);
      if (frame === undefined) return;
      held = held.subarray(frame.sizeBytes);
      if (frame.opcode === 8) socket.end(Buffer.from([0x88, 0]));
      else if (frame.opcode === 1) onText(frame.payload.toString("utf8"));
    }
  });
}

function takeFrame(
  held: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly sizeBytes: number } | undefined {
  if (held.length < 6) return undefined;
  const short = held.readUInt8(1) & 127;
  const start = short === 126 ? 4 : 2;
  const size = short === 126 ? held.readUInt16BE(2) : short;
  const sizeBytes = start + 4 + size;
  if (held.length < sizeBytes) return undefined;
  const mask = held.subarray(start, start + 4);
  const payload = Buffer.from(held.subarray(start + 4, sizeBytes));
  for (let at = 0; at < size; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return { opcode: held.readUInt8(0) & 15, payload, sizeBytes };
}

/** The file in a multipart body, and its fields. Enough for bodies of this house. */
export function readMultipart(asked: Asked): {
  readonly fields: Readonly<Record<string, string>>;
  readonly name: string;
  readonly bytes: Buffer;
} {
  const boundary = /boundary=(.+)$/.exec(asked.header("content-type"))?.[1] ?? "";
  const fields: Record<string, string> = {};
  let name = "";
  let bytes: Buffer = Buffer.alloc(0);
  const text = asked.body.toString("latin1");
  for (const part of text.split(`--${boundary}`).slice(1, -1)) {
    const cut = part.indexOf("\r\n\r\n");
    const head = part.slice(0, cut);
    const value = part.slice(cut + 4, -2);
    const field = / name="([^"]*)"/.exec(head)?.[1] ?? "";
    const file = /filename="([^"]*)"/.exec(head)?.[1];
    if (file === undefined) fields[field] = value;
    else [name, bytes] = [file, Buffer.from(value, "latin1")];
  }
  return { fields, name, bytes };
}
