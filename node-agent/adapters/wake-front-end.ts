// openWakeWord's front-end (Apache-2.0, Google's speech_embedding) on onnxruntime-node: sound to mel to
// one vector of 96 numbers each 80 ms. Measured by the project: 1.8 % of a core.
//
// WF1. Samples go in as 16-bit numbers, not as fractions, and each mel value comes out as x / 10 + 2:
//      so the embedding was trained.
// WF2. The mel of 80 ms needs 480 samples from before it (three hops of 160): each push makes 8 frames.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { EMBEDDING_SIZE } from "../voice/audio/wake-score.ts";
import type { WakeFrontEnd } from "../voice/ports.ts";
import { openModel } from "./silero.ts";

export const WAKE_CHUNK_SAMPLES = 1_280;
const OVERLAP_SAMPLES = 480;
const BANDS = 32;
const FRAMES_A_CHUNK = 8;
const FRAMES_A_WINDOW = 76;

export interface WakeModels {
  readonly melPath: string;
  readonly embeddingPath: string;
}

/** Throws model_invalid naming the path. */
export async function openWakeFrontEnd({
  melPath,
  embeddingPath,
}: WakeModels): Promise<WakeFrontEnd> {
  const mel = await openModel(melPath);
  const embedding = await openModel(embeddingPath);
  const sound = new Float32Array(OVERLAP_SAMPLES + WAKE_CHUNK_SAMPLES);
  const frames = new Float32Array(FRAMES_A_WINDOW * BANDS);
  let filled = 0;

  return {
    async push(samples) {
      sound.copyWithin(0, WAKE_CHUNK_SAMPLES);
      sound.set(samples, OVERLAP_SAMPLES); // WF1
      const made = await run(mel, sound, [1, sound.length], melPath);
      const fresh = made.subarray(-FRAMES_A_CHUNK * BANDS); // WF2
      frames.copyWithin(0, fresh.length);
      for (const [at, value] of fresh.entries()) {
        frames[frames.length - fresh.length + at] = value / 10 + 2;
      }
      filled = Math.min(FRAMES_A_WINDOW, filled + FRAMES_A_CHUNK);
      if (filled < FRAMES_A_WINDOW) return undefined;
      const vector = await run(embedding, frames, [1, FRAMES_A_WINDOW, BANDS, 1], embeddingPath);
      if (vector.length !== EMBEDDING_SIZE) throw invalid(embeddingPath);
      return vector;
    },
    reset() {
      sound.fill(0);
      frames.fill(0);
      filled = 0;
    },
  };
}

async function run(
  session: InferenceSession,
  values: Float32Array,
  shape: readonly number[],
  path: string,
): Promise<Float32Array> {
  const input = session.inputNames[0] ?? "";
  const output = session.outputNames[0] ?? "";
  const result = await session.run({ [input]: new Tensor("float32", values.slice(), [...shape]) });
  const data = result[output]?.data;
  if (!(data instanceof Float32Array)) throw invalid(path);
  return data;
}

const invalid = (path: string): GantryError =>
  new GantryError("model_invalid", `${path} is not a part of openWakeWord's front-end`);
