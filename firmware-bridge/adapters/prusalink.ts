// A Prusa printer through PrusaLink, by its API v1, with an API key or a name and a password.
//
// PA1. PrusaLink has no emergency stop: `halt` ends the job, which is the most that it offers.
// PA2. A request that was answered 401 was not carried out, so it is sent again with the new nonce.

import { createHash, randomBytes } from "node:crypto";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { RemoteEvents, RemotePrinter, RemoteSession } from "../ports.ts";
import {
  type DigestChallenge,
  digestAuthorization,
  type DigestHash,
  parseChallenge,
} from "../protocols/digest-auth.ts";
import { makePrusalinkView, prusalinkStorage } from "../protocols/prusalink.ts";
import type { RemoteStatus } from "../protocols/remote.ts";
import { assertGood, type HttpSend, makeHttpSend } from "./http-client.ts";
import { factsIn, makeHttpPrinter, openPolled } from "./polled.ts";

export type PrusalinkKey =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "digest"; readonly user: string; readonly password: string };

export interface PrusalinkOptions {
  readonly base: URL;
  readonly auth: PrusalinkKey;
  readonly clock: Clock;
}

const UNAUTHORIZED = 401;
const NO_CONTENT = 204;
const NOT_FOUND = 404;
/** Requests beside each other may spend each other's nonce. */
const TRIES_MAX = 4;

export const prusalinkPrinter = (options: PrusalinkOptions): RemotePrinter => ({
  driver: "prusalink",
  open: (events, signal) => open(options, events, signal),
});

async function open(
  { base, auth, clock }: PrusalinkOptions,
  events: RemoteEvents,
  signal: AbortSignal,
): Promise<RemoteSession> {
  const printer = makeHttpPrinter(base, authorized(makeHttpSend(clock), auth));
  const view = makePrusalinkView();
  const version = await printer.facts("/api/version", signal);
  const storage = prusalinkStorage(await printer.facts("/api/v1/storage", signal));
  if (storage === undefined) {
    throw new GantryError(
      "device_fault",
      "The printer has no storage for files; put its USB stick in",
    );
  }

  async function poll(limited: AbortSignal): Promise<RemoteStatus> {
    const status = await printer.facts("/api/v1/status", limited);
    const path = "/api/v1/job";
    const reply = await printer.ask({ method: "GET", path }, limited);
    const hasJob = reply.status !== NO_CONTENT && reply.status !== NOT_FOUND;
    if (hasJob) assertGood(reply, path);
    return view.see({ version, status, job: hasJob ? factsIn(reply, path) : undefined });
  }

  const polled = await openPolled(poll, events, clock, signal);
  const fileOf = (name: string): string => `/api/v1/files/${storage}/${encodeURIComponent(name)}`;
  const job = async (method: string, action: string, limited: AbortSignal): Promise<void> => {
    const number = view.jobNumber();
    if (number === undefined) throw new GantryError("conflict", "The printer shows no job");
    await printer.command(method, `/api/v1/job/${number}${action}`, undefined, limited);
    await polled.pollNow(limited);
  };
  return {
    async upload(name, file, limited) {
      const headers = {
        "content-type": "text/x.gcode",
        overwrite: "?1",
        "print-after-upload": "?0",
      };
      const asked = { method: "PUT", path: fileOf(name), headers, body: file };
      assertGood(await printer.ask(asked, limited), "the upload");
    },
    async begin(name, limited) {
      await printer.command("POST", fileOf(name), undefined, limited);
      await polled.pollNow(limited);
    },
    pause: (limited) => job("PUT", "/pause", limited),
    resume: (limited) => job("PUT", "/resume", limited),
    cancel: (limited) => job("DELETE", "", limited),
    async halt(limited) {
      const number = view.jobNumber();
      try {
        if (number !== undefined) return await job("DELETE", "", limited); // PA1
      } catch (error) {
        if (!isRefusal(error)) throw error; // a job of another number may have begun
      }
      await polled.pollNow(limited);
      if (view.jobNumber() !== number) await job("DELETE", "", limited);
    },
    recover: () => Promise.resolve(), // its errors are acknowledged at the printer alone
    outcome: () => Promise.resolve("unknown"), // it keeps no history
    remove: (name, limited) => printer.command("DELETE", fileOf(name), undefined, limited),
    close: () => polled.close(),
  };
}

const isRefusal = (error: unknown): boolean =>
  error instanceof GantryError && error.details["isRefused"] === true;

/** PA2 */
function authorized(send: HttpSend, auth: PrusalinkKey): HttpSend {
  if (auth.kind === "key") {
    return (ask, signal) =>
      send({ ...ask, headers: { ...ask.headers, "x-api-key": auth.key } }, signal);
  }
  let challenge: DigestChallenge | undefined;
  let count = 0;
  const { user, password } = auth;
  const headersFor = (method: string, { pathname, search }: URL): Record<string, string> => {
    if (challenge === undefined) return {};
    count += 1;
    const cnonce = randomBytes(8).toString("hex");
    const ask = { method, uri: `${pathname}${search}`, user, password, count, cnonce };
    return { authorization: digestAuthorization(challenge, ask, hash) };
  };
  return async (ask, signal) => {
    for (let tries = 1; ; tries += 1) {
      const headers = { ...ask.headers, ...headersFor(ask.method, ask.url) };
      const reply = await send({ ...ask, headers }, signal);
      if (reply.status !== UNAUTHORIZED || tries >= TRIES_MAX) return reply;
      const renewed = parseChallenge(reply.header("www-authenticate") ?? "");
      if (renewed === undefined) return reply;
      [challenge, count] = [renewed, 0];
    }
  };
}

const hash: DigestHash = (algorithm, text) =>
  createHash(algorithm === "MD5" ? "md5" : "sha256")
    .update(text)
    .digest("hex");
