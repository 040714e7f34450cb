// A microphone: arecord or pw-record, a WAV file, or raw sound from a pipe.
//
// AS1. Whatever it is, what comes out is mono at EAR_HZ.
// AS2. A file is played at the speed of time, so that everything behaves as with a person.
// AS3. A recorder that ends by itself is said with its last words: a missing device must be seen.

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import { EAR_HZ, samplesIn } from "../voice/audio/pcm.ts";
import { resampled } from "../voice/audio/resample.ts";
import { readWav } from "../voice/audio/wav.ts";
import type { Microphone } from "../voice/ports.ts";

/** 40 ms: short for an answer, long enough to be cheap. */
const PIECE_SAMPLES = EAR_HZ / 25;
const STDERR_MAX = 2_000;
/** Of one WAV file as a microphone: an hour. */
const FILE_BYTES_MAX = 16_000 * 2 * 3_600;

/**
 * `arecord`, `arecord:DEVICE`, `pw-record`, `pw-record:TARGET`, `file:PATH.wav` or `pipe:PATH` (raw, 16
 * bit, EAR_HZ; `pipe:-` is standard input). Throws bad_config for anything else.
 */
export function openMicrophone(
  spec: string,
  ports: { readonly clock: Clock; readonly stdin: AsyncIterable<Uint8Array | string> },
  signal: AbortSignal,
): Microphone {
  const [kind = "", ...rest] = spec.split(":");
  const where = rest.join(":");
  switch (kind) {
    case "arecord": {
      const format = ["-q", "-t", "raw", "-f", "S16_LE", "-r", String(EAR_HZ), "-c", "1"];
      return recorder("arecord", where === "" ? format : [...format, "-D", where], signal);
    }
    case "pw-record": {
      const format = ["--rate", String(EAR_HZ), "--channels", "1", "--format", "s16", "--raw"];
      const target = where === "" ? [] : ["--target", where];
      return recorder("pw-record", [...format, ...target, "-"], signal);
    }
    case "file":
      return fromFile(where, ports.clock, signal);
    case "pipe":
      return fromBytes(where === "-" ? ports.stdin : createReadStream(where, { signal }));
    default:
      throw new GantryError(
        "bad_config",
        `The microphone "${spec}" is not known: use arecord, arecord:DEVICE, pw-record, file:PATH or pipe:PATH`,
      );
  }
}

async function* recorder(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Int16Array> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-STDERR_MAX);
  });
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const ended = new Promise<void>((resolve) => {
    child.once("error", (cause) => {
      said = cause.message;
      resolve();
    });
    child.once("close", () => resolve());
  });
  try {
    yield* fromBytes(child.stdout);
    await ended;
    if (signal.aborted) return;
    throw new GantryError("io_error", `${program} ended: ${said.trim() || "without a word"}`); // AS3
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

async function* fromFile(
  path: string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Int16Array> {
  const bytes = await readFile(path);
  if (bytes.byteLength > FILE_BYTES_MAX) {
    throw new GantryError("too_large", `${path} is longer than an hour of sound`);
  }
  const { hz, samples } = readWav(bytes);
  const all = resampled(samples, hz, EAR_HZ);
  const startMs = clock.monotonic();
  for (let at = 0; at < all.length; at += PIECE_SAMPLES) {
    const dueMs = startMs + (at / EAR_HZ) * 1_000; // AS2
    const restMs = dueMs - clock.monotonic();
    if (restMs > 1) await clock.sleep(restMs, signal);
    yield all.subarray(at, at + PIECE_SAMPLES);
  }
}

async function* fromBytes(stream: AsyncIterable<Uint8Array | string>): AsyncGenerator<Int16Array> {
  let odd = Buffer.alloc(0);
  for await (const piece of stream) {
    const bytes = Buffer.concat([odd, typeof piece === "string" ? Buffer.from(piece) : piece]);
    const even = bytes.byteLength & ~1;
    odd = bytes.subarray(even);
    if (even > 0) yield samplesIn(bytes.subarray(0, even));
  }
}
