// espeak-ng as a program: speech from text, and how a word sounds. Debian's package; no service.
//
// ES1. Text goes in by standard input: no word of it is ever an argument or seen in a process list.
// ES2. It ends with its order: abort kills it, and its pipes close.

import { spawn } from "node:child_process";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { reasonOf } from "@gantry/shared/flow/clock.ts";
import { samplesIn, type Pcm } from "../voice/audio/pcm.ts";
import { readWavHeader } from "@gantry/shared/contract/wav-header.ts";
import type { VoiceMaker } from "../voice/ports.ts";

const WORDS_A_MINUTE = 165;
const VOICE_NAME = /^[A-Za-z0-9+_-]{1,40}$/;
const PIECE_BYTES = 8_192;
const MISSING = "espeak-ng is not installed: apt-get install espeak-ng";

export const ESPEAK_VOICES = ["en-us", "en-gb", "en-gb-scotland", "en-029", "de", "fr", "es", "it"];

/** Throws capability_missing where the program is not there. */
export async function openEspeak(defaultVoice: string, signal: AbortSignal): Promise<VoiceMaker> {
  await output(["--version"], "", signal);
  return {
    name: "espeak-ng",
    voices: ESPEAK_VOICES,
    async *speak(text, { voice = defaultVoice, speed = 1 }, signal) {
      if (!VOICE_NAME.test(voice)) {
        throw new GantryError("bad_request", `"${voice}" is no name of a voice`);
      }
      const pace = String(Math.round(WORDS_A_MINUTE * Math.min(4, Math.max(0.25, speed))));
      yield* pcmOf(run(["-v", voice, "-s", pace, "--stdin", "--stdout"], text, signal));
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The sound of each word in IPA, in order. Throws capability_missing. */
export async function soundsOf(
  words: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (words.length === 0) return [];
  const text = words.map((word) => `${word}.`).join("\n");
  const ipa = await output(["-q", "--ipa", "-v", "en-us", "--stdin"], text, signal);
  const lines = ipa.split("\n").filter((line) => line.trim() !== "");
  return words.map((_, at) => lines[at]?.trim() ?? "");
}

/** The header is taken off; the samples come as they are made. */
async function* pcmOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Pcm> {
  let head: Buffer = Buffer.alloc(0);
  let hz: number | undefined;
  for await (const piece of bytes) {
    head = Buffer.concat([head, piece]);
    if (hz === undefined) {
      const header = readWavHeader(head);
      if (header === undefined) continue;
      hz = header.hz;
      head = head.subarray(header.dataAt);
    }
    while (head.byteLength >= PIECE_BYTES) {
      yield { hz, samples: samplesIn(head.subarray(0, PIECE_BYTES)) };
      head = head.subarray(PIECE_BYTES);
    }
  }
  if (hz !== undefined && head.byteLength > 1) yield { hz, samples: samplesIn(head) };
}

async function output(args: readonly string[], text: string, signal: AbortSignal): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of run(args, text, signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

async function* run(
  args: readonly string[],
  text: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (signal.aborted) throw reasonOf(signal);
  const child = spawn("espeak-ng", args, { stdio: ["pipe", "pipe", "ignore"] });
  const kill = (): void => void child.kill("SIGKILL"); // ES2
  signal.addEventListener("abort", kill, { once: true });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new GantryError("capability_missing", MISSING, { cause })),
    );
    child.once("close", resolve);
  });
  ended.catch(() => {}); // awaited below, unless the reader leaves earlier
  child.stdin.on("error", () => {}); // it may end before it has read everything
  child.stdin.end(text); // ES1
  try {
    for await (const piece of child.stdout) yield piece as Uint8Array; // a stream without encoding
    const code = await ended;
    if (signal.aborted) throw reasonOf(signal);
    if (code !== 0) throw new GantryError("model_failed", `espeak-ng ended with ${String(code)}`);
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}
