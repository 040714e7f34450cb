// Gantry as a Wyoming service: speech to text, text to speech, and answers of the hub (`handle`), for
// Home Assistant and whoever else speaks it. Frames and bounds are in shared/contract/wyoming.ts.
//
// WS1. The protocol knows no passwords and no encryption: who reaches the port may speak and ask with the
//      rights of the token this program runs with. So it listens on loopback unless told otherwise.
// WS2. At most CONNECTIONS_MAX at once, each one thing at a time; one that says nothing for IDLE_MS, sends
//      over UTTERANCE_MS of sound or takes no answer is closed.
// WS3. A bad frame ends its connection after an `error` event; nothing else is touched by it.

import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT, TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { bytesOf, EAR_HZ, samplesIn } from "../voice/audio/pcm.ts";
import { makeResampler, type Resampler } from "../voice/audio/resample.ts";
import { mono } from "../voice/audio/wav.ts";
import type { Hearing, Recogniser, VoiceMaker } from "../voice/ports.ts";
import {
  encodeWyoming,
  makeWyomingDecoder,
  type WyomingEvent,
} from "@gantry/shared/contract/wyoming.ts";
import {
  audioData,
  audioFormatOf,
  infoOf,
  type InfoParts,
  textOf,
} from "../voice/wyoming/messages.ts";

const CONNECTIONS_MAX = 16;
const IDLE_MS = 120_000;
const UTTERANCE_MS = 60_000;
const UNSENT_BYTES_MAX = 8_388_608;

export interface WyomingParts {
  readonly clock: Clock;
  readonly version: string;
  readonly recogniser?: Recogniser | undefined;
  readonly mouth?: VoiceMaker | undefined;
  readonly voice?: string | undefined;
  /** Answers a sentence; left out: no `handle` service. Throws GantryError. */
  readonly handle?: ((text: string, signal: AbortSignal) => Promise<string>) | undefined;
  /** What was heard, as it would be typed. */
  readonly typed: (heard: string) => string;
  readonly onFault: (error: unknown) => void;
}

export interface WyomingServer extends AsyncDisposable {
  readonly port: number;
}

/** Throws port_busy. */
export async function startWyomingServer(
  parts: WyomingParts,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<WyomingServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    if (sockets.size >= CONNECTIONS_MAX) {
      socket.end(encodeWyoming("error", { text: "Too many connections", code: "busy" }));
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, parts);
  });
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new GantryError("port_busy", `Wyoming cannot listen on ${host}:${port}`, { cause });
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

interface Utterance {
  readonly hearing: Hearing;
  readonly resampler: Resampler;
  readonly channels: number;
  readonly hz: number;
  heardMs: number;
}

function serve(socket: Socket, parts: WyomingParts): void {
  const decoder = makeWyomingDecoder();
  const left = new AbortController();
  let utterance: Utterance | undefined;
  let last: Promise<void> = Promise.resolve();

  const send = (
    type: string,
    data: Readonly<Record<string, unknown>>,
    payload?: Uint8Array,
  ): void => {
    if (socket.destroyed) return;
    if (socket.writableLength > UNSENT_BYTES_MAX) return void socket.destroy(); // WS2
    socket.write(encodeWyoming(type, data, payload));
  };

  const refuse = (error: unknown): void => {
    if (left.signal.aborted) return;
    const known = error instanceof GantryError;
    if (!known) parts.onFault(error);
    send("error", {
      text: known ? error.message : "A fault in Gantry",
      code: known ? error.code : "internal",
    });
  };

  function begin(event: WyomingEvent): void {
    if (parts.recogniser === undefined) throw missing("speech to text");
    const { hz, channels } = audioFormatOf(event);
    utterance?.hearing.drop();
    utterance = {
      hearing: parts.recogniser.begin(),
      resampler: makeResampler(hz, EAR_HZ),
      channels,
      hz,
      heardMs: 0,
    };
  }

  function hear({ payload }: WyomingEvent): void {
    if (utterance === undefined) return; // sound for nobody: a satellite may run on a little
    const samples = mono(samplesIn(payload), utterance.channels);
    utterance.heardMs += (samples.length * 1_000) / utterance.hz;
    if (utterance.heardMs > UTTERANCE_MS) {
      throw new GantryError("too_large", `An utterance has at most ${UTTERANCE_MS / 1_000} s`);
    }
    utterance.hearing.push(utterance.resampler.push(samples));
  }

  async function transcribe(): Promise<void> {
    const own = utterance;
    utterance = undefined;
    if (own === undefined) return;
    own.hearing.push(own.resampler.end());
    const limit = parts.clock.timeout(TIMEOUT.firstTokenMs, left.signal);
    send("transcript", { text: parts.typed(await own.hearing.finish(limit)) });
  }

  async function synthesize(event: WyomingEvent): Promise<void> {
    const { mouth } = parts;
    if (mouth === undefined) throw missing("text to speech");
    const text = checked(textOf(event));
    const asked = event.data["voice"];
    const name =
      typeof asked === "object" && asked !== null && "name" in asked ? asked.name : undefined;
    // OpenAI's clients ask for "alloy": a voice that is not here is said with the usual one.
    const isHere =
      typeof name === "string" &&
      (mouth.voices.length === 0 || mouth.voices.includes(name.split("+")[0] ?? name));
    const voice = isHere ? name : parts.voice;
    let hz: number | undefined;
    for await (const pcm of mouth.speak(text, { voice }, left.signal)) {
      if (hz === undefined) send("audio-start", audioData(pcm.hz));
      hz = pcm.hz;
      send("audio-chunk", audioData(hz), bytesOf(pcm.samples));
      if (socket.writableNeedDrain) await once(socket, "drain", { signal: left.signal });
    }
    if (hz === undefined) send("audio-start", audioData(EAR_HZ));
    send("audio-stop", {});
  }

  async function handle(event: WyomingEvent): Promise<void> {
    if (parts.handle === undefined) throw missing("answers");
    const { context } = event.data;
    const kept = context === undefined ? {} : { context };
    try {
      const text = await parts.handle(checked(textOf(event)), left.signal);
      send("handled", { text, ...kept });
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      send("not-handled", { text: error.message, ...kept });
    }
  }

  async function answer(event: WyomingEvent): Promise<void> {
    switch (event.type) {
      case "describe":
        return send("info", infoOf(infoParts(parts)));
      case "ping":
        return send("pong", event.data);
      case "audio-start":
        return begin(event);
      case "audio-chunk":
        return hear(event);
      case "audio-stop":
        return transcribe();
      case "synthesize":
        return synthesize(event);
      case "transcript":
      case "recognize":
        return handle(event);
      default: // `transcribe` says what audio-start says again; others are not for us
        return;
    }
  }

  socket.setNoDelay(true);
  socket.setTimeout(IDLE_MS, () => socket.destroy()); // WS2
  socket.on("error", () => {}); // told by `close`
  socket.on("close", () => {
    left.abort(new GantryError("cancelled", "The connection ended"));
    utterance?.hearing.drop();
    utterance = undefined;
  });
  socket.on("data", (bytes: Uint8Array) => {
    let events: readonly WyomingEvent[];
    try {
      events = decoder.push(bytes);
    } catch (error) {
      refuse(error);
      socket.end(); // WS3
      return;
    }
    for (const event of events) last = last.then(() => answer(event)).catch(refuse);
    // One thing at a time: nothing more is read until this was done, so nothing piles up here.
    socket.pause();
    void last.finally(() => socket.resume());
  });
}

const infoParts = ({ version, recogniser, mouth, handle }: WyomingParts): InfoParts => ({
  version,
  recogniser: recogniser?.name,
  languages: recogniser?.languages ?? ["en"],
  mouth: mouth?.name,
  voices: mouth === undefined ? [] : mouth.voices.length === 0 ? ["default"] : mouth.voices,
  canHandle: handle !== undefined,
});

function checked(text: string): string {
  if (text.trim() === "") throw new GantryError("bad_request", "The text is empty");
  if (text.length <= LIMIT.promptChars.max) return text;
  throw new GantryError("too_large", `A text has at most ${LIMIT.promptChars.max} characters`);
}

const missing = (what: string): GantryError =>
  new GantryError("capability_missing", `This machine has no ${what}`);
