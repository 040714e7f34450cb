// The least of gRPC that asks etcd for its best: unary calls and one-way streams over HTTP/2 on a plain
// TCP socket, requests of one turn in one write. It costs a client a few microseconds a call, as our own
// client does, so that neither side of the comparison waits for its load generator.
//
// GR1. Response headers are not read: a stream that brought a message and ended has succeeded, one that
//      ended without has failed. etcd answers a failed call without a message.
// GR2. Windows for what comes in are opened wide once; the window for what goes out is kept.

import { once } from "node:events";
import { connect, type Socket } from "node:net";

const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
} as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
const WINDOW_MAX = 0x7fff_ffff;
const FIRST_WINDOW = 65_535;
const INITIAL_WINDOW_SETTING = 4;

export interface Grpc {
  unary(path: string, message: Uint8Array): Promise<Uint8Array>;
  /** Sends one message and hears every answer. */
  stream(path: string, message: Uint8Array, onMessage: (message: Buffer) => void): void;
  close(): void;
}

interface Stream {
  held: Buffer | undefined;
  message: Buffer | undefined;
  readonly onMessage?: (message: Buffer) => void;
  readonly resolve: (message: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export async function openGrpc(host: string, port: number): Promise<Grpc> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  const streams = new Map<number, Stream>();
  let nextId = 1;
  let window = FIRST_WINDOW;
  let blocked: Buffer[] = []; // DATA frames that wait for the window
  const writer = makeTurnWriter(socket);
  const authority = `${host}:${port}`;
  let isFirst = true;

  writer.add(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(INITIAL_WINDOW_SETTING, 0);
  setting.writeUInt32BE(WINDOW_MAX, 2);
  writer.add(frame(FRAME.settings, 0, 0, setting));
  const more = Buffer.alloc(4);
  more.writeUInt32BE(WINDOW_MAX - FIRST_WINDOW, 0);
  writer.add(frame(FRAME.window, 0, 0, more));

  function send(path: string, message: Uint8Array, isLast: boolean, stream: Stream): void {
    const id = nextId;
    nextId += 2;
    streams.set(id, stream);
    writer.add(frame(FRAME.headers, END_HEADERS, id, headersOf(path, authority, isFirst)));
    isFirst = false;
    const body = Buffer.allocUnsafe(5 + message.length);
    body[0] = 0;
    body.writeUInt32BE(message.length, 1);
    body.set(message, 5);
    blocked.push(frame(FRAME.data, isLast ? END_STREAM : 0, id, body));
    sendBlocked();
  }

  function sendBlocked(): void {
    let count = 0;
    for (const each of blocked) {
      const size = each.length - 9;
      if (size > window) break;
      window -= size;
      count += 1;
      writer.add(each);
    }
    blocked = count === blocked.length ? [] : blocked.slice(count);
  }

  function take(type: number, flags: number, id: number, body: Buffer): void {
    switch (type) {
      case FRAME.data:
      case FRAME.headers: {
        const stream = streams.get(id);
        if (stream === undefined) return;
        if (type === FRAME.data) takeData(stream, body);
        if ((flags & END_STREAM) === 0) return;
        streams.delete(id);
        if (stream.message === undefined) stream.reject(new Error("etcd refused a call"));
        else stream.resolve(stream.message);
        return;
      }
      case FRAME.reset:
        streams.get(id)?.reject(new Error("etcd reset a stream"));
        streams.delete(id);
        return;
      case FRAME.settings:
        if ((flags & ACK) === 0) writer.add(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
        return;
      case FRAME.ping:
        if ((flags & ACK) === 0) writer.add(frame(FRAME.ping, ACK, 0, body));
        return;
      case FRAME.goAway:
        for (const stream of streams.values()) stream.reject(new Error("etcd went away"));
        return;
      case FRAME.window:
        if (id !== 0) return; // one small message a stream never fills its own window
        window += body.readUInt32BE(0);
        sendBlocked();
    }
  }

  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    let all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (all.length >= 9) {
      const size = all.readUIntBE(0, 3);
      if (all.length < 9 + size) break;
      take(
        all.readUInt8(3),
        all.readUInt8(4),
        all.readUInt32BE(5) & WINDOW_MAX,
        all.subarray(9, 9 + size),
      );
      all = all.subarray(9 + size);
    }
    rest = all;
  });
  const fail = (error: Error): void => {
    for (const stream of streams.values()) stream.reject(error);
    streams.clear();
  };
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the connection to etcd broke")));

  return {
    unary: (path, message) =>
      new Promise((resolve, reject) => {
        send(path, message, true, { held: undefined, message: undefined, resolve, reject });
      }),
    stream(path, message, onMessage) {
      send(path, message, false, {
        held: undefined,
        message: undefined,
        onMessage,
        resolve: quiet,
        reject: quiet,
      });
    },
    close: () => void socket.destroy(),
  };
}

function takeData(stream: Stream, body: Buffer): void {
  let all = stream.held === undefined ? body : Buffer.concat([stream.held, body]);
  while (all.length >= 5) {
    const size = all.readUInt32BE(1);
    if (all.length < 5 + size) break;
    stream.message = all.subarray(5, 5 + size);
    stream.onMessage?.(stream.message);
    all = all.subarray(5 + size);
  }
  stream.held = all.length === 0 ? undefined : Buffer.from(all);
}

function frame(type: number, flags: number, id: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + body.length);
  bytes.writeUIntBE(body.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(body, 9);
  return bytes;
}

const quiet = (): void => {};
const text = (value: string): number[] => [value.length, ...Buffer.from(value)];

/** HPACK (RFC 7541): what is always the same is put into the table once and named by index after. */
function headersOf(path: string, authority: string, isFirst: boolean): Buffer {
  const post = 0x83; // static table
  const http = 0x86;
  const pathIs = [0x04, ...text(path)]; // literal, not put into the table
  if (!isFirst) return Buffer.from([post, http, ...pathIs, 0xc0, 0xbf, 0xbe]);
  return Buffer.from([
    post,
    http,
    ...pathIs,
    0x41,
    ...text(authority),
    0x5f,
    ...text("application/grpc"),
    0x40,
    ...text("te"),
    ...text("trailers"),
  ]);
}

function makeTurnWriter(socket: Socket): { add(bytes: Buffer): void } {
  let waiting: Buffer[] = [];
  return {
    add(bytes) {
      waiting.push(bytes);
      if (waiting.length > 1) return;
      setImmediate(() => {
        const all = waiting;
        waiting = [];
        if (!socket.destroyed) socket.write(all.length === 1 ? (all[0] ?? "") : Buffer.concat(all));
      });
    },
  };
}
