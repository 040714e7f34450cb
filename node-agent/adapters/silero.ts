// Silero's voice detector (MIT) on onnxruntime-node. Runs where it is called: 0.1 ms of each 32 ms, in
// the voice process, which has nothing else to do meanwhile.
//
// SV1. The model wants the last 64 samples of the frame before in front of each frame; without them its
//      probabilities are noise.
// SV2. State and context are of one stretch of sound: `reset` before another one.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { EAR_HZ, floatsOf } from "../voice/audio/pcm.ts";
import { FRAME_SAMPLES } from "../voice/audio/segmenter.ts";
import type { VoiceDetector } from "../voice/ports.ts";

const CONTEXT_SAMPLES = 64;
const STATE_SHAPE = [2, 1, 128] as const;
const STATE_SIZE = 256;

/** Throws model_invalid naming the path. */
export async function openSilero(path: string): Promise<VoiceDetector> {
  const session = await openModel(path);
  const rate = new Tensor("int64", BigInt64Array.of(BigInt(EAR_HZ)), []);
  const input = new Float32Array(CONTEXT_SAMPLES + FRAME_SAMPLES);
  let state: Float32Array = new Float32Array(STATE_SIZE);
  return {
    async probability(frame) {
      input.copyWithin(0, FRAME_SAMPLES); // SV1
      input.set(floatsOf(frame), CONTEXT_SAMPLES);
      const { output, stateN } = await session.run({
        input: new Tensor("float32", input, [1, input.length]),
        state: new Tensor("float32", state, [...STATE_SHAPE]),
        sr: rate,
      });
      if (!(output?.data instanceof Float32Array) || !(stateN?.data instanceof Float32Array)) {
        throw new GantryError("model_invalid", `${path} is not Silero's voice detector`);
      }
      state = stateN.data;
      return output.data[0] ?? 0;
    },
    reset() {
      state = new Float32Array(STATE_SIZE); // SV2
      input.fill(0);
    },
  };
}

/** One thread: these models are so small that a second one only waits for the first. */
export async function openModel(path: string): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(path, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new GantryError("model_invalid", `${path} cannot be loaded: ${words}`, { cause });
  }
}
