// Learning a wake phrase: each recording becomes one window of vectors, and the recording is forgotten.
// The file of phrases is a person's voice in numbers: only its owner may read it.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { EAR_HZ, joined, makeRechunker } from "./audio/pcm.ts";
import { FRAME_SAMPLES, makeSegmenter, UTTERANCE } from "./audio/segmenter.ts";
import {
  EMBEDDING_SIZE,
  RECORDINGS_MAX,
  WINDOW_FRAMES,
  windowAt,
  type WakePhrase,
} from "./audio/wake-score.ts";
import type { Microphone, VoiceDetector, WakeFrontEnd } from "./ports.ts";

const CHUNK_SAMPLES = 1_280;
/** The front-end wants 760 ms of past before its first vector, a window 1.28 s of vectors. */
const LEAD_SAMPLES = CHUNK_SAMPLES * 28;
const TAIL_SAMPLES = CHUNK_SAMPLES * 2;
const PHRASES_MAX = 16;

/** The next utterance, as it was said, with its silences. Undefined where the microphone ends first. */
export async function nextUtterance(
  microphone: Microphone,
  detector: VoiceDetector,
): Promise<Int16Array | undefined> {
  const segmenter = makeSegmenter(UTTERANCE);
  const frames = makeRechunker(FRAME_SAMPLES);
  let said: Int16Array[] = [];
  detector.reset();
  for await (const piece of microphone) {
    for (const frame of frames(piece)) {
      const probability = await detector.probability(frame);
      for (const segment of segmenter.push(frame, probability)) {
        if (segment.type === "begun") said = [...segment.before];
        if (segment.type === "more") said.push(segment.frame);
        if (segment.type === "ended") return joined(said);
      }
    }
  }
  return undefined;
}

/** One window of a recording: it ends where the speech in it ends. Throws bad_request for silence. */
export async function windowOf(
  samples: Int16Array,
  detector: VoiceDetector,
  frontEnd: WakeFrontEnd,
): Promise<Float32Array> {
  const endsAt = await speechEnd(samples, detector);
  if (endsAt === undefined)
    throw new GantryError("bad_request", "There is no speech in a recording");
  const padded = joined([new Int16Array(LEAD_SAMPLES), samples, new Int16Array(TAIL_SAMPLES)]);
  const lastChunk = Math.ceil((LEAD_SAMPLES + endsAt) / CHUNK_SAMPLES) + 1;
  const vectors: Float32Array[] = [];
  frontEnd.reset();
  for (const [at, chunk] of makeRechunker(CHUNK_SAMPLES)(padded).entries()) {
    if (at > lastChunk) break;
    const vector = await frontEnd.push(chunk);
    if (vector !== undefined) vectors.push(vector);
  }
  return windowAt(vectors, vectors.length - 1);
}

async function speechEnd(
  samples: Int16Array,
  detector: VoiceDetector,
): Promise<number | undefined> {
  let end: number | undefined;
  detector.reset();
  for (const [at, frame] of makeRechunker(FRAME_SAMPLES)(samples).entries()) {
    if ((await detector.probability(frame)) >= UTTERANCE.startAt) end = (at + 1) * FRAME_SAMPLES;
  }
  return end;
}

/** Empty where none was enrolled. Throws data_damaged. */
export async function readPhrases(path: string): Promise<readonly WakePhrase[]> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return [];
  try {
    const { phrases } = JSON.parse(text) as { phrases: readonly WakePhrase[] };
    if (Array.isArray(phrases) && phrases.every(isPhrase)) return phrases;
  } catch {
    // told below
  }
  throw new GantryError("data_damaged", `${path} holds no wake phrases: remove it and enrol again`);
}

/** A phrase of the same name is replaced. Throws busy where there are PHRASES_MAX. */
export async function keepPhrase(path: string, phrase: WakePhrase): Promise<void> {
  const others = (await readPhrases(path)).filter(({ name }) => name !== phrase.name);
  if (others.length >= PHRASES_MAX) {
    throw new GantryError("busy", `${PHRASES_MAX} phrases are known: remove one from ${path}`);
  }
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.part`;
  const text = JSON.stringify({ hz: EAR_HZ, phrases: [...others, phrase] });
  await writeFile(aside, text, { mode: 0o600 });
  await rename(aside, path);
}

const isPhrase = (value: unknown): value is WakePhrase => {
  const { name, threshold, templates } = value as Partial<WakePhrase>;
  return (
    typeof name === "string" &&
    typeof threshold === "number" &&
    Array.isArray(templates) &&
    templates.length <= RECORDINGS_MAX &&
    templates.every(
      (one: unknown) => Array.isArray(one) && one.length === EMBEDDING_SIZE * WINDOW_FRAMES,
    )
  );
};
