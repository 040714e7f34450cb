import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import {
  encodeWyoming,
  makeWyomingDecoder,
  type WyomingEvent,
} from "@gantry/shared/contract/wyoming.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { wavOf } from "../http/openai/wav.ts";
import { openWyomingSpeech } from "./wyoming-speech.ts";

const never = new AbortController().signal;
const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A service that answers what `answer` makes of each event. */
async function serve(
  answer: (
    event: WyomingEvent,
    send: (type: string, data?: object, payload?: Uint8Array) => void,
  ) => void,
): Promise<string> {
  const server = createServer((socket: Socket) => {
    const decoder = makeWyomingDecoder();
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      for (const event of decoder.push(bytes)) {
        answer(event, (type, data = {}, payload) =>
          socket.write(encodeWyoming(type, { ...data }, payload)),
        );
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => server.close());
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

it("a recording goes to the service as it is, and its words come back", async () => {
  let heardBytes = 0;
  let format: unknown;
  const address = await serve(({ type, data, payload }, send) => {
    if (type === "audio-start") format = data;
    heardBytes += type === "audio-chunk" ? payload.byteLength : 0;
    if (type === "audio-stop") send("transcript", { text: " pause the print " });
  });
  const wav = wavOf(new Uint8Array(100_000), 22_050);
  const request = { audioBase64: Buffer.from(wav).toString("base64"), fileName: "a.wav" };
  const heard = await openWyomingSpeech(address, systemClock).transcribe(request, never);
  expect(heard.text).toBe("pause the print");
  expect(heard.durationS).toBeCloseTo(50_000 / 22_050, 3);
  expect(heardBytes).toBe(100_000);
  expect(format).toEqual({ rate: 22_050, width: 2, channels: 1 });
});

it("SH1: what is no WAV is refused before anybody is called", async () => {
  const speech = openWyomingSpeech("127.0.0.1:9", systemClock);
  const request = {
    audioBase64: Buffer.from("ID3 something").toString("base64"),
    fileName: "a.mp3",
  };
  await expect(speech.transcribe(request, never)).rejects.toMatchObject({
    code: "unsupported_media",
  });
});

it("what is to be said comes back as sound, with its rate", async () => {
  const address = await serve(({ type, data }, send) => {
    if (type !== "synthesize") return;
    expect(data).toEqual({ text: "hello", voice: { name: "low" } });
    send("audio-start", { rate: 16_000, width: 2, channels: 1 });
    send("audio-chunk", { rate: 16_000 }, Uint8Array.of(1, 0, 2, 0));
    send("audio-chunk", { rate: 16_000 }, Uint8Array.of(3, 0));
    send("audio-stop");
  });
  const order = { text: "hello", voice: "low", speed: 1 };
  const { pcmBase64, rateHz } = await openWyomingSpeech(address, systemClock).speak(order, never);
  expect([...Buffer.from(pcmBase64, "base64")]).toEqual([1, 0, 2, 0, 3, 0]);
  expect(rateHz).toBe(16_000);
});

it("a service that refuses, or is not there, says so", async () => {
  const address = await serve((_, send) => send("error", { text: "No such voice" }));
  const order = { text: "hello", speed: 1 };
  await expect(openWyomingSpeech(address, systemClock).speak(order, never)).rejects.toMatchObject({
    code: "model_failed",
    message: "The speech service refused: No such voice",
  });
  await expect(
    openWyomingSpeech("127.0.0.1:9", systemClock).speak(order, never),
  ).rejects.toMatchObject({ code: "unreachable" });
});
