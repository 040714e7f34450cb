// Reading a request's body: bounded, as UTF-8, as JSON that is not too deep.

import { GantryError } from "@gantry/shared/base/errors.ts";

const DEPTH_MAX = 64;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json$/;

/** Lower case, without parameters; empty if there is none. */
export const mediaTypeOf = (headers: Headers): string =>
  (headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";

/** Throws too_large if the headers already promise more than `bytesMax`. */
export function assertPromisedSize(headers: Headers, bytesMax: number): void {
  const promised = headers.get("content-length");
  if (promised !== null && !(Number(promised) <= bytesMax)) throw tooLarge(bytesMax);
}

/** Throws unsupported_media for compressed bodies: a bound on bytes must be a bound on what is read. */
export function assertPlain(headers: Headers): void {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding === "identity") return;
  throw new GantryError(
    "unsupported_media",
    `Content-Encoding ${encoding.slice(0, 40)} is not read`,
  );
}

/** The body as it comes. Throws too_large once more than `bytesMax` came, also without a length. */
export async function* readChunks(request: Request, bytesMax: number): AsyncGenerator<Uint8Array> {
  assertPlain(request.headers);
  assertPromisedSize(request.headers, bytesMax);
  if (request.body === null) return;
  let sizeBytes = 0;
  for await (const chunk of request.body as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > bytesMax) throw tooLarge(bytesMax);
    yield chunk;
  }
}

/**
 * The body as JSON; undefined if it is empty. Throws too_large, unsupported_media (not called JSON) or
 * bad_json (not UTF-8, not JSON, nested deeper than 64).
 */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const bytes = await readAll(request, bytesMax);
  if (bytes.byteLength === 0) return undefined;
  const type = mediaTypeOf(request.headers);
  if (!JSON_TYPE.test(type)) {
    throw new GantryError("unsupported_media", `Content-Type is "${type.slice(0, 60)}"`);
  }
  const value = parse(bytes);
  assertShallow(value);
  return value;
}

async function readAll(request: Request, bytesMax: number): Promise<Uint8Array> {
  if (request.headers.has("content-length")) {
    assertPlain(request.headers);
    assertPromisedSize(request.headers, bytesMax); // the parser below us holds the body to it
    return new Uint8Array(await request.arrayBuffer());
  }
  return Buffer.concat(await Array.fromAsync(readChunks(request, bytesMax)));
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? cause.message.slice(0, 200) : "it is not UTF-8";
    throw new GantryError("bad_json", `The body cannot be read: ${why}`, { cause });
  }
}

/** One level at a time, never by recursion: a body of a million `[` must not break the stack. */
function assertShallow(value: unknown): void {
  let level = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) throw new GantryError("bad_json", "The body is nested too deeply");
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? Object.values(item) : [],
    );
  }
}

const tooLarge = (bytesMax: number): GantryError =>
  new GantryError("too_large", `The body is over ${bytesMax} bytes`, { details: { bytesMax } });
