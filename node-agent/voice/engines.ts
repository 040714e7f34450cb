// Which ears and which mouth: what the configuration names, or the first that is there.
//
// EN1. `auto` takes what is built in (Debian's pocketsphinx and espeak-ng); a service or models that a
//      person names are never replaced in silence by something else.
// EN2. A model that is missing is said with its name, its folder and where it comes from.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { openEspeak } from "../adapters/espeak.ts";
import { openPocketsphinx } from "../adapters/pocketsphinx.ts";
import { openSherpaMouth, openSherpaRecogniser } from "../adapters/sherpa.ts";
import { openWyomingMouth, openWyomingRecogniser } from "../adapters/wyoming-client.ts";
import type { Recogniser, VoiceMaker } from "./ports.ts";
import { commandGrammar, stopGrammar, type Vocabulary } from "./words/grammar.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly language: string;
  readonly voice: string;
}

const NO_NAMES: Vocabulary = { printers: [], files: [] };

/** `auto`, `pocketsphinx`, `wyoming:HOST:PORT` or `sherpa:FOLDER`. Throws bad_config, capability_missing. */
export async function openEars(
  spec: string,
  { clock, language }: EngineOptions,
  signal: AbortSignal,
): Promise<Recogniser> {
  const [kind, rest] = splitSpec(spec);
  if (kind === "auto" || kind === "pocketsphinx") {
    return openPocketsphinx({ clock, grammar: commandGrammar, vocabulary: NO_NAMES }, signal);
  }
  if (kind === "wyoming") return openWyomingRecogniser(rest, language);
  if (kind === "sherpa") return openSherpaRecogniser(rest, { clock }, signal);
  throw unknownEngine("GANTRY_VOICE_STT", spec, "auto, pocketsphinx");
}

/** The ear for stop words; undefined where pocketsphinx is not installed. */
export async function openStopEar(
  { clock }: EngineOptions,
  signal: AbortSignal,
): Promise<Recogniser | undefined> {
  try {
    return await openPocketsphinx({ clock, grammar: stopGrammar, vocabulary: NO_NAMES }, signal);
  } catch (error) {
    if (error instanceof GantryError && error.code === "capability_missing") return undefined;
    throw error;
  }
}

/** `auto`, `espeak`, `wyoming:HOST:PORT` or `sherpa:FOLDER`. Throws bad_config, capability_missing. */
export async function openMouth(
  spec: string,
  { clock, voice }: EngineOptions,
  signal: AbortSignal,
): Promise<VoiceMaker> {
  const [kind, rest] = splitSpec(spec);
  if (kind === "auto" || kind === "espeak") return openEspeak(voice, signal);
  if (kind === "wyoming") return openWyomingMouth(rest, clock);
  if (kind === "sherpa") return openSherpaMouth(rest, { clock }, signal);
  throw unknownEngine("GANTRY_VOICE_TTS", spec, "auto, espeak");
}

const MODELS = {
  detector: {
    fits: /^silero_vad.*\.onnx$/u,
    what: "Silero's voice detector (silero_vad.onnx, github.com/snakers4/silero-vad)",
  },
  mel: {
    fits: /melspectrogram.*\.onnx$/u,
    what: "openWakeWord's melspectrogram.onnx (github.com/dscripka/openWakeWord)",
  },
  embedding: {
    fits: /embedding_model.*\.onnx$/u,
    what: "openWakeWord's embedding_model.onnx (github.com/dscripka/openWakeWord)",
  },
} as const;

/** The path of a model in one of these folders. Throws capability_missing; EN2. */
export async function findModel(
  name: keyof typeof MODELS,
  folders: readonly string[],
): Promise<string> {
  const { fits, what } = MODELS[name];
  for (const folder of folders) {
    const files = await readdir(folder).catch((): string[] => []);
    const found = files.find((file) => fits.test(file));
    if (found !== undefined) return join(folder, found);
  }
  throw new GantryError(
    "capability_missing",
    `${what} is not in ${folders.join(" or ")}: put it there, or set GANTRY_VOICE_MODELS`,
  );
}

function splitSpec(spec: string): readonly [kind: string, rest: string] {
  const cut = spec.indexOf(":");
  return cut < 0 ? [spec, ""] : [spec.slice(0, cut), spec.slice(cut + 1)];
}

const unknownEngine = (variable: string, spec: string, own: string): GantryError =>
  new GantryError(
    "bad_config",
    `${variable} is "${spec}": use ${own}, wyoming:HOST:PORT or sherpa:FOLDER`,
  );
