// Says one thing to a topic of an MQTT 3.1.1 broker, or hears what a topic holds. One connection for each,
// closed after it: outputs are switched now and then.
//
// MT1. Whatever comes from the broker is bounded and read whole or not at all; it never throws here.
// Facts: OASIS MQTT 3.1.1, sections 2.2 and 3.

import { connect } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";

export interface Broker {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export interface Packet {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

const [CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT] = [1, 2, 3, 4, 8, 9, 14];
const PACKET_BYTES_MAX = 65_536;

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(bytes.length);
  return Buffer.concat([head, bytes]);
};

function packet(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  let left = body.length;
  do {
    length.push((left % 128) + (left > 127 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.concat([Buffer.from([type * 16 + flags, ...length]), body]);
}

/** The first whole packet and what is behind it. `broken`: this is no MQTT. */
export function takePacket(held: Buffer): { packet: Packet; rest: Buffer } | "broken" | undefined {
  let length = 0;
  for (let at = 1; at < 5; at += 1) {
    const byte = held[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (at - 1);
    if (length > PACKET_BYTES_MAX) return "broken";
    if (byte > 127) continue;
    const end = at + 1 + length;
    if (held.length < end) return undefined;
    const first = held[0] ?? 0;
    return {
      packet: { type: first >> 4, flags: first & 15, body: held.subarray(at + 1, end) },
      rest: held.subarray(end),
    };
  }
  return "broken";
}

/** The words of a PUBLISH; undefined where it cannot be read. */
export function wordsOf({ flags, body }: Packet): { topic: string; words: string } | undefined {
  if (body.length < 2) return undefined;
  const topicEnd = 2 + body.readUInt16BE(0);
  const from = topicEnd + ((flags & 6) > 0 ? 2 : 0);
  if (body.length < from) return undefined;
  return { topic: body.toString("utf8", 2, topicEnd), words: body.toString("utf8", from) };
}

/** One conversation. `onPacket` gives its result, or undefined to hear on. */
function converse<T>(
  { host, port, user, password }: Broker,
  begin: Buffer,
  onPacket: (packet: Packet) => T | undefined,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let held = Buffer.alloc(0);
    const end = (finish: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      finish();
    };
    const fail = (why: string): void =>
      end(() => reject(new GantryError("unreachable", `The MQTT broker ${host}:${port} ${why}`)));
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("error", () => fail("does not answer"));
    socket.on("close", () => fail("ended the connection"));
    socket.on("connect", () => {
      const flags = 2 + (user === undefined ? 0 : 128) + (password === undefined ? 0 : 64);
      const credentials = [user, password].filter((word) => word !== undefined).map(text);
      const head = Buffer.from([4, flags, 0, 30]); // protocol level 4, clean session, keep alive 30 s
      socket.write(packet(CONNECT, 0, text("MQTT"), head, text(""), ...credentials));
    });
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      for (;;) {
        const taken = takePacket(held);
        if (taken === undefined) return;
        if (taken === "broken") return fail("speaks something else"); // MT1
        held = Buffer.from(taken.rest);
        const { type, body } = taken.packet;
        if (type === CONNACK) {
          if (body[1] !== 0) return fail("refuses this user");
          socket.write(begin);
          continue;
        }
        const result = onPacket(taken.packet);
        if (result === undefined) continue;
        socket.write(packet(DISCONNECT, 0));
        return end(() => resolve(result));
      }
    });
  });
}

/** Resolves when the broker has it. Throws unreachable or the signal's reason. */
export async function sayToTopic(
  broker: Broker,
  topic: string,
  words: string,
  signal: AbortSignal,
): Promise<void> {
  const publish = packet(PUBLISH, 2, text(topic), Buffer.from([0, 1]), Buffer.from(words)); // QoS 1
  await converse(broker, publish, ({ type }) => (type === PUBACK ? true : undefined), signal);
}

/** What the topic holds or says next. Throws unreachable or the signal's reason. */
export function hearTopic(broker: Broker, topic: string, signal: AbortSignal): Promise<string> {
  const subscribe = packet(SUBSCRIBE, 2, Buffer.from([0, 1]), text(topic), Buffer.from([0]));
  return converse(
    broker,
    subscribe,
    (heard) => {
      if (heard.type === SUBACK || heard.type !== PUBLISH) return undefined;
      const said = wordsOf(heard);
      return said?.topic === topic ? said.words : undefined;
    },
    signal,
  );
}
