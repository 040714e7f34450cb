// What listening costs, and how soon a stop word is obeyed. Sound comes at the speed of time, as from a
// microphone; espeak-ng speaks; Silero, openWakeWord's front-end and pocketsphinx hear.
//
//   node bench/voice.ts [ROUNDS]        prints one JSON document
//
// Not measured: a sound card (its buffers add to the stop: 120 ms are asked of aplay, which is killed), a
// room with its echo, and people.

import { cpus } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { openEspeak } from "../node-agent/adapters/espeak.ts";
import { openSilero } from "../node-agent/adapters/silero.ts";
import { openWakeFrontEnd } from "../node-agent/adapters/wake-front-end.ts";
import { EAR_HZ, joined, makeRechunker } from "../node-agent/voice/audio/pcm.ts";
import { openEars, openStopEar } from "../node-agent/voice/engines.ts";
import { nextUtterance } from "../node-agent/voice/enrolment.ts";
import type { Loudspeaker } from "../node-agent/voice/ports.ts";
import { runSatellite, type VoiceHub } from "../node-agent/voice/satellite-loop.ts";
import {
  MEN_AND_WOMEN,
  missingForVoice,
  silence,
  spokenBy,
  VOICE_MODELS,
  withNoise,
} from "../tests/support/voice.ts";
import { type Figure, figureOf } from "./measure.ts";

const ROUNDS = Number(process.argv[2] ?? 20);
const NOISE_DB = 25;
const never = new AbortController().signal;
const engines = { clock: systemClock, language: "en", voice: "en-us" };
const NAMES = { printers: ["sim", "voron"], files: ["bracket", "benchy"] };
const missing = missingForVoice();
if (missing !== undefined) throw new Error(`Missing for this measurement: ${missing}`);

const detector = await openSilero(join(VOICE_MODELS, "silero_vad_16k_op15.onnx"));
const figures: Figure[] = [];

async function shares(): Promise<void> {
  const frontEnd = await openWakeFrontEnd({
    melPath: join(VOICE_MODELS, "oww-melspectrogram.onnx"),
    embeddingPath: join(VOICE_MODELS, "oww-embedding_model.onnx"),
  });
  const talk = withNoise(
    joined(
      await Promise.all(MEN_AND_WOMEN.map((voice) => spokenBy(voice, "print bracket on sim"))),
    ),
    NOISE_DB,
  );
  const timed = async (length: number, work: (piece: Int16Array) => Promise<unknown>) => {
    const samples: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      for (const piece of makeRechunker(length)(talk)) {
        const fromMs = performance.now();
        await work(piece);
        samples.push(performance.now() - fromMs);
      }
    }
    return samples;
  };
  const goal = { atMost: 1 };
  const frames = await timed(512, (piece) => detector.probability(piece));
  figures.push(
    figureOf(
      "voice detector, share of a core",
      "%",
      frames.map((ms) => (ms / 32) * 100),
      { goal },
    ),
  );
  const chunks = await timed(1_280, (piece) => frontEnd.push(piece));
  figures.push(
    figureOf(
      "wake front-end, share of a core",
      "%",
      chunks.map((ms) => (ms / 80) * 100),
      {
        goal: { atMost: 5 },
      },
    ),
  );
}

/** From the end of an utterance (700 ms of silence are over) to its words. */
async function words(): Promise<void> {
  await using ears = await openEars("pocketsphinx", engines, never);
  await ears.learn?.(NAMES, never);
  const texts = ["pause the print on voron", "print bracket on sim", "what is printing", "status"];
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS + 2; round += 1) {
    const voice = MEN_AND_WOMEN[round % MEN_AND_WOMEN.length] ?? "en-us";
    const said = await spokenBy(voice, texts[round % texts.length] ?? "status");
    const sound = withNoise(joined([silence(0.6), said, silence(1.2)]), NOISE_DB, round + 1);
    const utterance = await nextUtterance(once(sound), detector);
    const hearing = ears.begin();
    // As it is spoken: a piece each 32 ms, so that the decoder goes along.
    for (const piece of makeRechunker(512)(utterance ?? silence(0))) {
      hearing.push(piece);
      await systemClock.sleep(32, never);
    }
    const fromMs = performance.now();
    await hearing.finish(never);
    if (round >= 2) samples.push(performance.now() - fromMs); // the first two are decoded twice (PS5)
  }
  figures.push(
    figureOf("end of the utterance to its words", "ms", samples, { goal: { atMost: 700 } }),
  );
}

/** From the last sound of "stop" to silence, while an answer is being said. */
async function stops(): Promise<void> {
  await using ears = await openEars("pocketsphinx", engines, never);
  const stopEar = await openStopEar(engines, never);
  if (stopEar === undefined) throw new Error("pocketsphinx is not installed");
  await using _stopEar = stopEar;
  const mouth = await openEspeak("en-us", never);
  const samples: number[] = [];
  let missed = 0;
  let silencedAtMs: number | undefined;
  const playing = { end: undefined as ((how: "played" | "cut") => void) | undefined };
  const loudspeaker: Loudspeaker = {
    async play(sound) {
      let count = 0;
      for await (const pcm of sound) count += pcm.samples.length;
      if (count < 6_000) return "played";
      const how = await new Promise<"played" | "cut">((resolve) => (playing.end = resolve));
      playing.end = undefined;
      return how;
    },
    silence() {
      silencedAtMs ??= performance.now();
      playing.end?.("cut");
    },
    duck() {},
    [Symbol.asyncDispose]: async () => {},
  };
  const hub: VoiceHub = {
    claim: async () => true,
    ask: async (_, onText) => {
      onText("This is a long answer about the printers of this house.");
      return undefined;
    },
    confirm: async () => {},
    withdraw: async () => {},
    halt: async () => "",
    names: async () => NAMES,
  };
  async function* paced(sound: Int16Array): AsyncGenerator<Int16Array> {
    const startMs = performance.now();
    for (let at = 0; at < sound.length; at += 320) {
      const restMs = startMs + (at * 1_000) / EAR_HZ - performance.now();
      if (restMs > 1) await systemClock.sleep(restMs, never);
      yield sound.subarray(at, at + 320);
    }
  }
  async function* room(): AsyncGenerator<Int16Array> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const voice = MEN_AND_WOMEN[round % MEN_AND_WOMEN.length] ?? "en-us";
      const order = await spokenBy("en-us", "what is printing");
      yield* paced(withNoise(joined([silence(0.8), order, silence(1)]), NOISE_DB, round + 1));
      for (let tries = 0; playing.end === undefined && tries < 100; tries += 1) {
        yield* paced(new Int16Array(640));
      }
      if (playing.end === undefined) {
        missed += 1;
        continue;
      }
      silencedAtMs = undefined;
      const stop = trimmed(await spokenBy(voice, "stop"));
      const lead = withNoise(joined([silence(0.7), stop, silence(1.5)]), NOISE_DB, round + 50);
      const wordEnd = Math.round(0.7 * EAR_HZ) + stop.length;
      yield* paced(lead.subarray(0, wordEnd));
      const endMs = performance.now();
      yield* paced(lead.subarray(wordEnd));
      if (silencedAtMs === undefined) missed += 1;
      else samples.push(silencedAtMs - endMs);
      playing.end?.("played");
    }
  }
  await runSatellite(
    {
      clock: systemClock,
      random: seededRandom(1),
      microphone: room(),
      loudspeaker,
      detector,
      recogniser: ears,
      stopEar,
      mouth,
      hub,
      tell: () => {},
    },
    never,
  );
  const note = `${missed} of ${ROUNDS} not heard`;
  figures.push(
    figureOf("stop word to silence", "ms", samples, { goal: { atMost: 300 }, note }),
    figureOf("stop word to silence, the slowest", "ms", [Math.max(...samples)], {
      goal: { atMost: 300 },
    }),
  );
}

function trimmed(samples: Int16Array): Int16Array {
  let end = samples.length;
  while (end > 0 && Math.abs(samples[end - 1] ?? 0) < 300) end -= 1;
  return samples.slice(0, end);
}

async function* once(sound: Int16Array): AsyncGenerator<Int16Array> {
  yield sound;
}

await shares();
await words();
await stops();
const machine = { cores: cpus().length, cpu: cpus()[0]?.model ?? "", node: process.version };
process.stdout.write(`${JSON.stringify({ machine, noiseDb: NOISE_DB, figures }, undefined, 2)}\n`);
