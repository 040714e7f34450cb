// Wyoming's frame: one JSON line, then JSON of `data_length` bytes, then `payload_length` bytes
// (rhasspy/wyoming, wyoming/event.py). Data may stand in the line as well; the second part wins.
//
// WY1. Whatever the bytes are, the decoder gives events or throws bad_frame, and never holds more than
//      one frame's bounds: a length is refused before a byte of it is waited for.
// WY2. Pieces of any size give the same events as one piece.

import { GantryError } from "../base/errors.ts";

export interface WyomingEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
}

export const WYOMING_VERSION = "1.7.2";
/** Far above what anybody sends: an `info` of many services has some 20 KB, a chunk of sound 2 to 64 KB. */
export const WYOMING_BOUNDS = {
  lineBytes: 65_536,
  dataBytes: 1_048_576,
  payloadBytes: 1_048_576,
} as const;

const LINE_FEED = 10;
const NOTHING = new Uint8Array(0);

export function encodeWyoming(
  type: string,
  data: Readonly<Record<string, unknown>> = {},
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const encoder = new TextEncoder();
  const hasData = Object.keys(data).length > 0;
  const second = hasData ? encoder.encode(JSON.stringify(data)) : NOTHING;
  const header = {
    type,
    version: WYOMING_VERSION,
    ...(hasData ? { data_length: second.byteLength } : {}),
    ...(payload.byteLength > 0 ? { payload_length: payload.byteLength } : {}),
  };
  const line = encoder.encode(`${JSON.stringify(header)}\n`);
  return concat([line, second, payload]);
}

export interface WyomingDecoder {
  /** Throws bad_frame; the connection is worth nothing after that. */
  push(bytes: Uint8Array): readonly WyomingEvent[];
}

interface Header {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly dataBytes: number;
  readonly payloadBytes: number;
}

export function makeWyomingDecoder(bounds: typeof WYOMING_BOUNDS = WYOMING_BOUNDS): WyomingDecoder {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let header: Header | undefined;

  /** One piece again; rare, because what is waited for is known beforehand. */
  function whole(): Uint8Array {
    const [first, ...others] = pieces;
    const all = others.length === 0 ? (first ?? NOTHING) : concat(pieces);
    pieces = [all];
    return all;
  }

  function drop(count: number): void {
    const rest = whole().subarray(count);
    pieces = rest.byteLength === 0 ? [] : [rest];
    held = rest.byteLength;
  }

  function nextHeader(): Header | undefined {
    const bytes = whole();
    const end = bytes.indexOf(LINE_FEED);
    if (end > bounds.lineBytes || (end < 0 && bytes.byteLength > bounds.lineBytes)) {
      throw bad(`its line has over ${bounds.lineBytes} bytes`);
    }
    if (end < 0) return undefined;
    const found = headerOf(bytes.subarray(0, end), bounds);
    drop(end + 1);
    return found;
  }

  return {
    push(bytes) {
      if (bytes.byteLength > 0) pieces.push(bytes);
      held += bytes.byteLength;
      const events: WyomingEvent[] = [];
      while (held > 0 || header !== undefined) {
        header ??= nextHeader();
        if (header === undefined) break;
        const { type, data, dataBytes, payloadBytes } = header;
        if (held < dataBytes + payloadBytes) break;
        const body = whole();
        const second = dataBytes === 0 ? {} : objectOf(body.subarray(0, dataBytes), "its data");
        const payload = body.slice(dataBytes, dataBytes + payloadBytes);
        drop(dataBytes + payloadBytes);
        header = undefined;
        events.push({ type, data: { ...data, ...second }, payload });
      }
      return events;
    },
  };
}

function headerOf(line: Uint8Array, bounds: typeof WYOMING_BOUNDS): Header {
  const fields = objectOf(line, "its line");
  const { type, data = {} } = fields;
  if (typeof type !== "string" || type === "" || type.length > 100) throw bad("it has no type");
  if (!isObject(data)) throw bad("its inline data is no object");
  const dataBytes = lengthOf(fields["data_length"], bounds.dataBytes, "data");
  const payloadBytes = lengthOf(fields["payload_length"], bounds.payloadBytes, "payload");
  return { type, data, dataBytes, payloadBytes };
}

/** WY1. */
function lengthOf(value: unknown, max: number, what: string): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw bad(`its ${what}_length is no length`);
  }
  if (value > max) throw bad(`its ${what} has over ${max} bytes`);
  return value;
}

function objectOf(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad(`${what} is not JSON`, cause);
  }
  if (!isObject(value)) throw bad(`${what} is no JSON object`);
  return value;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const bad = (why: string, cause?: unknown): GantryError =>
  new GantryError("bad_frame", `A frame of Wyoming cannot be read: ${why}`, { cause });

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
