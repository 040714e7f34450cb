// HTTP to printers, over node:http: one connection a request, no redirects, bounded replies.
//
// HC1. A body is sent with its length, piece by piece as the printer takes it; one that takes nothing
//      for TIMEOUT.printerStallMs is given up.
// HC2. What was asked is not repeated here: whether it was carried out is the caller's question.
// HC3. No header and no body is in an error: they may carry keys.

import { Agent, type IncomingMessage, request as requestPlain } from "node:http";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";

export interface HttpBody {
  readonly sizeBytes: number;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface HttpAsk {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | HttpBody;
}

export interface HttpReply {
  readonly status: number;
  readonly body: string;
  header(name: string): string | undefined;
}

/** Gives any reply, whatever its status. Rejects with unreachable, timeout or the signal's reason. */
export type HttpSend = (ask: HttpAsk, signal: AbortSignal) => Promise<HttpReply>;

const plainAgent = new Agent({ keepAlive: false });
const tlsAgent = new TlsAgent({ keepAlive: false });

export const makeHttpSend =
  (clock: Clock): HttpSend =>
  (ask, signal) =>
    exchange(ask, clock, signal);

async function exchange(ask: HttpAsk, clock: Clock, signal: AbortSignal): Promise<HttpReply> {
  signal.throwIfAborted();
  const { method, url, body } = ask;
  const isTls = url.protocol === "https:";
  const request = (isTls ? requestTls : requestPlain)(url, {
    method,
    agent: isTls ? tlsAgent : plainAgent,
    headers: { ...ask.headers, ...(body === undefined ? {} : { "content-length": sizeOf(body) }) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<HttpReply>();
  let isAnswered = false;
  const onAbort = (): void => void request.destroy(reasonOf(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  request.on("error", (cause) => reject(faultOf(cause, url)));
  request.on("close", () => {
    if (!isAnswered) reject(faultOf(undefined, url));
  });
  request.on("response", (response) => {
    isAnswered = true; // its own end or error decides now
    void read(response).then(resolve, reject);
  });
  promise.catch(() => undefined); // seen below; the body may fail first
  try {
    if (typeof body === "object") await write(body, request, clock, signal);
    request.end(typeof body === "string" ? body : undefined);
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    request.destroy();
  }
}

const sizeOf = (body: string | HttpBody): number =>
  typeof body === "string" ? Buffer.byteLength(body) : body.sizeBytes;

type Request = ReturnType<typeof requestPlain>;

/** HC1. A printer that answers before it has everything has its answer read instead. */
async function write(
  body: HttpBody,
  request: Request,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let isAnswered = false;
  request.once("response", () => (isAnswered = true));
  const isOver = (): boolean => isAnswered || request.destroyed;
  for await (const chunk of body.chunks()) {
    if (isOver()) return;
    if (request.write(chunk)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const event of ["drain", "response", "close"]) request.once(event, resolve);
    const stalled = clock.timeout(TIMEOUT.printerStallMs, signal);
    const onStall = (): void => void request.destroy(reasonOf(stalled));
    stalled.addEventListener("abort", onStall, { once: true });
    await promise;
    stalled.removeEventListener("abort", onStall);
    for (const event of ["drain", "response", "close"]) request.off(event, resolve);
  }
}

async function read(response: IncomingMessage): Promise<HttpReply> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      sizeBytes += part.length;
      if (sizeBytes > LIMIT.printerReplyBytes.max) {
        throw new GantryError("too_large", "The printer's answer is too long");
      }
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof GantryError) throw cause;
    throw new GantryError("unreachable", "The printer's answer broke off", { cause });
  }
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(parts).toString("utf8"),
    header(name) {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** HC3: the system's code, not what was sent. */
function faultOf(cause: NodeJS.ErrnoException | undefined, { host }: URL): GantryError {
  if (cause instanceof GantryError) return cause;
  const why = cause?.code ?? "the connection was closed";
  return new GantryError("unreachable", `${host} does not answer: ${why}`);
}

/** Throws what a reply that is not 2xx means; `details.isRefused` where the printer said no. */
export function assertGood({ status }: HttpReply, what: string): void {
  if (status >= 200 && status < 300) return;
  const details = { isRefused: status >= 400 && status < 500, status };
  if (status === 401 || status === 403) {
    const message = `The printer does not take our key (${what}: ${status}); check the key`;
    throw new GantryError("unauthenticated", message, { details });
  }
  throw new GantryError("device_fault", `The printer answers ${status} to ${what}`, { details });
}

const CRLF = "\r\n";

/** A multipart/form-data body of a file and some fields. `boundary` must not be in the file. */
export function multipart(
  boundary: string,
  fields: Readonly<Record<string, string>>,
  name: string,
  file: HttpBody,
): { readonly headers: Readonly<Record<string, string>>; readonly body: HttpBody } {
  const part = (disposition: string): string =>
    `--${boundary}${CRLF}Content-Disposition: form-data; ${disposition}${CRLF}`;
  const head = Buffer.from(
    Object.entries(fields)
      .map(([key, value]) => `${part(`name="${key}"`)}${CRLF}${value}${CRLF}`)
      .join("") +
      `${part(`name="file"; filename="${name}"`)}Content-Type: application/octet-stream${CRLF}${CRLF}`,
  );
  const tail = Buffer.from(`${CRLF}--${boundary}--${CRLF}`);
  return {
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: {
      sizeBytes: head.length + file.sizeBytes + tail.length,
      async *chunks() {
        yield head;
        yield* file.chunks();
        yield tail;
      },
    },
  };
}
