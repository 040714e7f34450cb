// A printer that tells nothing by itself: it is asked, again and again.
//
// PO1. One question at a time, so that no older answer comes after a newer one.
// PO2. An answer that does not come, or makes no sense, ends the connection; the driver opens another.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import type { RemoteEvents } from "../ports.ts";
import { type Facts, parseFacts } from "../protocols/facts.ts";
import type { RemoteStatus } from "../protocols/remote.ts";
import { assertGood, type HttpAsk, type HttpReply, type HttpSend } from "./http-client.ts";

export interface Polled {
  /** After a command: the next status need not be waited for. */
  pollNow(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Resolves after the first status. Rejects as `poll` does. */
export async function openPolled(
  poll: (signal: AbortSignal) => Promise<RemoteStatus>,
  events: RemoteEvents,
  clock: Clock,
  signal: AbortSignal,
): Promise<Polled> {
  let last: Promise<void> = Promise.resolve();
  const pollNow = (limited: AbortSignal): Promise<void> => {
    const next = last.then(async () =>
      events.onStatus(await poll(clock.timeout(TIMEOUT.printerAnswerMs, limited))),
    );
    last = next.catch(() => undefined); // who asked is told
    return next;
  };
  await pollNow(signal);
  const scope = makeScope((_task, error) => {
    events.onClosed(error instanceof GantryError ? error.message : String(error));
  });
  scope.start("poll", async (polling) => {
    for (;;) {
      await clock.sleep(TIMEOUT.printerPollMs, polling);
      await pollNow(polling);
    }
  });
  return { pollNow, close: () => scope.close() };
}

/** Questions and commands to one printer. */
export interface HttpPrinter {
  /** Any reply, whatever its status. */
  ask(
    ask: Omit<HttpAsk, "url"> & { readonly path: string },
    signal: AbortSignal,
  ): Promise<HttpReply>;
  /** A JSON object. Rejects with bad_frame, and as `assertGood` does. */
  facts(path: string, signal: AbortSignal): Promise<Facts>;
  /** A command with a JSON body, if any. Rejects as `assertGood` does. */
  command(
    method: string,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

export function makeHttpPrinter(base: URL, send: HttpSend): HttpPrinter {
  const ask: HttpPrinter["ask"] = ({ path, ...rest }, signal) =>
    send({ ...rest, url: new URL(path, base) }, signal);
  return {
    ask,
    async facts(path, signal) {
      const reply = await ask({ method: "GET", path }, signal);
      assertGood(reply, path);
      return factsIn(reply, path);
    },
    async command(method, path, body, signal) {
      const json = body === undefined ? undefined : JSON.stringify(body);
      const asked =
        json === undefined
          ? { method, path }
          : { method, path, body: json, headers: { "content-type": "application/json" } };
      assertGood(await ask(asked, signal), `${method} ${path}`);
    },
  };
}

/** Throws bad_frame. */
export function factsIn({ body }: HttpReply, what: string): Facts {
  const facts = parseFacts(body);
  if (facts !== undefined) return facts;
  throw new GantryError("bad_frame", `The printer's answer to ${what} is no JSON object`);
}
