// What the adapters of providers share: the credential, statuses as faults, events of a stream.
//
// CH1. A key is read again for each call, so that one that was rotated is used at once; it is given to
//      the logger as a secret before it is first used, and stands in no fault.
// CH2. An answer with an error status was not charged. What broke off after the request left may have
//      been: nobody knows.
// CH3. A provider's own words of a fault are not repeated: they may quote the key or the question.

import { readFile } from "node:fs/promises";
import { registerSecret } from "@gantry/shared/adapters/pino.ts";
import { GantryError, type ErrorCode } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import { makeSseParser } from "@gantry/shared/client/sse.ts";
import { CloudFault } from "../ask/cloud-types.ts";
import type { OutboundStreams, StreamReply } from "./outbound-stream.ts";

export type ReadKey = () => Promise<string | undefined>;

/** CH1. */
export function keyFromFile(path: string): ReadKey {
  return async () => {
    const text = await readFile(path, "utf8").catch(() => "");
    const key = text.trim();
    if (key === "") return undefined;
    registerSecret(key);
    return key;
  };
}

export function fixedKey(key: string): ReadKey {
  registerSecret(key);
  return () => Promise.resolve(key);
}

export interface CloudCall {
  readonly provider: string;
  readonly url: string;
  readonly headersFor: (key: string) => Readonly<Record<string, string>>;
  readonly body: string;
}

/** The open stream of a call that was accepted. A key that is refused is read again once. Throws CloudFault. */
export async function openCall(
  streams: OutboundStreams,
  readKey: ReadKey,
  { provider, url, headersFor, body }: CloudCall,
  signal: AbortSignal,
): Promise<StreamReply> {
  let used: string | undefined;
  for (;;) {
    const key = await readKey();
    if (key === undefined)
      throw new CloudFault("provider_off", `The provider ${provider} has no key`, {
        isCharged: false,
      });
    if (key === used) throw statusFault(provider, 401, undefined);
    const reply = await streams
      .open(
        {
          url,
          headers: { "content-type": "application/json", ...headersFor(key) },
          body,
          idleMs: TIMEOUT.firstTokenMs,
          bytesMax: LIMIT.cloudAnswerBytes.max,
        },
        signal,
      )
      .catch((error: unknown) => {
        throw asCloudFault(provider, error);
      });
    if (reply.status === 200) return reply;
    await drain(reply);
    if (reply.status !== 401 && reply.status !== 403)
      throw statusFault(provider, reply.status, reply.headers["retry-after"]);
    if (used !== undefined) throw statusFault(provider, reply.status, undefined);
    used = key;
  }
}

/** Each event's data, parsed; `[DONE]` is left out. Throws CloudFault. */
export async function* eventsOf(
  provider: string,
  reply: StreamReply,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const parser = makeSseParser();
  try {
    for await (const piece of reply.pieces) {
      for (const { data } of parser.push(piece)) {
        if (data === "[DONE]") continue;
        const event: unknown = JSON.parse(data);
        if (typeof event === "object" && event !== null)
          yield event as Readonly<Record<string, unknown>>;
      }
    }
  } catch (error) {
    throw asCloudFault(provider, error);
  }
}

/** Its connection must not stay open for a body that nobody reads. */
async function drain({ pieces }: StreamReply): Promise<void> {
  try {
    for await (const piece of pieces) void piece;
  } catch {
    // It was refused already.
  }
}

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  400: "bad_request",
  401: "provider_off",
  402: "provider_off",
  403: "provider_off",
  404: "provider_off",
  408: "timeout",
  413: "too_large",
  422: "bad_request",
  429: "rate_limited",
};
const RETRY_S_MAX = 3_600;

/** CH2, CH3. */
export function statusFault(
  provider: string,
  status: number,
  retryAfter: string | undefined,
): CloudFault {
  const code = STATUS_CODES[status] ?? (status >= 500 ? "model_failed" : "bad_request");
  const told =
    status === 401 || status === 403
      ? `${provider} does not accept our key`
      : `${provider} answered with the status ${status}`;
  const seconds = Number(retryAfter);
  const retryAfterS =
    retryAfter !== undefined && Number.isFinite(seconds)
      ? Math.min(RETRY_S_MAX, Math.max(1, Math.ceil(seconds)))
      : undefined;
  return new CloudFault(code, told, { isCharged: false, retryAfterS });
}

/** What a stream failed with. CH2. */
export function asCloudFault(provider: string, error: unknown): CloudFault {
  if (error instanceof CloudFault) return error;
  if (error instanceof GantryError) {
    const isCharged =
      error.details["isSent"] === false || error.code === "egress_denied" ? false : undefined;
    // EG1 and EG2 speak of workflows; here the address is the provider's own.
    const { why } = error.details;
    const message = typeof why === "string" ? why : error.message;
    return new CloudFault(error.code, `${provider}: ${message}`, { isCharged, cause: error });
  }
  return new CloudFault("model_failed", `${provider} sent what is no answer`, {
    isCharged: undefined,
    cause: error,
  });
}

export const brokenOff = (provider: string): CloudFault =>
  new CloudFault("interrupted", `${provider} broke off before the end of the answer`, {
    isCharged: undefined,
  });
