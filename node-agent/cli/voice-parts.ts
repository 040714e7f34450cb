// What the voice commands share: configuration, models, engines. Loaded with them alone: a quick command
// must not load a decoder.

import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type ClientConfig, readClientConfig } from "@gantry/shared/contract/config.ts";
import { openSilero } from "../adapters/silero.ts";
import { openWakeFrontEnd } from "../adapters/wake-front-end.ts";
import { type EngineOptions, findModel } from "../voice/engines.ts";
import type { VoiceDetector, WakeFrontEnd } from "../voice/ports.ts";
import { type Context, readText } from "./context.ts";

export interface VoiceConfig extends ClientConfig {
  readonly satellite: string;
  readonly folders: readonly string[];
  readonly phrasesPath: string;
  readonly engines: EngineOptions;
}

export function voiceConfigOf({ world }: Context): VoiceConfig {
  const config = readClientConfig(world.env, readText);
  const data = resolve(world.cwd, config.dataDir);
  const own = config.voiceModels === undefined ? undefined : resolve(world.cwd, config.voiceModels);
  return {
    ...config,
    satellite: config.voiceName ?? hostname(),
    folders: own === undefined ? [join(data, "models")] : [own],
    phrasesPath: join(data, "voice", "phrases.json"),
    engines: { clock: world.clock, language: config.voiceLanguage, voice: config.voiceVoice },
  };
}

/** Throws capability_missing with what is missing and where it belongs. */
export const openDetector = async ({ folders }: VoiceConfig): Promise<VoiceDetector> =>
  openSilero(await findModel("detector", folders));

/** Throws capability_missing. */
export async function openFrontEnd({ folders }: VoiceConfig): Promise<WakeFrontEnd> {
  const melPath = await findModel("mel", folders);
  const embeddingPath = await findModel("embedding", folders);
  return openWakeFrontEnd({ melPath, embeddingPath });
}
