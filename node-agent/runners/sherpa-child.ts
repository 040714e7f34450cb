// sherpa-onnx in a process of its own: it brings its own libonnxruntime, and two of them in one process
// end it. One model, one thing at a time; the parent kills it, and it ends when the parent does.

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { FromSherpa, SherpaStart, ToSherpa } from "./sherpa-protocol.ts";

interface Sound {
  readonly samples: Float32Array;
  readonly sampleRate: number;
}

/** What we use of the package; it has no types of its own. */
interface Sherpa {
  readonly OfflineRecognizer: new (config: object) => {
    createStream(): { acceptWaveform(sound: Sound): void };
    decode(stream: object): void;
    getResult(stream: object): { readonly text: string };
  };
  readonly OfflineTts: new (config: object) => {
    readonly numSpeakers: number;
    generate(request: object): Sound;
  };
  readonly Vad: new (
    config: object,
    bufferS: number,
  ) => {
    acceptWaveform(samples: Float32Array): void;
    isEmpty(): boolean;
    front(external: boolean): { readonly start: number; readonly samples: Float32Array };
    pop(): void;
    flush(): void;
    reset(): void;
  };
}

const VAD_WINDOW = 512;
const say = (message: FromSherpa): void => void process.send?.(message);

function load(): Sherpa | undefined {
  try {
    return createRequire(import.meta.url)("sherpa-onnx-node") as Sherpa;
  } catch {
    return undefined;
  }
}

/** The configuration by what lies in the folder; undefined: nothing that we know. */
function modelConfigOf({ task, folder, threads }: SherpaStart): object | undefined {
  const files = readdirSync(folder).filter((file) => file.endsWith(".onnx"));
  const find = (part: string): string | undefined => {
    // The small form of a model is taken where there are both.
    const found = files.filter((file) => file.includes(part)).toSorted();
    const name = found.find((file) => file.includes("int8")) ?? found[0];
    return name === undefined ? undefined : join(folder, name);
  };
  const beside = (name: string): string => join(folder, name);
  const tokens = readdirSync(folder).find((file) => file.endsWith("tokens.txt"));
  const common = { tokens: tokens === undefined ? "" : beside(tokens), numThreads: threads };
  if (task === "vad") {
    const model = find("silero");
    if (model === undefined) return undefined;
    const times = { threshold: 0.5, minSpeechDuration: 0.25, minSilenceDuration: 0.5 };
    return {
      sileroVad: { model, windowSize: VAD_WINDOW, maxSpeechDuration: 15, ...times },
      sampleRate: 16_000,
      numThreads: threads,
    };
  }
  const model = find("");
  if (tokens === undefined || model === undefined) return undefined;
  if (task === "tts") {
    const dataDir = existsSync(beside("espeak-ng-data")) ? beside("espeak-ng-data") : "";
    const lexicon = existsSync(beside("lexicon.txt")) ? beside("lexicon.txt") : "";
    const voices = existsSync(beside("voices.bin")) ? beside("voices.bin") : undefined;
    const vits = { model, tokens: common.tokens, dataDir, lexicon };
    return {
      model: {
        ...(voices === undefined ? { vits } : { kokoro: { ...vits, voices } }),
        numThreads: threads,
      },
      maxNumSentences: 1,
    };
  }
  const encoder = find("encoder");
  const decoder = find("decoder");
  const joiner = find("joiner");
  if (encoder !== undefined && decoder !== undefined) {
    const parts =
      joiner === undefined
        ? { whisper: { encoder, decoder } }
        : { transducer: { encoder, decoder, joiner } };
    return { modelConfig: { ...common, ...parts } };
  }
  const isSense = folder.includes("sense-voice");
  const single = isSense ? { senseVoice: { model } } : { nemoCtc: { model } };
  return { modelConfig: { ...common, ...single } };
}

type Work = (order: ToSherpa) => FromSherpa;

function open(sherpa: Sherpa, { task }: SherpaStart, config: object): [work: Work, voices: number] {
  if (task === "vad") {
    const vad = new sherpa.Vad(config, 60);
    return [(order) => detect(vad, order), 0];
  }
  if (task === "tts") {
    const tts = new sherpa.OfflineTts(config);
    const work: Work = (order) => {
      if (order.type !== "say") throw new Error("this process speaks");
      const { text, speaker: sid, speed, id } = order;
      const { samples, sampleRate: hz } = tts.generate({
        text,
        sid,
        speed,
        enableExternalBuffer: false,
      });
      return { type: "said", id, hz, samples };
    };
    return [work, tts.numSpeakers];
  }
  const recogniser = new sherpa.OfflineRecognizer(config);
  const work: Work = (order) => {
    if (order.type !== "hear") throw new Error("this process listens");
    const stream = recogniser.createStream();
    stream.acceptWaveform({ samples: order.samples, sampleRate: order.hz });
    recogniser.decode(stream);
    return { type: "heard", id: order.id, text: recogniser.getResult(stream).text.trim() };
  };
  return [work, 0];
}

function detect(vad: InstanceType<Sherpa["Vad"]>, order: ToSherpa): FromSherpa {
  if (order.type !== "hear") throw new Error("this process listens");
  const segments: { from: number; count: number }[] = [];
  vad.reset();
  for (let at = 0; at + VAD_WINDOW <= order.samples.length; at += VAD_WINDOW) {
    vad.acceptWaveform(order.samples.subarray(at, at + VAD_WINDOW));
  }
  vad.flush();
  while (!vad.isEmpty()) {
    const { start, samples } = vad.front(false);
    segments.push({ from: start, count: samples.length });
    vad.pop();
  }
  return { type: "segments", id: order.id, segments };
}

const start = JSON.parse(process.argv[2] ?? "{}") as SherpaStart; // adapters/sherpa.ts wrote it
process.on("disconnect", () => process.exit(0));
const sherpa = load();
const config = sherpa === undefined ? undefined : modelConfigOf(start);
if (sherpa === undefined) {
  say({ type: "missing", message: "The package sherpa-onnx-node is not installed here" });
} else if (config === undefined) {
  say({
    type: "missing",
    message: `${start.folder} has no model of sherpa-onnx for ${start.task}`,
  });
} else {
  const [work, voices] = open(sherpa, start, config);
  process.on("message", (order: ToSherpa) => {
    try {
      say(work(order));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      say({ type: "failed", id: order.id, message });
    }
  });
  say({ type: "ready", voices });
}
