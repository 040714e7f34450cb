// pocketsphinx as a decoder that stays: one process, fed through its standard input, one line of text
// for each utterance. It decodes while the person speaks, so the answer is there a few ms after.
//
// PS1. An utterance is followed by silence in zeros, so that the decoder's own detector ends it; blocks
//      are multiples of what it reads at once, or the last one would wait in its buffer for ever.
// PS2. What it writes belongs to the utterance under way. When a line does not come in LINE_MS, or one
//      is dropped, nobody can say whose the next line is: that process is ended and a new one started.
// PS3. One utterance at a time; a second `begin` is busy.
// PS4. It never outlives us: its group is killed at the end and with every fault.
// PS5. It learns level and colour of the room's sound from each utterance. The first RELEARN are decoded
//      twice, and what counts is said with what was learnt from them (measured: "emergency stop" as the
//      first words of all was "all parts").
// PS6. An utterance for which it writes no line (some in a hundred, with noise) is heard once more by a new
//      process: late, but a person who orders something is not left without an answer.

import { type ChildProcess, spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { bytesOf, EAR_HZ } from "../voice/audio/pcm.ts";
import type { Hearing, Recogniser } from "../voice/ports.ts";
import type { Grammar, Vocabulary } from "../voice/words/grammar.ts";
import { phonesOf } from "../voice/words/phones.ts";
import { soundsOf } from "./espeak.ts";

/** Where Debian's pocketsphinx-en-us puts them. */
export const POCKETSPHINX_MODEL = "/usr/share/pocketsphinx/model/en-us";
const PROGRAM = "pocketsphinx_continuous";
const BLOCK_SAMPLES = 2_048; // continuous.c reads so many at once
/** Its detector wants 0.9 s of silence (POST_SPEECH_FRAMES); a little more ends every utterance. */
const POST_SPEECH_FRAMES = 90;
const SILENCE_SAMPLES = EAR_HZ * 1.5;
const LINE_MS = 2_500;
/** Utterances until its idea of the room is steady. */
const RELEARN = 2;
const MISSING = `${PROGRAM} or its model is not installed: apt-get install pocketsphinx pocketsphinx-en-us`;

export interface PocketsphinxOptions {
  readonly clock: Clock;
  readonly grammar: (vocabulary: Vocabulary) => Grammar;
  readonly vocabulary: Vocabulary;
  readonly modelDir?: string;
}

/** Throws capability_missing where the program or its model is not there. */
export async function openPocketsphinx(
  { clock, grammar, vocabulary, modelDir = POCKETSPHINX_MODEL }: PocketsphinxOptions,
  signal: AbortSignal,
): Promise<Recogniser> {
  const dictionary = join(modelDir, "cmudict-en-us.dict");
  await access(dictionary).catch((cause: unknown) => {
    throw new GantryError("capability_missing", MISSING, { cause });
  });
  const folder = await mkdtemp(join(tmpdir(), "gantry-ears-"));
  let grammarNow = await prepare(vocabulary, signal);
  let decoder = startDecoder(folder, modelDir);
  let isBusy = false;
  let isClosed = false;

  async function prepare(names: Vocabulary, signal: AbortSignal): Promise<Grammar> {
    const first = grammar(names);
    const known = await pronounced(dictionary, first.words, signal);
    const missing = first.words.filter((word) => !known.has(word));
    const sounds = await soundsOf(missing, signal).catch(() => []);
    for (const [at, word] of missing.entries()) {
      const phones = phonesOf(sounds[at] ?? "");
      if (phones.length > 0) known.set(word, [`${word} ${phones.join(" ")}`]);
    }
    // A name that nobody can pronounce would keep the whole grammar from loading: it is left out.
    const isSayable = (name: string): boolean =>
      grammar({ printers: [name], files: [] }).words.every((word) => known.has(word));
    const whole = grammar({
      printers: names.printers.filter(isSayable),
      files: names.files.filter(isSayable),
    });
    const lines = whole.words.flatMap((word) => known.get(word) ?? []);
    await writeFile(join(folder, "words.dict"), `${[...lines, ...whole.ownWords].join("\n")}\n`);
    await writeFile(join(folder, "orders.gram"), whole.jsgf);
    return whole;
  }

  /** PS2. */
  function restart(): void {
    decoder.end();
    if (!isClosed) decoder = startDecoder(folder, modelDir);
  }

  function begin(): Hearing {
    if (isBusy) throw new GantryError("busy", "The ear is listening to another utterance"); // PS3
    isBusy = true;
    const own = decoder;
    const said: Int16Array[] = [];

    async function decode(by: Decoder, signal: AbortSignal): Promise<string> {
      const pushed = said.reduce((sum, { length }) => sum + length, 0);
      const fill = (BLOCK_SAMPLES - ((pushed + SILENCE_SAMPLES) % BLOCK_SAMPLES)) % BLOCK_SAMPLES;
      by.write(new Int16Array(SILENCE_SAMPLES + fill)); // PS1
      by.heard += 1;
      return grammarNow.restore(await by.line(clock.timeout(LINE_MS, signal)));
    }

    async function again(by: Decoder, signal: AbortSignal): Promise<string> {
      for (const samples of said) by.write(samples);
      return decode(by, signal);
    }

    /** What was said has been written to `by`. */
    async function hear(by: Decoder, signal: AbortSignal): Promise<string> {
      const isNew = by.heard < RELEARN;
      const first = await decode(by, signal);
      return isNew ? again(by, signal) : first; // PS5
    }

    /** PS6. */
    async function hearAnew(signal: AbortSignal): Promise<string> {
      restart();
      await again(decoder, signal);
      return again(decoder, signal);
    }

    return {
      push(samples) {
        said.push(samples);
        own.write(samples);
      },
      async finish(signal) {
        if (said.every(({ length }) => length === 0)) {
          isBusy = false;
          return "";
        }
        try {
          return await hear(own, signal).catch((error: unknown) => {
            if (signal.aborted || !isTimeout(error)) throw error;
            return hearAnew(signal);
          });
        } catch (error) {
          restart();
          if (signal.aborted) throw reasonOf(signal);
          if (isTimeout(error)) return "";
          throw error;
        } finally {
          isBusy = false;
        }
      },
      drop() {
        if (said.length > 0) restart();
        isBusy = false;
      },
    };
  }

  return {
    name: "pocketsphinx",
    languages: ["en"],
    begin,
    async learn(names, signal) {
      const next = await prepare(names, signal);
      if (next.jsgf === grammarNow.jsgf) return;
      grammarNow = next;
      if (!isBusy) restart();
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      decoder.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const isTimeout = (error: unknown): boolean =>
  error instanceof GantryError && error.code === "timeout";

interface Decoder {
  /** Utterances so far. */
  heard: number;
  write(samples: Int16Array): void;
  /** The line of the utterance under way. Throws the signal's reason, model_failed. */
  line(signal: AbortSignal): Promise<string>;
  end(): void;
}

function startDecoder(folder: string, modelDir: string): Decoder {
  const flags = [
    ["-hmm", join(modelDir, "en-us")],
    ["-dict", join(folder, "words.dict")],
    ["-jsgf", join(folder, "orders.gram")],
    ["-vad_postspeech", String(POST_SPEECH_FRAMES)],
    // A path that ends an order must not be lost to noise before the end of the utterance.
    ["-wbeam", "1e-45"],
    ["-beam", "1e-60"],
    ["-logfn", "/dev/null"],
    ["-infile", "/dev/stdin"],
  ].flat();
  // Node's pipe to a child is a socket, which /dev/stdin cannot open: cat makes a pipe of it.
  const child = spawn("sh", ["-c", 'cat | exec "$0" "$@"', PROGRAM, ...flags], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  const lines: string[] = [];
  let waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  let fault: GantryError | undefined;
  const fail = (cause?: unknown): void => {
    fault ??= new GantryError("model_failed", "pocketsphinx ended", { cause });
    waiting?.reject(fault);
    waiting = undefined;
  };
  child.once("error", fail);
  child.once("close", () => fail());
  child.stdin.on("error", () => {}); // told by `close`
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (waiting === undefined) lines.push(line);
    else waiting.resolve(line);
    waiting = undefined;
  });
  return {
    heard: 0,
    write: (samples) => void child.stdin.write(bytesOf(samples)),
    line: (signal) =>
      new Promise((resolve, reject) => {
        const early = lines.splice(0).join(" ").trim(); // a pause inside made two lines of it
        if (early !== "") return resolve(early);
        if (fault !== undefined) return reject(fault);
        const onAbort = (): void => {
          waiting = undefined;
          reject(reasonOf(signal));
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiting = {
          resolve: (line) => {
            signal.removeEventListener("abort", onAbort);
            resolve(line);
          },
          reject,
        };
      }),
    end: () => endGroup(child),
  };
}

/** PS4. */
function endGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** The lines of the dictionary for these words, with their other pronunciations: `word`, `word(2)`. */
async function pronounced(
  dictionary: string,
  words: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const wanted = new Set(words);
  const found = new Map<string, string[]>();
  for await (const line of createInterface({ input: createReadStream(dictionary, { signal }) })) {
    const word = /^([^\s(]+)/u.exec(line)?.[1];
    if (word === undefined || !wanted.has(word)) continue;
    found.set(word, [...(found.get(word) ?? []), line]);
  }
  return found;
}
