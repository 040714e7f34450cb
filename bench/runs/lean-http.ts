// HTTP/1.1 over one kept connection, one request at a time: what it costs the load generator is a
// fraction of node:http's, so that on two cores more of them are left for what is measured.

import { once } from "node:events";
import { connect } from "node:net";

export interface LeanReply {
  readonly status: number;
  readonly body: string;
}

export interface LeanConnection {
  /** False once the server has closed it, as it does with idle ones. */
  readonly isOpen: boolean;
  /** Sends JSON, or lines of JSON. Rejects when the connection ends. */
  post(path: string, body: string, type?: string): Promise<LeanReply>;
  get(path: string): Promise<LeanReply>;
  close(): void;
}

/** `url`: http://HOST:PORT. */
export async function openLean(url: string, token: string): Promise<LeanConnection> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay(true);
  await once(socket, "connect");
  let text = "";
  let waiting: PromiseWithResolvers<LeanReply> | undefined;
  socket.setEncoding("latin1"); // one character a byte: lengths are those of the head
  socket.on("data", (piece: string) => {
    text += piece;
    const reply = readReply(text);
    if (reply === undefined) return;
    text = "";
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(reply);
  });
  const fail = (error: unknown): void =>
    waiting?.reject(new Error(`the connection ended: ${String(error)} ${text.slice(0, 400)}`));
  socket.on("error", fail).on("close", fail);
  const common = `host: ${host}\r\nauthorization: Bearer ${token}\r\n`;

  function send(request: string): Promise<LeanReply> {
    waiting = Promise.withResolvers();
    socket.write(request);
    return waiting.promise;
  }
  return {
    get isOpen() {
      return !socket.destroyed && socket.writable;
    },
    post: (path, body, type = "application/json") =>
      send(
        `POST ${path} HTTP/1.1\r\n${common}content-type: ${type}\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      ),
    get: (path) => send(`GET ${path} HTTP/1.1\r\n${common}\r\n`),
    close: () => void socket.destroy(),
  };
}

/** Undefined until all of it is there. */
function readReply(text: string): LeanReply | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = text.slice(0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (length !== undefined) {
    const body = text.slice(end + 4);
    return body.length < Number(length) ? undefined : { status, body };
  }
  if (!head.includes("transfer-encoding: chunked")) return { status, body: "" };
  if (!text.endsWith("0\r\n\r\n")) return undefined;
  return { status, body: chunksOf(text.slice(end + 4)) };
}

function chunksOf(text: string): string {
  let body = "";
  let at = 0;
  for (;;) {
    const line = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, line), 16);
    if (!(size > 0)) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
}
