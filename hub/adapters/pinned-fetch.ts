// A `fetch` for libraries that want one, by the rules of outbound.ts: only where GANTRY_EGRESS_ALLOW lets
// it, to the address that was checked, no redirect followed, bounded in bytes.

import { lookup as systemLookup } from "node:dns/promises";
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Egress } from "./egress.ts";
import type { Lookup } from "./outbound.ts";

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address);

export type PinnedFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** `bytesMax`: of one answer, a stream's included; what comes after breaks it off. */
export function makePinnedFetch(
  egress: Egress,
  bytesMax: number,
  lookup: Lookup = lookupAll,
): PinnedFetch {
  async function pin(url: URL): Promise<string> {
    egress.checkUrl(url);
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const addresses = isIP(host) === 0 ? await lookup(host) : [host];
    for (const address of addresses) egress.checkAddress(url, address);
    const [first] = addresses;
    if (first === undefined) throw new GantryError("unreachable", `${host} has no address`);
    return first;
  }

  return async (target, init = {}) => {
    const url = new URL(target);
    const address = await pin(url);
    const { method = "GET", body, signal } = init;
    if (body !== undefined && body !== null && typeof body !== "string")
      throw new GantryError("bad_request", "Only text is sent from here");
    const headers = Object.fromEntries(new Headers(init.headers));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const send = url.protocol === "https:" ? tlsRequest : plainRequest;
    const request = send(
      url,
      {
        method,
        headers,
        lookup: (_host, options, done) => {
          const family = isIP(address);
          if (options.all === true) done(null, [{ address, family }]);
          else done(null, address, family);
        },
        ...(signal === undefined || signal === null ? {} : { signal }),
      },
      resolve,
    );
    request.once("error", (cause) => {
      reject(new GantryError("unreachable", `${url.host} was not reached`, { cause }));
    });
    request.end(body ?? undefined);
    const reply = await promise;
    const status = reply.statusCode ?? 502;
    const isEmpty = status === 204 || status === 205 || status === 304;
    return new Response(isEmpty ? null : bounded(reply, bytesMax), {
      status,
      headers: headersOf(reply),
    });
  };
}

function bounded(reply: IncomingMessage, bytesMax: number): ReadableStream<Uint8Array> {
  const pieces = reply[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let left = bytesMax;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) return controller.close();
      left -= value.byteLength;
      if (left < 0) {
        reply.destroy();
        return controller.error(new GantryError("too_large", "The answer is too large"));
      }
      return controller.enqueue(new Uint8Array(value));
    },
    cancel: () => void reply.destroy(),
  });
}

function headersOf({ headers }: IncomingMessage): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return all;
}
