// A room for voice tests: a person who is espeak-ng, noise at a stated level, and a microphone that plays
// what they say at the speed at which it is taken.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { openEspeak } from "../../node-agent/adapters/espeak.ts";
import { joined, EAR_HZ } from "../../node-agent/voice/audio/pcm.ts";
import { resampled } from "../../node-agent/voice/audio/resample.ts";

export const VOICE_MODELS = join(import.meta.dirname, "..", "..", "..", "shared", "models");
const isInstalled = (program: string): boolean =>
  spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;

/** Why the tests with real ears are skipped; undefined: all is here. */
export function missingForVoice(): string | undefined {
  const missing = ["espeak-ng", "pocketsphinx_continuous"].filter((name) => !isInstalled(name));
  if (!existsSync(join(VOICE_MODELS, "silero_vad_16k_op15.onnx"))) missing.push("voice models");
  return missing.length === 0 ? undefined : missing.join(", ");
}

export const MEN_AND_WOMEN = ["en-us", "en-gb", "en-us+f3"] as const;

/** The words in this voice, at EAR_HZ. */
export async function spokenBy(voice: string, text: string): Promise<Int16Array> {
  const never = new AbortController().signal;
  const mouth = await openEspeak(voice, never);
  const pieces: Int16Array[] = [];
  let hz = EAR_HZ;
  for await (const pcm of mouth.speak(text, { voice }, never)) {
    hz = pcm.hz;
    pieces.push(pcm.samples);
  }
  return resampled(joined(pieces), hz, EAR_HZ);
}

/** Seconds of nothing. */
export const silence = (seconds: number): Int16Array =>
  new Int16Array(Math.round(seconds * EAR_HZ));

const power = (values: Int16Array): number =>
  values.reduce((sum, value) => sum + value * value, 0) / Math.max(1, values.length);

/**
 * Adds white noise to all of it so that the loud half of `samples` is `snrDb` above it; the same for the
 * same seed.
 */
export function withNoise(samples: Int16Array, snrDb: number, seed = 1): Int16Array {
  const frames = Array.from({ length: Math.floor(samples.length / 320) }, (_, at) =>
    power(samples.subarray(at * 320, (at + 1) * 320)),
  ).toSorted((a, b) => b - a);
  const loud = frames.filter((value) => value > 0);
  const speech =
    loud.slice(0, Math.ceil(loud.length / 2)).reduce((sum, value) => sum + value, 0) /
    Math.max(1, Math.ceil(loud.length / 2));
  const deviation = Math.sqrt(speech / 10 ** (snrDb / 10));
  let state = seed;
  const draw = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  };
  // The sum of twelve uniform numbers is normal enough, with deviation 1.
  const normal = (): number => Array.from({ length: 12 }, draw).reduce((sum, value) => sum + value);
  return samples.map((value) =>
    Math.max(-32_768, Math.min(32_767, Math.round(value + deviation * normal()))),
  );
}
