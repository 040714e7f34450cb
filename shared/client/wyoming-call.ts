// One connection to a service that speaks Wyoming, for one utterance or one text.
//
// WC1. Sound is sent while it is spoken. A service that takes nothing is found out by its bound: more
//      than WAITING_BYTES_MAX unsent ends the utterance with `busy`.
// WC2. Every call ends: by its answer, the service's error, the end of the connection or the signal.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { GantryError } from "../base/errors.ts";
import { reasonOf } from "../flow/clock.ts";
import { makeMailbox } from "../flow/mailbox.ts";
import { encodeWyoming, makeWyomingDecoder, type WyomingEvent } from "../contract/wyoming.ts";

const WAITING_BYTES_MAX = 4_194_304;
const EVENTS_MAX = 4_096;

/** `HOST:PORT`; the port may not be left out. Throws bad_config. */
export function wyomingAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/u.exec(text) ?? [];
  const number = Number(port);
  if (host === "" || number < 1 || number > 65_535) {
    throw new GantryError("bad_config", `"${text}" is no address of a Wyoming service: HOST:PORT`);
  }
  return { host: host.replace(/^\[(.*)\]$/u, "$1"), port: number };
}

export interface WyomingCall {
  send(type: string, data: Readonly<Record<string, unknown>>, payload?: Uint8Array): void;
  /** Throws unreachable, model_failed with the service's words, busy, bad_frame, the signal's reason. */
  next(signal: AbortSignal): Promise<WyomingEvent>;
  /** Until what was sent is on its way. Throws as `next`. */
  drained(signal: AbortSignal): Promise<void>;
  end(): void;
}

/** One connection. WC2. */
export function dialWyoming({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): WyomingCall {
  const socket: Socket = connect({ host, port });
  const decoder = makeWyomingDecoder();
  const events = makeMailbox<WyomingEvent>(EVENTS_MAX);
  let fault: GantryError | undefined;
  const fail = (error: GantryError): void => {
    fault ??= error;
    events.close();
    socket.destroy();
  };
  const gone = (cause?: unknown): GantryError =>
    new GantryError("unreachable", `The speech service at ${host}:${port} is not there`, { cause });
  socket.setNoDelay(true);
  socket.on("error", (cause) => fail(gone(cause)));
  socket.on("close", () => fail(gone()));
  socket.on("data", (bytes: Uint8Array) => {
    try {
      for (const event of decoder.push(bytes)) {
        if (events.offer(event) !== "full") continue;
        fail(new GantryError("busy", `The speech service at ${host}:${port} says too much`));
      }
    } catch (error) {
      fail(error instanceof GantryError ? error : gone(error));
    }
  });
  return {
    send(type, data, payload) {
      if (fault !== undefined || socket.destroyed) return; // `next` tells
      if (socket.writableLength > WAITING_BYTES_MAX) {
        return fail(new GantryError("busy", `${host}:${port} takes no sound`)); // WC1
      }
      socket.write(encodeWyoming(type, data, payload));
    },
    async next(signal) {
      const event = await events.take(signal);
      if (signal.aborted) throw reasonOf(signal);
      if (event === undefined) throw fault ?? gone();
      if (event.type !== "error") return event;
      const { text } = event.data;
      throw new GantryError(
        "model_failed",
        `The speech service refused: ${typeof text === "string" ? text : "it does not say why"}`,
      );
    },
    async drained(signal) {
      if (fault === undefined && socket.writableNeedDrain) {
        await once(socket, "drain", { signal }).catch(() => {}); // either way told below
      }
      if (signal.aborted) throw reasonOf(signal);
    },
    end: () => void socket.destroy(),
  };
}
