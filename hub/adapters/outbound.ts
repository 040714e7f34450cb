// Requests of workflows to the world, over node's own HTTP. The only way out for them.
//
// OB1. The address that was checked is the one that is connected to: a name is looked up once, every
//      answer is checked, and the connection is pinned to the first (no second look-up to rebind).
// OB2. A redirect is a new request: checked again, followed at most REDIRECTS_MAX times, and without
//      credentials once it leaves the origin.
// OB3. The answer is bounded in bytes and the whole of it in time.
// OB4. What was answered with a redirect may have been done: a fault on the way on is `outcome_unknown`,
//      but for GET and HEAD.

import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Egress } from "./egress.ts";

const REDIRECTS_MAX = 5;
/** Of a request they would say where it goes or how long it is, which is ours to say. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const CREDENTIALS = ["authorization", "cookie", "idempotency-key", "x-api-key"];

export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly bytesMax: number;
  readonly timeoutMs: number;
  /** How many redirects are followed; left out: REDIRECTS_MAX. */
  readonly redirectsMax?: number;
}

export interface OutboundReply {
  readonly status: number;
  /** Lower-case names; of several values the text that joins them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export interface Outbound {
  /**
   * Whatever the status. Throws egress_denied, bad_request (no address, a header that is ours),
   * unreachable, timeout, too_large, cancelled.
   */
  send(request: OutboundRequest, signal: AbortSignal): Promise<OutboundReply>;
}

export type Lookup = (host: string) => Promise<readonly string[]>;

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address);

export function makeOutbound(egress: Egress, clock: Clock, lookup: Lookup = lookupAll): Outbound {
  async function pin(url: URL): Promise<string> {
    egress.checkUrl(url);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    let addresses: readonly string[];
    try {
      addresses = isIP(host) === 0 ? await lookup(host) : [host];
    } catch (cause) {
      throw new GantryError("unreachable", `The name ${host} is not known`, { cause });
    }
    for (const address of addresses) egress.checkAddress(url, address); // OB1: all of them
    const [first] = addresses;
    if (first === undefined)
      throw new GantryError("unreachable", `The name ${host} has no address`);
    return first;
  }

  return {
    async send(request, signal) {
      const limited = clock.timeout(request.timeoutMs, signal); // OB3
      let url = parse(request.url);
      let { method, body } = request;
      let headers = headersOf(request.headers);
      const redirectsMax = request.redirectsMax ?? REDIRECTS_MAX;
      for (let hop = 0; ; hop += 1) {
        const reply = await untilAborted(pin(url), limited)
          .then((address) =>
            exchange({ url, address, method, headers, body }, request.bytesMax, limited),
          )
          .catch((error: unknown) => {
            throw toldOnward(request, hop, error);
          });
        const { location } = reply.headers;
        const isRedirect =
          [301, 302, 303, 307, 308].includes(reply.status) && location !== undefined;
        if (!isRedirect) return reply;
        if (hop === redirectsMax)
          throw toldOnward(
            request,
            redirectsMax,
            new GantryError(
              "unreachable",
              `${url.origin} redirects more than ${redirectsMax} times`,
            ),
          );
        const next = parseOr(location, url, (fault) => toldOnward(request, hop + 1, fault));
        if (next.origin !== url.origin) headers = without(headers, CREDENTIALS); // OB2
        if (reply.status === 303 || (reply.status < 303 && method === "POST")) {
          method = method === "HEAD" ? "HEAD" : "GET";
          body = undefined;
          headers = without(headers, ["content-type"]);
        }
        url = next;
      }
    },
  };
}

/** OB4. */
function toldOnward(request: OutboundRequest, hop: number, cause: unknown): unknown {
  const isHarmless = request.method === "GET" || request.method === "HEAD";
  if (hop === 0 || isHarmless || !(cause instanceof GantryError)) return cause;
  return new GantryError(
    "outcome_unknown",
    `The first address answered and named another one, which could not be asked: ${cause.message}`,
    { cause },
  );
}

/** Throws what `told` makes of the fault. */
function parseOr(location: string, base: URL, told: (fault: unknown) => unknown): URL {
  try {
    return parse(location, base);
  } catch (error) {
    throw told(error);
  }
}

interface Exchange {
  readonly url: URL;
  readonly address: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

function exchange(
  { url, address, method, headers, body }: Exchange,
  bytesMax: number,
  signal: AbortSignal,
): Promise<OutboundReply> {
  const family = isIP(address);
  const open = url.protocol === "https:" ? tlsRequest : plainRequest;
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(faultOf(error, url, signal));
    const sent = open(
      url,
      {
        method,
        headers: { ...headers, ...length },
        agent: false,
        signal,
        // OB1: whatever the name says now, this is where we go. node asks for one or for all.
        lookup: (_host, options, done) =>
          options.all === true ? done(null, [{ address, family }]) : done(null, address, family),
      },
      (reply) => {
        collect(reply, bytesMax).then(resolve, fail);
      },
    );
    sent.on("error", fail);
    sent.end(body);
  });
}

async function collect(reply: IncomingMessage, bytesMax: number): Promise<OutboundReply> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax) {
      reply.destroy();
      throw new GantryError("too_large", `The answer is over ${bytesMax} bytes`, {
        details: { bytesMax },
      });
    }
    chunks.push(chunk);
  }
  const headers = Object.entries(reply.headers).map(
    ([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")] as const,
  );
  return {
    status: reply.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    bytes: Buffer.concat(chunks),
  };
}

function faultOf(error: unknown, url: URL, signal: AbortSignal): GantryError {
  if (error instanceof GantryError) return error;
  if (signal.aborted) {
    const reason = reasonOf(signal);
    if (reason instanceof GantryError) return reason;
    return new GantryError("cancelled", `The request to ${url.origin} was given up`);
  }
  const code = (error as NodeJS.ErrnoException).code ?? "no code";
  return new GantryError("unreachable", `${url.origin} cannot be reached (${code})`, {
    cause: error,
  });
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function parse(text: string, from?: URL): URL {
  const url = URL.parse(text, from?.href);
  if (url === null) throw new GantryError("bad_request", `"${text.slice(0, 100)}" is no address`);
  return url;
}

function headersOf(given: Readonly<Record<string, string>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase();
    const isFit =
      /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lower) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
    if (OWN_HEADERS.has(lower) || !isFit)
      throw new GantryError("bad_request", `The header ${lower.slice(0, 60)} cannot be set`);
    headers[lower] = value;
  }
  return headers;
}

const without = (
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
