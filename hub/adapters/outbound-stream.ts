// Requests whose answer is read as it comes, by the rules of outbound.ts: the address that was checked
// is the one that is connected to, no redirect is followed, and it ends when its signal says so.
//
// OS1. `isSent` of a fault's details: whether the request may have been read. Only a fault before that
//      is one after which surely nothing was done.
// OS2. What is read is bounded in bytes, and in time between two pieces.

import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { Egress } from "./egress.ts";
import type { Lookup } from "./outbound.ts";

export interface StreamRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Until the head of the answer, and between two pieces of it. */
  readonly idleMs: number;
  readonly bytesMax: number;
}

export interface StreamReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Throws interrupted (it broke off), timeout, too_large, cancelled. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

export interface OutboundStreams {
  /** POST. Throws egress_denied, unreachable, timeout, cancelled, each with `details.isSent` (OS1). */
  open(request: StreamRequest, signal: AbortSignal): Promise<StreamReply>;
}

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address);

export function makeOutboundStreams(
  egress: Egress,
  clock: Clock,
  lookup: Lookup = lookupAll,
): OutboundStreams {
  /** As OB1: every address of the name is checked, the first one is used. */
  async function pin(url: URL): Promise<string> {
    egress.checkUrl(url);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const addresses = isIP(host) === 0 ? await lookup(host) : [host];
    for (const address of addresses) egress.checkAddress(url, address);
    const [first] = addresses;
    if (first === undefined) throw unsent("unreachable", `The name ${host} has no address`);
    return first;
  }

  return {
    async open({ url: text, headers, body, idleMs, bytesMax }, signal) {
      const url = URL.parse(text);
      if (url === null) throw unsent("bad_config", "A provider's address is none");
      const address = await pin(url).catch((error: unknown) => {
        if (error instanceof GantryError) throw error;
        throw unsent("unreachable", `The name ${url.hostname} is not known`, error);
      });
      const idle = makeIdle(clock, idleMs, signal);
      try {
        const reply = await exchange(url, address, headers, body, idle.signal);
        return {
          status: reply.statusCode ?? 0,
          headers: headersOf(reply),
          pieces: read(reply, url, idle, bytesMax),
        };
      } catch (error) {
        idle.end();
        throw error;
      }
    },
  };
}

interface Idle {
  readonly signal: AbortSignal;
  again(): void;
  end(): void;
}

/** Aborts with `timeout` when nothing happens for `ms`. */
function makeIdle(clock: Clock, ms: number, parent: AbortSignal): Idle {
  const silent = new AbortController();
  let stop = new AbortController();
  function watch(): void {
    stop = new AbortController();
    clock.sleep(ms, stop.signal).then(
      () => silent.abort(new GantryError("timeout", `The provider was silent for ${ms} ms`)),
      () => {}, // stopped
    );
  }
  watch();
  return {
    signal: AbortSignal.any([silent.signal, parent]),
    again() {
      stop.abort();
      watch();
    },
    end: () => stop.abort(),
  };
}

function exchange(
  url: URL,
  address: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const family = isIP(address);
  const open = url.protocol === "https:" ? tlsRequest : plainRequest;
  let isSent = false;
  return new Promise((resolve, reject) => {
    const sent = open(
      url,
      {
        method: "POST",
        headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
        agent: false,
        signal,
        lookup: (_host, options, done) =>
          options.all === true ? done(null, [{ address, family }]) : done(null, address, family),
      },
      resolve,
    );
    sent.on("socket", (socket) => {
      const event = url.protocol === "https:" ? "secureConnect" : "connect";
      socket.once(event, () => {
        isSent = true; // OS1: from here on bytes may have left
      });
    });
    sent.on("error", (error) => reject(faultOf(error, url, signal, isSent)));
    sent.end(body);
  });
}

async function* read(
  reply: IncomingMessage,
  url: URL,
  idle: Idle,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  const onAbort = (): void => void reply.destroy(reasonOf(idle.signal));
  idle.signal.addEventListener("abort", onAbort, { once: true });
  try {
    idle.signal.throwIfAborted();
    for await (const piece of reply as AsyncIterable<Uint8Array>) {
      idle.again();
      sizeBytes += piece.length;
      if (sizeBytes > bytesMax)
        throw new GantryError("too_large", `The answer is over ${bytesMax} bytes`);
      yield piece;
    }
  } catch (error) {
    throw faultOf(error, url, idle.signal, true);
  } finally {
    idle.end();
    idle.signal.removeEventListener("abort", onAbort);
    reply.destroy();
  }
}

function faultOf(error: unknown, url: URL, signal: AbortSignal, isSent: boolean): GantryError {
  const details = { isSent };
  if (signal.aborted) {
    const reason = reasonOf(signal);
    const code = reason instanceof GantryError ? reason.code : "cancelled";
    return new GantryError(code, reason.message, { details });
  }
  if (error instanceof GantryError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "no code";
  const message = isSent
    ? `${url.origin} broke off (${code})`
    : `${url.origin} cannot be reached (${code})`;
  return new GantryError(isSent ? "interrupted" : "unreachable", message, {
    cause: error,
    details,
  });
}

const unsent = (
  code: "unreachable" | "bad_config",
  message: string,
  cause?: unknown,
): GantryError => new GantryError(code, message, { cause, details: { isSent: false } });

const headersOf = (reply: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(reply.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : (value ?? ""),
    ]),
  );
