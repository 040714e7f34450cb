// Gantry's Wyoming server before a client of the published protocol, written here from event.py and not
// from our codec; and our client before our server.

import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { joined } from "../voice/audio/pcm.ts";
import type { Recogniser, VoiceMaker } from "../voice/ports.ts";
import { wyomingAddress } from "@gantry/shared/client/wyoming-call.ts";
import { openWyomingMouth, openWyomingRecogniser } from "./wyoming-client.ts";
import { startWyomingServer, type WyomingParts } from "./wyoming-server.ts";

interface Received {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
}

/** What a Python program does with wyoming.event: a line, then its lengths. */
async function openPython(port: number): Promise<{
  send(type: string, data?: object, payload?: Uint8Array, isInline?: boolean): void;
  sendRaw(bytes: string | Uint8Array): void;
  receive(): Promise<Received | undefined>;
  close(): void;
}> {
  const socket: Socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  socket.on("error", () => {});
  let held = Buffer.alloc(0);
  const over = new AbortController();
  socket.on("data", (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    socket.emit("more");
  });
  socket.on("close", () => {
    over.abort();
    socket.emit("more");
  });
  async function take(count: number): Promise<Buffer | undefined> {
    while (held.length < count && !over.signal.aborted) await once(socket, "more");
    if (held.length < count) return undefined;
    const bytes = held.subarray(0, count);
    held = held.subarray(count);
    return bytes;
  }
  return {
    send(type, data = {}, payload = new Uint8Array(0), isInline = false) {
      const second = isInline ? "" : JSON.stringify(data);
      const line = {
        type,
        version: "1.5.4",
        ...(isInline ? { data } : { data_length: Buffer.byteLength(second) }),
        payload_length: payload.byteLength,
      };
      socket.write(`${JSON.stringify(line)}\n${second}`);
      socket.write(payload);
    },
    sendRaw: (bytes) => void socket.write(bytes),
    async receive() {
      while (!held.includes(10) && !over.signal.aborted) await once(socket, "more");
      const end = held.indexOf(10);
      if (end < 0) return undefined;
      const line = await take(end + 1);
      const header = JSON.parse(String(line)) as {
        type: string;
        data?: object;
        data_length?: number;
        payload_length?: number;
      };
      const second = await take(header.data_length ?? 0);
      const payload = await take(header.payload_length ?? 0);
      if (second === undefined || payload === undefined) return undefined;
      const more = second.length === 0 ? {} : (JSON.parse(String(second)) as object);
      return { type: header.type, data: { ...header.data, ...more }, payload };
    },
    close: () => socket.destroy(),
  };
}

const heardLengths: number[] = [];
const recogniser: Recogniser = {
  name: "counting",
  languages: ["en"],
  begin() {
    let samples = 0;
    return {
      push: (piece) => void (samples += piece.length),
      finish: async () => {
        heardLengths.push(samples);
        return "pause the print";
      },
      drop() {},
    };
  },
  [Symbol.asyncDispose]: async () => {},
};
const mouth: VoiceMaker = {
  name: "beeping",
  voices: ["low", "high", "broken"],
  async *speak(text, { voice }) {
    if (voice === "broken") throw new GantryError("model_failed", "The voice is broken");
    yield { hz: 22_050, samples: new Int16Array(text.length * 100).fill(7) };
    yield { hz: 22_050, samples: new Int16Array(50).fill(9) };
  },
  [Symbol.asyncDispose]: async () => {},
};
const open: AsyncDisposable[] = [];
async function serve(set: Partial<WyomingParts> = {}): Promise<number> {
  const server = await startWyomingServer(
    {
      clock: systemClock,
      version: "0.1.0",
      recogniser,
      mouth,
      handle: async (text) => `You said: ${text}`,
      typed: (text) => text,
      onFault: () => {},
      ...set,
    },
    { host: "127.0.0.1", port: 0 },
  );
  open.push(server);
  return server.port;
}
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});
const never = new AbortController().signal;

const refuse = async (): Promise<string> => {
  throw new GantryError("forbidden", "Not for you");
};

describe("Wyoming, served", () => {
  it("says what it is, and answers a ping", async () => {
    const python = await openPython(await serve());
    python.send("describe");
    const info = await python.receive();
    expect(info).toMatchObject({
      type: "info",
      data: {
        asr: [
          { name: "gantry", installed: true, models: [{ name: "counting", languages: ["en"] }] },
        ],
        tts: [{ voices: [{ name: "low" }, { name: "high" }, { name: "broken" }] }],
        handle: [{ name: "gantry" }],
        wake: [],
      },
    });
    python.send("ping", { text: "here" });
    expect(await python.receive()).toMatchObject({ type: "pong", data: { text: "here" } });
    python.close();
  });

  it("hears sound of any rate and gives its words", async () => {
    const python = await openPython(await serve());
    python.send("transcribe", { language: "en" });
    python.send("audio-start", { rate: 48_000, width: 2, channels: 2 });
    for (let count = 0; count < 10; count += 1) {
      python.send("audio-chunk", { rate: 48_000, width: 2, channels: 2 }, new Uint8Array(19_200));
    }
    python.send("audio-stop");
    expect(await python.receive()).toMatchObject({
      type: "transcript",
      data: { text: "pause the print" },
    });
    expect(heardLengths.at(-1)).toBe(16_000); // one second of stereo at 48 kHz
    python.close();
  });

  it("takes data in the line, too, as older writers send it", async () => {
    const python = await openPython(await serve());
    python.send("transcript", { text: "status", context: { id: 7 } }, new Uint8Array(0), true);
    expect(await python.receive()).toMatchObject({
      type: "handled",
      data: { text: "You said: status", context: { id: 7 } },
    });
    python.close();
  });

  it("speaks a text in the voice that is asked for", async () => {
    const python = await openPython(await serve());
    python.send("synthesize", { text: "hello", voice: { name: "low" } });
    expect(await python.receive()).toMatchObject({
      type: "audio-start",
      data: { rate: 22_050, width: 2, channels: 1 },
    });
    const first = await python.receive();
    expect([first?.type, first?.payload.length]).toEqual(["audio-chunk", 1_000]);
    expect((await python.receive())?.payload.length).toBe(100);
    expect((await python.receive())?.type).toBe("audio-stop");
    python.close();
  });

  it("a fault is told and the connection goes on; an answer that cannot be had is not-handled", async () => {
    const python = await openPython(await serve({ handle: refuse }));
    python.send("synthesize", { text: "hello", voice: { name: "broken" } });
    expect(await python.receive()).toMatchObject({
      type: "error",
      data: { code: "model_failed", text: "The voice is broken" },
    });
    python.send("audio-start", { rate: 1, width: 2, channels: 1 });
    expect(await python.receive()).toMatchObject({ type: "error", data: { code: "bad_frame" } });
    python.send("transcript", { text: "status" });
    expect(await python.receive()).toMatchObject({
      type: "not-handled",
      data: { text: "Not for you" },
    });
    python.send("synthesize", { text: "" });
    expect(await python.receive()).toMatchObject({ type: "error", data: { code: "bad_request" } });
    python.close();
  });

  it("WS3: a bad frame ends its own connection and no other", async () => {
    const port = await serve();
    const good = await openPython(port);
    const bad = await openPython(port);
    bad.sendRaw('{"type":"audio-chunk","payload_length":99999999999}\n');
    expect(await bad.receive()).toMatchObject({ type: "error", data: { code: "bad_frame" } });
    expect(await bad.receive()).toBeUndefined();
    good.send("ping");
    expect(await good.receive()).toMatchObject({ type: "pong" });
    good.close();
  });

  it("WS2: an utterance that never ends is refused, and so is a seventeenth connection", async () => {
    const port = await serve();
    const endless = await openPython(port);
    endless.send("audio-start", { rate: 16_000, width: 2, channels: 1 });
    const second = new Uint8Array(32_000);
    for (let count = 0; count < 61; count += 1) {
      endless.send("audio-chunk", { rate: 16_000, width: 2, channels: 1 }, second);
    }
    expect(await endless.receive()).toMatchObject({ type: "error", data: { code: "too_large" } });
    const others = await Promise.all(Array.from({ length: 15 }, () => openPython(port)));
    for (const one of others) one.send("ping");
    for (const one of others) expect((await one.receive())?.type).toBe("pong");
    const late = await openPython(port);
    expect(await late.receive()).toMatchObject({ type: "error", data: { code: "busy" } });
    for (const one of [...others, endless]) one.close();
  });
});

describe("Wyoming, used", () => {
  it("our client speaks to our server", async () => {
    const address = `127.0.0.1:${await serve()}`;
    const hearing = openWyomingRecogniser(address, "en").begin();
    hearing.push(new Int16Array(8_000));
    hearing.push(new Int16Array(8_000));
    expect(await hearing.finish(never)).toBe("pause the print");
    expect(heardLengths.at(-1)).toBe(16_000);
    const pieces: Int16Array[] = [];
    for await (const pcm of openWyomingMouth(address, systemClock).speak("hi", {}, never)) {
      expect(pcm.hz).toBe(22_050);
      pieces.push(pcm.samples);
    }
    expect(joined(pieces)).toHaveLength(250);
  });

  it("WC2: a service that is not there, or goes away, is unreachable", async () => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const gone = openWyomingRecogniser(`127.0.0.1:${port}`, "en").begin();
    gone.push(new Int16Array(160));
    await expect(gone.finish(never)).rejects.toMatchObject({ code: "unreachable" });
    server.close();
    await once(server, "close");
    const nobody = openWyomingRecogniser(`127.0.0.1:${port}`, "en").begin();
    await expect(nobody.finish(never)).rejects.toMatchObject({ code: "unreachable" });
  });

  it("an address is a host and a port", () => {
    expect(wyomingAddress("10.0.0.5:10300")).toEqual({ host: "10.0.0.5", port: 10_300 });
    expect(wyomingAddress("[::1]:10300")).toEqual({ host: "::1", port: 10_300 });
    for (const text of ["", "host", "host:", ":10300", "host:0", "host:99999"]) {
      expect(() => wyomingAddress(text)).toThrow("no address of a Wyoming service");
    }
  });
});
