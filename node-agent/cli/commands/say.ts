// gantry say: speaks a text on this machine, or writes it as a WAV file.

import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { openLoudspeaker } from "../../adapters/audio-sink.ts";
import { joined, type Pcm } from "../../voice/audio/pcm.ts";
import { resampled } from "../../voice/audio/resample.ts";
import { writeWav } from "../../voice/audio/wav.ts";
import { openMouth } from "../../voice/engines.ts";
import { speakable } from "../../voice/words/speakable.ts";
import { textOption } from "../args.ts";
import { type Command, show } from "../context.ts";
import { voiceConfigOf } from "../voice-parts.ts";

export const say: Command = async (context) => {
  const { world, words, options } = context;
  const { signal } = world;
  const text = speakable(words.join(" "));
  if (text === "") throw new GantryError("bad_request", "There is nothing to say");
  const config = voiceConfigOf(context);
  await using mouth = await openMouth(config.voiceTts, config.engines, signal);
  const voice = textOption(options, "voice") ?? config.voiceVoice;
  const sound = mouth.speak(text, { voice }, signal);
  const out = textOption(options, "out");
  if (out === undefined) {
    await using loudspeaker = openLoudspeaker(config.voiceSpeaker, world.clock);
    await loudspeaker.play(sound, signal);
    return;
  }
  const pieces: Pcm[] = [];
  for await (const piece of sound) pieces.push(piece);
  const hz = pieces[0]?.hz ?? 16_000;
  const samples = joined(pieces.map((one) => resampled(one.samples, one.hz, hz)));
  await writeFile(resolve(world.cwd, out), writeWav({ hz, samples }));
  const seconds = Math.round((samples.length / hz) * 100) / 100;
  show(context, { file: out, seconds, engine: mouth.name }, () => `${out}: ${seconds} s`);
};
