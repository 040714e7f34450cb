// Test equipment: as much of MQTT 3.1.1 as a simulated printer needs to be its own broker.

export type MqttPacket =
  | { readonly kind: "connect"; readonly user: string; readonly password: string }
  | { readonly kind: "subscribe"; readonly id: number; readonly topic: string }
  | {
      readonly kind: "publish";
      readonly id: number | undefined;
      readonly topic: string;
      readonly text: string;
    }
  | { readonly kind: "ping" }
  | { readonly kind: "other" };

/** Takes bytes as they come and gives whole packets. */
export function makeMqttReader(): (bytes: Buffer) => readonly MqttPacket[] {
  let held: Buffer = Buffer.alloc(0);
  return (bytes) => {
    held = Buffer.concat([held, bytes]);
    const packets: MqttPacket[] = [];
    for (;;) {
      const frame = takeFrame(held);
      if (frame === undefined) return packets;
      packets.push(parse(held.readUInt8(0), held.subarray(frame.start, frame.end)));
      held = held.subarray(frame.end);
    }
  };
}

function takeFrame(held: Buffer): { readonly start: number; readonly end: number } | undefined {
  let size = 0;
  for (let at = 1; at < 5; at += 1) {
    const byte = held[at];
    if (byte === undefined) return undefined;
    size += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) {
      const end = at + 1 + size;
      return held.length < end ? undefined : { start: at + 1, end };
    }
  }
  return undefined;
}

function parse(head: number, body: Buffer): MqttPacket {
  let at = 0;
  const number = (): number => {
    at += 2;
    return body.readUInt16BE(at - 2);
  };
  const text = (): string => {
    const size = number();
    at += size;
    return body.toString("utf8", at - size, at);
  };
  switch (head >> 4) {
    case 1:
      text(); // MQTT
      at += 4; // level, flags, keep-alive
      text(); // the client's id
      return { kind: "connect", user: text(), password: text() };
    case 3: {
      const topic = text();
      const id = (head & 6) === 0 ? undefined : number();
      return { kind: "publish", topic, id, text: body.toString("utf8", at) };
    }
    case 8:
      return { kind: "subscribe", id: number(), topic: text() };
    case 12:
      return { kind: "ping" };
    default:
      return { kind: "other" };
  }
}

export const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code]);

export const shortPacket = (head: number, id: number, rest: readonly number[] = []): Buffer =>
  Buffer.from([head, 2 + rest.length, id >> 8, id & 255, ...rest]);

/** QoS 0. */
export function publishPacket(topic: string, text: string): Buffer {
  const name = Buffer.from(topic);
  const body = Buffer.concat([
    Buffer.from([name.length >> 8, name.length & 255]),
    name,
    Buffer.from(text),
  ]);
  const size: number[] = [];
  for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
    size.push(rest > 127 ? (rest % 128) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([0x30, ...size]), body]);
}
