// Speech with OpenAI's own client: the form it sends, the formats it reads, and what is said while no
// machine offers speech.

import OpenAI, { toFile } from "openai";
import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { TranscribeRequest, Transcript } from "@gantry/shared/contract/speech.ts";
import { makeRig, type Rig } from "../testing/rig.ts";
import { atRate, wavOf } from "./wav.ts";

const SOUND = Buffer.from("RIFF\u0000 sound");
const HEARD: Transcript = {
  text: "print a benchy",
  language: "en",
  durationS: 2.5,
  segments: [
    { text: "print", startS: 0, endS: 1 },
    { text: "a benchy", startS: 1, endS: 3_661.5 },
  ],
};

async function clientOf(rig: Rig): Promise<OpenAI> {
  const { port } = await rig.serve();
  return new OpenAI({
    baseURL: `http://127.0.0.1:${port}/v1`,
    apiKey: "viewer-token",
    maxRetries: 0,
  });
}

describe("transcriptions", () => {
  it("takes a file and tells its words, in every format", async () => {
    await using rig = await makeRig();
    const openai = await clientOf(rig);
    rig.desk.on("transcribed", () => HEARD);
    const file = await toFile(SOUND, "order.wav");
    const { text } = await openai.audio.transcriptions.create({
      file,
      model: "whisper-1",
      language: "en",
    });
    expect(text).toBe("print a benchy");
    const asked = rig.desk.asked.map(({ request }) => request.body as TranscribeRequest);
    const [{ audioBase64, ...rest } = { audioBase64: "" }] = asked;
    expect(Buffer.from(audioBase64, "base64")).toEqual(SOUND);
    expect(rest).toEqual({ fileName: "order.wav", model: "whisper-1", language: "en" });
    const as = (response_format: "srt" | "vtt" | "text" | "verbose_json") =>
      openai.audio.transcriptions.create({ file, model: "whisper-1", response_format });
    expect(await as("srt")).toContain("2\n00:00:01,000 --> 01:01:01,500\na benchy");
    expect(await as("vtt")).toMatch(/^WEBVTT\n\n1\n00:00:00\.000 --> 00:00:01\.000\nprint/);
    expect(await as("text")).toBe("print a benchy\n");
    expect(await as("verbose_json")).toMatchObject({
      duration: 2.5,
      segments: [{ id: 0, end: 1 }, { id: 1 }],
    });
  });

  it("refuses what is no form, a form without a file, and too much", async () => {
    await using rig = await makeRig();
    const key = { token: "viewer-token" };
    const path = "/v1/audio/transcriptions";
    expect((await rig.ask("POST", path, { ...key, body: {} })).status).toBe(415);
    const empty = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n';
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    const missing = await rig.ask("POST", path, { ...key, headers, body: empty });
    expect([missing.status, await missing.json()]).toMatchObject([
      400,
      { error: { param: "file" } },
    ]);
    const large = `--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n${"m".repeat(5_000)}\r\n--x--\r\n`;
    expect((await rig.ask("POST", path, { ...key, headers, body: large })).status).toBe(413);
  });
});

describe("speech", () => {
  it("gives sound as WAV and as samples of 24 kHz", async () => {
    await using rig = await makeRig();
    const openai = await clientOf(rig);
    const pcm = Buffer.from(Int16Array.from({ length: 160 }, (_, index) => index).buffer);
    rig.desk.on("spoken", () => ({ pcmBase64: pcm.toString("base64"), rateHz: 16_000 }));
    const ask = { model: "tts", input: "done", voice: "alloy" };
    const wav = await openai.audio.speech.create({ ...ask, response_format: "wav", speed: 1.5 });
    expect(wav.headers.get("content-type")).toBe("audio/wav");
    expect(Buffer.from(await wav.arrayBuffer())).toEqual(wavOf(pcm, 16_000));
    expect(rig.desk.asked.at(-1)?.request.body).toEqual({
      text: "done",
      model: "tts",
      voice: "alloy",
      speed: 1.5,
    });
    const raw = await openai.audio.speech.create({ ...ask, response_format: "pcm" });
    expect((await raw.arrayBuffer()).byteLength).toBe(240 * 2);
    const mp3 = openai.audio.speech.create({ ...ask, response_format: "mp3" });
    await expect(mp3).rejects.toMatchObject({ status: 400, param: "response_format" });
  });

  it("says what to do while no machine offers it", async () => {
    await using rig = await makeRig();
    const openai = await clientOf(rig);
    rig.desk.on("spoken", () => {
      throw new GantryError("no_speech", "No machine offers speech");
    });
    const spoken = openai.audio.speech.create({ model: "tts", input: "x", voice: "alloy" });
    await expect(spoken).rejects.toMatchObject({ status: 503, code: "no_speech" });
  });

  it("keeps every sample at its own rate, and the ends of a ramp at another", () => {
    const pcm = Buffer.from(Int16Array.from([0, 100, 200, 300]).buffer);
    expect(atRate(pcm, 8_000, 8_000)).toBe(pcm);
    const up = Buffer.from(atRate(pcm, 8_000, 16_000));
    expect([0, 1, 2, 3].map((index) => up.readInt16LE(index * 2))).toEqual([0, 50, 100, 150]);
  });
});
