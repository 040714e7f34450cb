// POST /v1/audio/transcriptions (a form with a file) and /v1/audio/speech, as OpenAI's clients know them.
// What hears and speaks is behind the port Speech; without a machine that offers it both say so.

import { z } from "zod";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type {
  SpeakRequest,
  SpokenAudio,
  TranscribeRequest,
  Transcript,
  TranscriptSegment,
} from "@gantry/shared/contract/speech.ts";
import { readChunks } from "../body.ts";
import { within } from "../deadline.ts";
import type { DoorContext, Handler } from "../door.ts";
import { readRequest, requestOf } from "../input.ts";
import { boundaryOf, readMultipart } from "../multipart.ts";
import { deadlineMsOf, jsonReply } from "../routes/plain.ts";
import type { ModelDoor } from "./ask-model.ts";
import { given, parse, refuse } from "./parse.ts";
import { atRate, wavOf } from "./wav.ts";

/** OpenAI's `pcm`. */
const PCM_HZ = 24_000;
const FIELD_CHARS_MAX = 4_096;
const FORM_BYTES = LIMIT.audioBytes.max + 65_536;
const TEXT_CHARS_MAX = 4_096; // OpenAI's

const fieldsSchema = z.looseObject({
  model: z.string().max(240).optional(),
  language: z.string().max(20).optional(),
  prompt: z.string().optional(),
  response_format: z.enum(["json", "text", "verbose_json", "srt", "vtt"]).optional(),
  stream: z.enum(["false", "true"]).optional(),
});

export const transcribed =
  ({ desk, clock, rates }: ModelDoor): Handler =>
  async (c) => {
    const form = await readForm(c);
    const fields = parse(fieldsSchema, form.fields);
    if (form.file === undefined || form.file.bytes.byteLength === 0)
      throw refuse("file", "is missing or empty");
    if (fields.stream === "true") throw refuse("stream", "a recording is understood as a whole");
    const body: TranscribeRequest = {
      audioBase64: Buffer.from(form.file.bytes).toString("base64"),
      fileName: form.file.name,
      ...given("model", fields.model),
      ...given("language", fields.language),
      ...given("prompt", fields.prompt),
    };
    const request = requestOf(c, "transcribed", { params: {}, query: {}, body });
    const transcript = await rates.run(request.actor?.token ?? "", () =>
      within(clock, deadlineMsOf("transcribed"), c.req.raw.signal, async (signal) => {
        const reply = await desk.call("transcribed", request, { signal });
        return reply as Transcript; // what the desk gives for this route
      }),
    );
    return inFormat(transcript, fields.response_format ?? "json");
  };

interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly file: { readonly name: string; readonly bytes: Uint8Array } | undefined;
}

async function readForm(c: DoorContext): Promise<Form> {
  const type = c.req.header("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type))
    throw new GantryError("unsupported_media", "Send a form: multipart/form-data with a file");
  const fields: Record<string, string> = {};
  let file: Form["file"];
  let open: { field: string; fileName: string | undefined; chunks: Uint8Array[] } | undefined;
  let sizeBytes = 0;
  await readMultipart(readChunks(c.req.raw, FORM_BYTES), boundaryOf(type), {
    begin({ field, fileName }) {
      open = { field, fileName, chunks: [] };
      sizeBytes = 0;
    },
    data(bytes) {
      if (open === undefined) return;
      sizeBytes += bytes.byteLength;
      const most = open.field === "file" ? LIMIT.audioBytes.max : FIELD_CHARS_MAX;
      if (sizeBytes > most)
        throw new GantryError("too_large", `${open.field.slice(0, 40)} is over ${most} bytes`);
      open.chunks.push(Buffer.from(bytes));
    },
    end() {
      if (open === undefined) return;
      const bytes = Buffer.concat(open.chunks);
      if (open.field === "file") file = { name: open.fileName ?? "audio", bytes };
      else fields[open.field] = bytes.toString("utf8");
      open = undefined;
    },
  });
  return { fields, file };
}

function inFormat(transcript: Transcript, format: string): Response {
  const { text, language, durationS, segments } = transcript;
  switch (format) {
    case "text":
      return plainText(`${text}\n`, "text/plain");
    case "srt":
      return plainText(subtitles(transcript, ","), "application/x-subrip");
    case "vtt":
      return plainText(`WEBVTT\n\n${subtitles(transcript, ".")}`, "text/vtt");
    case "verbose_json":
      return jsonReply(
        {
          task: "transcribe",
          language: language ?? "",
          duration: durationS ?? 0,
          text,
          segments: (segments ?? []).map(({ startS, endS, text: said }, id) => ({
            id,
            start: startS,
            end: endS,
            text: said,
          })),
        },
        200,
      );
    default:
      return jsonReply({ text }, 200);
  }
}

const plainText = (text: string, type: string): Response =>
  new Response(text, { headers: { "content-type": `${type}; charset=utf-8` } });

function subtitles({ text, segments, durationS = 0 }: Transcript, point: string): string {
  const whole: readonly TranscriptSegment[] = [{ text, startS: 0, endS: durationS }];
  return (segments ?? whole)
    .map(({ text: said, startS, endS }, index) =>
      [index + 1, `${timeOf(startS, point)} --> ${timeOf(endS, point)}`, said.trim(), ""].join(
        "\n",
      ),
    )
    .join("\n");
}

const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");

function timeOf(seconds: number, point: string): string {
  const ms = Math.max(0, Math.round(seconds * 1_000));
  const rest = String(ms % 1_000).padStart(3, "0");
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}${point}${rest}`;
}

const speechSchema = z.looseObject({
  model: z.string().max(240).nullish(),
  input: z.string().min(1).max(TEXT_CHARS_MAX),
  voice: z.union([z.string().max(120), z.looseObject({ id: z.string() })]).nullish(),
  speed: z.number().min(0.25).max(4).nullish(),
  response_format: z.string().nullish(),
  stream_format: z.string().nullish(),
});

export const spoken =
  ({ desk, clock, rates }: ModelDoor): Handler =>
  async (c) => {
    const read = await readRequest(c, "spoken");
    const asked = parse(speechSchema, read.body);
    const format = asked.response_format ?? "wav";
    if (format !== "wav" && format !== "pcm")
      throw refuse("response_format", "only wav and pcm are made here");
    if (asked.stream_format === "sse") throw refuse("stream_format", "sound is sent as it is");
    const body: SpeakRequest = {
      text: asked.input,
      speed: asked.speed ?? 1,
      ...given("model", asked.model),
      ...given("voice", typeof asked.voice === "string" ? asked.voice : asked.voice?.id),
    };
    const { pcmBase64, rateHz } = await rates.run(read.actor?.token ?? "", () =>
      within(clock, deadlineMsOf("spoken"), c.req.raw.signal, async (signal) => {
        const reply = await desk.call("spoken", { ...read, body }, { signal });
        return reply as SpokenAudio; // what the desk gives for this route
      }),
    );
    const pcm = Buffer.from(pcmBase64, "base64");
    const bytes = format === "wav" ? wavOf(pcm, rateHz) : atRate(pcm, rateHz, PCM_HZ);
    const type = format === "wav" ? "audio/wav" : "audio/pcm";
    return new Response(new Uint8Array(bytes), { headers: { "content-type": type } });
  };
