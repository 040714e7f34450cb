// sherpa-onnx with models that a person brings (Whisper, Zipformer, SenseVoice, Piper, Kokoro ...), in a
// process of its own: runners/sherpa-child.ts.
//
// SO1. A process that ends fails what it was asked, and is started again with the next order.
// SO2. One order at a time goes to it; what waits is bounded by ORDERS_MAX, then `busy`.

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import type { FromSherpa, SherpaStart, ToSherpa } from "../runners/sherpa-protocol.ts";
import { EAR_HZ, floatsOf, joined, shortsOf } from "../voice/audio/pcm.ts";
import type { Recogniser, VoiceMaker } from "../voice/ports.ts";

const LAUNCHER = join(import.meta.dirname, "..", "runners", "sherpa-child.js");
const ORDERS_MAX = 16;
const THREADS = 2;

export interface SherpaPorts {
  readonly clock: Clock;
}

/** Throws capability_missing with what is missing: the package, or a model in the folder. */
export async function openSherpaRecogniser(
  folder: string,
  ports: SherpaPorts,
  signal: AbortSignal,
): Promise<Recogniser> {
  const process = await openProcess({ task: "asr", folder, threads: THREADS }, ports, signal);
  return {
    name: `sherpa-onnx ${folder}`,
    languages: ["en"],
    begin() {
      const said: Int16Array[] = [];
      return {
        push: (samples) => void said.push(samples),
        async finish(signal) {
          const samples = floatsOf(joined(said));
          if (samples.length === 0) return "";
          const answer = await process.ask(
            (id) => ({ type: "hear", id, hz: EAR_HZ, samples }),
            signal,
          );
          return answer.type === "heard" ? answer.text : "";
        },
        drop: () => void said.splice(0),
      };
    },
    [Symbol.asyncDispose]: async () => process.end(),
  };
}

/** Throws capability_missing. */
export async function openSherpaMouth(
  folder: string,
  ports: SherpaPorts,
  signal: AbortSignal,
): Promise<VoiceMaker> {
  const process = await openProcess({ task: "tts", folder, threads: THREADS }, ports, signal);
  return {
    name: `sherpa-onnx ${folder}`,
    voices: Array.from({ length: process.voices }, (_, at) => String(at)),
    async *speak(text, { voice, speed = 1 }, signal) {
      const speaker = /^\d{1,4}$/u.test(voice ?? "") ? Number(voice) : 0;
      const order = (id: number): ToSherpa => ({ type: "say", id, text, speaker, speed });
      const answer = await process.ask(order, signal);
      if (answer.type === "said") yield { hz: answer.hz, samples: shortsOf(answer.samples) };
    },
    [Symbol.asyncDispose]: async () => process.end(),
  };
}

/** Where speech is, by sherpa's own detector: proves the process with a model of 2 MB. */
export async function detectWithSherpa(
  folder: string,
  samples: Int16Array,
  ports: SherpaPorts,
  signal: AbortSignal,
): Promise<readonly { readonly from: number; readonly count: number }[]> {
  const process = await openProcess({ task: "vad", folder, threads: 1 }, ports, signal);
  try {
    const order = (id: number): ToSherpa => ({
      type: "hear",
      id,
      hz: EAR_HZ,
      samples: floatsOf(samples),
    });
    const answer = await process.ask(order, signal);
    return answer.type === "segments" ? answer.segments : [];
  } finally {
    process.end();
  }
}

interface SpeechProcess {
  readonly voices: number;
  /** Throws busy, model_failed, timeout, the signal's reason. */
  ask(order: (id: number) => ToSherpa, signal: AbortSignal): Promise<FromSherpa>;
  end(): void;
}

async function openProcess(
  start: SherpaStart,
  { clock }: SherpaPorts,
  signal: AbortSignal,
): Promise<SpeechProcess> {
  let running = await launch(start, clock, signal);
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let lastId = 0;
  return {
    voices: running.voices,
    async ask(order, signal) {
      if (waiting >= ORDERS_MAX)
        throw new GantryError("busy", "The speech process has enough to do");
      waiting += 1;
      const before = last;
      const own = (async (): Promise<FromSherpa> => {
        await before.catch(() => {});
        if (signal.aborted) throw reasonOf(signal);
        if (running.hasEnded()) running = await launch(start, clock, signal); // SO1
        lastId += 1;
        return await running.order(order(lastId), clock.timeout(TIMEOUT.answerMs, signal));
      })().finally(() => (waiting -= 1));
      last = own;
      return await own;
    },
    end: () => running.kill(),
  };
}

interface Running {
  readonly voices: number;
  order(order: ToSherpa, signal: AbortSignal): Promise<FromSherpa>;
  hasEnded(): boolean;
  kill(): void;
}

async function launch(start: SherpaStart, clock: Clock, signal: AbortSignal): Promise<Running> {
  const child: ChildProcess = fork(LAUNCHER, [JSON.stringify(start)], {
    env: {},
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  let hasEnded = false;
  child.once("exit", () => (hasEnded = true));
  child.on("error", () => (hasEnded = true));
  const next = (signal: AbortSignal): Promise<FromSherpa> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener("abort", onAbort);
        child.off("message", onMessage);
        child.off("exit", onExit);
      };
      const onMessage = (message: FromSherpa): void => {
        leave();
        resolve(message);
      };
      const onExit = (): void => {
        leave();
        reject(new GantryError("model_failed", `The speech process for ${start.folder} ended`));
      };
      const onAbort = (): void => {
        leave();
        child.kill("SIGKILL"); // it cannot be interrupted otherwise
        reject(reasonOf(signal));
      };
      child.on("message", onMessage);
      child.once("exit", onExit);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  const first = await next(clock.timeout(TIMEOUT.firstTokenMs, signal));
  if (first.type !== "ready") {
    child.kill("SIGKILL");
    const message = first.type === "missing" ? first.message : "it said something else";
    throw new GantryError("capability_missing", `sherpa-onnx cannot serve: ${message}`);
  }
  return {
    voices: first.voices,
    async order(order, signal) {
      const answer = next(signal);
      child.send(order);
      const message = await answer;
      if (message.type !== "failed") return message;
      throw new GantryError("model_failed", `sherpa-onnx failed: ${message.message}`);
    },
    hasEnded: () => hasEnded,
    kill: () => void child.kill("SIGKILL"),
  };
}
