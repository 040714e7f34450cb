// Speech services of others that speak Wyoming: speech to text and text to speech, one connection for
// each utterance, as Home Assistant does it.
//
// WC1. Sound is sent while it is spoken. A service that takes nothing is found out by its bound: more
//      than WAITING_BYTES_MAX unsent ends the utterance with `busy`.
// WC2. Every call ends: by its answer, the service's error, the end of the connection or the signal.

import { connect, type Socket } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { bytesOf, EAR_HZ, samplesIn } from "../voice/audio/pcm.ts";
import { mono } from "../voice/audio/wav.ts";
import type { Recogniser, VoiceMaker } from "../voice/ports.ts";
import { encodeWyoming, makeWyomingDecoder, type WyomingEvent } from "../voice/wyoming/frames.ts";
import { audioData, audioFormatOf, textOf } from "../voice/wyoming/messages.ts";

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

export function openWyomingRecogniser(address: string, language: string): Recogniser {
  const at = wyomingAddress(address);
  return {
    name: `wyoming ${address}`,
    languages: [language],
    begin() {
      const call = dial(at);
      call.send("transcribe", { language });
      call.send("audio-start", audioData(EAR_HZ));
      return {
        push: (samples) => call.send("audio-chunk", audioData(EAR_HZ), bytesOf(samples)),
        async finish(signal) {
          call.send("audio-stop", {});
          try {
            for (;;) {
              const event = await call.next(signal);
              if (event.type === "transcript") return textOf(event).trim();
            }
          } finally {
            call.end();
          }
        },
        drop: () => call.end(),
      };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

export function openWyomingMouth(address: string, clock: Clock): VoiceMaker {
  const at = wyomingAddress(address);
  return {
    name: `wyoming ${address}`,
    voices: [],
    async *speak(text, { voice }, signal) {
      const call = dial(at);
      const limit = clock.timeout(TIMEOUT.answerMs, signal);
      try {
        call.send("synthesize", {
          text,
          ...(voice === undefined ? {} : { voice: { name: voice } }),
        });
        let format = { hz: EAR_HZ, channels: 1 };
        for (;;) {
          const event = await call.next(limit);
          if (event.type === "audio-start") format = audioFormatOf(event);
          if (event.type === "audio-stop") return;
          if (event.type !== "audio-chunk") continue;
          const samples = mono(samplesIn(event.payload), format.channels);
          if (samples.length > 0) yield { hz: format.hz, samples };
        }
      } finally {
        call.end();
      }
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

interface Call {
  send(type: string, data: Readonly<Record<string, unknown>>, payload?: Uint8Array): void;
  /** Throws unreachable, model_failed with the service's words, busy, bad_frame, the signal's reason. */
  next(signal: AbortSignal): Promise<WyomingEvent>;
  end(): void;
}

/** One connection. WC2. */
function dial({ host, port }: { readonly host: string; readonly port: number }): Call {
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
      throw new GantryError("model_failed", `The speech service refused: ${textOf(event)}`);
    },
    end: () => void socket.destroy(),
  };
}
