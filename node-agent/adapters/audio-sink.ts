// A loudspeaker: aplay or pw-play, a WAV file, or nothing.
//
// AK1. `silence` kills the player: what it has in its buffer is not heard any more. So the buffer is
//      short as well, and what is written ahead of the sound is bounded by it.
// AK2. A file, or nothing, takes as long as the sound lasts: "while we speak" is true there, too.

import { spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { type Clock, reasonOf } from "@gantry/shared/flow/clock.ts";
import { amplified, bytesOf, type Pcm } from "../voice/audio/pcm.ts";
import { resampled } from "../voice/audio/resample.ts";
import { wavHeader } from "../voice/audio/wav.ts";
import type { Loudspeaker } from "../voice/ports.ts";

const BUFFER_MS = 120;
/** A file has one rate for all that is said. */
const FILE_HZ = 22_050;
const UNKNOWN_BYTES = 0xffff_ffff - 36;

/** Where the samples of one rate go; one for each thing that is played. */
interface Player {
  write(samples: Int16Array): Promise<void>;
  end(): Promise<void>;
  kill(): void;
}

/** `aplay`, `aplay:DEVICE`, `pw-play`, `file:PATH.wav` or `none`. Throws bad_config. */
export function openLoudspeaker(spec: string, clock: Clock): Loudspeaker {
  const [kind = "", ...rest] = spec.split(":");
  const where = rest.join(":");
  switch (kind) {
    case "aplay":
      return speakerOf((hz) =>
        program("aplay", [
          ..."-q -t raw -f S16_LE -c 1".split(" "),
          ...(where === "" ? [] : ["-D", where]),
          "-r",
          String(hz),
          "--buffer-time",
          String(BUFFER_MS * 1_000),
          "-",
        ]),
      );
    case "pw-play":
      return speakerOf((hz) =>
        program("pw-play", [
          ..."--channels 1 --format s16 --raw".split(" "),
          ...(where === "" ? [] : ["--target", where]),
          "--rate",
          String(hz),
          "--latency",
          `${BUFFER_MS}ms`,
          "-",
        ]),
      );
    case "file": {
      const file = createWriteStream(where);
      file.on("error", () => {}); // told by the next write
      file.write(wavHeader(FILE_HZ, UNKNOWN_BYTES));
      return speakerOf((hz) => paced(hz, clock, file), file);
    }
    case "none":
      return speakerOf((hz) => paced(hz, clock, undefined));
    default:
      throw new GantryError(
        "bad_config",
        `The loudspeaker "${spec}" is not known: use aplay, aplay:DEVICE, pw-play, file:PATH or none`,
      );
  }
}

function speakerOf(open: (hz: number) => Player, file?: WriteStream): Loudspeaker {
  let gainDb = 0;
  let playing: { cut: AbortController; player: Player | undefined } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function playNow(
    sound: AsyncIterable<Pcm>,
    own: { cut: AbortController; player: Player | undefined },
  ): Promise<"played" | "cut"> {
    const { cut } = own;
    let hz = 0;
    try {
      for await (const pcm of sound) {
        if (cut.signal.aborted) return "cut";
        if (own.player === undefined || pcm.hz !== hz) {
          await own.player?.end();
          if (cut.signal.aborted) return "cut";
          own.player = open(pcm.hz);
          hz = pcm.hz;
        }
        const samples = gainDb === 0 ? pcm.samples : amplified(pcm.samples, gainDb);
        await own.player.write(samples);
      }
      if (cut.signal.aborted) return "cut";
      await own.player?.end();
      return cut.signal.aborted ? "cut" : "played";
    } catch (error) {
      own.player?.kill();
      if (cut.signal.aborted) return "cut";
      throw error;
    }
  }

  return {
    async play(sound, signal) {
      const before = last;
      const own = { cut: new AbortController(), player: undefined as Player | undefined };
      const run = async (): Promise<"played" | "cut"> => {
        await before.catch(() => {});
        if (signal.aborted) throw reasonOf(signal);
        playing = own;
        const onAbort = (): void => stop(own);
        signal.addEventListener("abort", onAbort, { once: true });
        try {
          return await playNow(sound, own);
        } finally {
          signal.removeEventListener("abort", onAbort);
          if (playing === own) playing = undefined;
        }
      };
      const running = run();
      last = running;
      return await running;
    },
    silence() {
      if (playing !== undefined) stop(playing);
    },
    duck(db) {
      gainDb = db;
    },
    async [Symbol.asyncDispose]() {
      if (playing !== undefined) stop(playing);
      await last.catch(() => {});
      if (file !== undefined) {
        file.end();
        await once(file, "close").catch(() => {});
      }
    },
  };
}

/** AK1. */
function stop(own: { cut: AbortController; player: Player | undefined }): void {
  own.cut.abort();
  own.player?.kill();
}

function program(name: string, args: readonly string[]): Player {
  const child = spawn(name, args, { stdio: ["pipe", "ignore", "ignore"] });
  let fault: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once("error", (cause) => {
      fault = new GantryError("io_error", `${name} cannot be started: is it installed?`, { cause });
      resolve();
    });
    child.once("close", (code) => {
      if (code !== 0 && code !== null) {
        fault ??= new GantryError(
          "io_error",
          `${name} ended with ${code}: is there a loudspeaker?`,
        );
      }
      resolve();
    });
  });
  child.stdin.on("error", () => {}); // told by `close`
  return {
    async write(samples) {
      if (fault !== undefined) throw fault;
      const isRoom = child.stdin.write(bytesOf(samples));
      if (!isRoom) await Promise.race([once(child.stdin, "drain").catch(() => {}), ended]);
    },
    async end() {
      child.stdin.end();
      await ended;
      if (fault !== undefined) throw fault;
    },
    kill: () => void child.kill("SIGKILL"),
  };
}

/** AK2. */
function paced(hz: number, clock: Clock, file: WriteStream | undefined): Player {
  const killed = new AbortController();
  const startMs = clock.monotonic();
  let writtenMs = 0;
  return {
    async write(samples) {
      const sound = hz === FILE_HZ ? samples : resampled(samples, hz, FILE_HZ);
      file?.write(bytesOf(sound));
      writtenMs += (samples.length * 1_000) / hz;
      const aheadMs = startMs + writtenMs - clock.monotonic() - BUFFER_MS;
      if (aheadMs > 1) await clock.sleep(aheadMs, killed.signal);
    },
    async end() {
      const restMs = startMs + writtenMs - clock.monotonic();
      if (restMs > 1) await clock.sleep(restMs, killed.signal);
    },
    kill: () => killed.abort(),
  };
}
