// A satellite with real ears and a real mouth: espeak-ng is the person and Gantry's voice, Silero and
// pocketsphinx hear. Only the hub and the loudspeaker are told what to do. Time is the sound's: a clock
// that goes as far as the microphone has been heard.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { type Clock, systemClock } from "@gantry/shared/flow/clock.ts";
import { makeMailbox } from "@gantry/shared/flow/mailbox.ts";
import { openEspeak } from "../../node-agent/adapters/espeak.ts";
import { openSilero } from "../../node-agent/adapters/silero.ts";
import { EAR_HZ, joined } from "../../node-agent/voice/audio/pcm.ts";
import { openEars, openStopEar } from "../../node-agent/voice/engines.ts";
import type {
  Loudspeaker,
  Recogniser,
  VoiceDetector,
  VoiceMaker,
} from "../../node-agent/voice/ports.ts";
import {
  type HubConfirmation,
  runSatellite,
  type Told,
  type VoiceHub,
} from "../../node-agent/voice/satellite-loop.ts";
import { missingForVoice, silence, spokenBy, VOICE_MODELS, withNoise } from "../support/voice.ts";

const missing = missingForVoice();
const NOISE_DB = 25;
const PIECE = 640; // 40 ms
/** Far beyond what anything here takes; then the log is shown. */
const UNTIL_MS = 20_000;
const never = new AbortController().signal;
const PRINT: HubConfirmation = {
  id: "cfm_1",
  phrase: "confirm print bracket on sim",
  summary: "Print bracket on sim",
  hazardClass: "medium",
  hazards: ["heats the nozzle to 215 °C"],
};

interface Room {
  /** What the hub was asked, confirmed, withdrew; what was said; in order. */
  readonly log: string[];
  /** Hands sound to the microphone, and waits until the satellite has heard all of it. */
  hears(...pieces: readonly Int16Array[]): Promise<void>;
  /** Hands sound to the microphone and does not wait. */
  says(...pieces: readonly Int16Array[]): void;
  /** Until a line of the log begins so. The room is quiet meanwhile. */
  until(start: string): Promise<void>;
  readonly isPlaying: () => boolean;
  /** Lets what is being played come to its end. */
  finishPlaying(): void;
  /** Monotonic ms of the room, by what was heard. */
  nowMs(): number;
  readonly told: Told[];
  end(): Promise<void>;
}

interface RoomOptions {
  readonly answer?: string;
  readonly waits?: HubConfirmation;
  readonly isHubGone?: boolean;
  readonly isEchoCancelled?: boolean;
}

let ears: Recogniser;
let stopEar: Recogniser;
let detector: VoiceDetector;
let mouth: VoiceMaker;

function openRoom(options: RoomOptions = {}): Room {
  const log: string[] = [];
  const told: Told[] = [];
  const microphone = makeMailbox<Int16Array>(100_000);
  let heardSamples = 0;
  let pushed = 0;
  let isEnding = false;
  let playing: { end: (how: "played" | "cut") => void } | undefined;
  const changed: (() => void)[] = [];
  const note = (line: string): void => {
    log.push(line);
    for (const tell of changed.splice(0)) tell();
  };
  const nowMs = (): number => (heardSamples * 1_000) / EAR_HZ;
  const clock: Clock = { ...systemClock, monotonic: nowMs };

  const loudspeaker: Loudspeaker = {
    async play(sound, signal) {
      let samples = 0;
      for await (const pcm of sound) samples += pcm.samples.length;
      if (signal.aborted) return "cut";
      if (samples < 6_000 || isEnding) return "played"; // an earcon, or nobody waits for it
      const over = Promise.withResolvers<"played" | "cut">();
      const own = { end: (how: "played" | "cut"): void => over.resolve(how) };
      signal.addEventListener("abort", () => own.end("cut"), { once: true });
      playing = own;
      note("playing");
      const how = await over.promise;
      if (playing === own) playing = undefined;
      note(how);
      return how;
    },
    silence() {
      playing?.end("cut");
    },
    duck() {},
    [Symbol.asyncDispose]: async () => {},
  };
  const gone = (): void => {
    if (options.isHubGone === true) throw new Error("no hub");
  };
  const hub: VoiceHub = {
    claim: async () => true,
    async ask(text, onText) {
      note(`ask ${text}`);
      gone();
      onText(options.answer ?? "All is well with the printers today.");
      return options.waits;
    },
    async confirm(id, phrase) {
      note(`confirm ${id} ${phrase}`);
    },
    async withdraw(id) {
      note(`withdraw ${id}`);
    },
    async halt() {
      note("halt");
      return "Halted: sim.";
    },
    names: async () => ({ printers: ["sim"], files: ["bracket.gcode"] }),
  };
  async function* pieces(): AsyncGenerator<Int16Array> {
    for await (const piece of microphone) {
      heardSamples += piece.length;
      yield piece;
      for (const tell of changed.splice(0)) tell();
    }
  }
  detector.reset();
  const running = runSatellite(
    {
      clock,
      random: seededRandom(1),
      microphone: pieces(),
      loudspeaker,
      detector,
      recogniser: { ...ears, learn: async () => {} },
      stopEar,
      mouth,
      hub,
      ...(options.isEchoCancelled === undefined
        ? {}
        : { isEchoCancelled: options.isEchoCancelled }),
      tell: (one) => {
        told.push(one);
        if (one.type !== "state")
          note(one.type === "said" || one.type === "heard" ? `${one.type} ${one.text}` : one.type);
      },
    },
    never,
  );
  running.catch((error: unknown) => note(`fault ${String(error)}`)).finally(() => note("ended"));
  const says = (...parts: readonly Int16Array[]): void => {
    const all = withNoise(joined(parts), NOISE_DB, pushed + 1);
    for (let at = 0; at < all.length; at += PIECE) microphone.offer(all.subarray(at, at + PIECE));
    pushed += all.length;
  };
  const nextChange = (): Promise<void> => new Promise((resolve) => changed.push(resolve));
  async function reach(isThere: () => boolean, what: string): Promise<void> {
    const limit = systemClock.timeout(UNTIL_MS);
    const over = new Promise<void>((resolve) => limit.addEventListener("abort", () => resolve()));
    while (!isThere()) {
      await Promise.race([nextChange(), over]);
      if (limit.aborted) throw new Error(`no "${what}" in:\n${log.join("\n")}`);
    }
  }
  return {
    log,
    told,
    nowMs,
    says,
    async hears(...parts) {
      says(...parts);
      await reach(() => heardSamples >= pushed, "the end of the sound");
    },
    until: (start) => reach(() => log.some((line) => line.startsWith(start)), start),
    isPlaying: () => playing !== undefined,
    finishPlaying: () => playing?.end("played"),
    async end() {
      isEnding = true;
      microphone.close();
      playing?.end("played");
      await running;
    },
  };
}

const command = async (text: string): Promise<Int16Array> => {
  const words = await spokenBy("en-us", text);
  return joined([silence(0.6), words, silence(1.2)]);
};

describe.skipIf(missing !== undefined)(
  `a satellite, spoken to (needs ${missing ?? "nothing"})`,
  () => {
    beforeAll(async () => {
      const engines = { clock: systemClock, language: "en", voice: "en-us" };
      const ear = await openStopEar(engines, never);
      if (ear === undefined) throw new Error("pocketsphinx is not installed");
      stopEar = ear;
      ears = await openEars("pocketsphinx", engines, never);
      await ears.learn?.({ printers: ["sim"], files: ["bracket.gcode"] }, never);
      detector = await openSilero(join(VOICE_MODELS, "silero_vad_16k_op15.onnx"));
      mouth = await openEspeak("en-us", never);
    }, 60_000);
    afterAll(async () => {
      await ears[Symbol.asyncDispose]();
      await stopEar[Symbol.asyncDispose]();
    });

    it("hears a command, asks the hub, and says its answer", { timeout: 60_000 }, async () => {
      const room = openRoom();
      await room.hears(await command("what is printing"));
      await room.until("ask");
      expect(room.log).toContain("ask what is printing");
      await room.until("playing");
      expect(room.log).toContain("said All is well with the printers today.");
      await room.end();
    });

    it(
      "a stop word silences it while it speaks, and the hub is not asked",
      { timeout: 60_000 },
      async () => {
        const room = openRoom({ isHubGone: false });
        await room.hears(await command("what is printing"));
        await room.until("playing");
        const word = await spokenBy("en-us", "stop");
        const spoken = trimmed(word);
        await room.hears(silence(0.5), spoken);
        const saidMs = room.nowMs();
        room.says(silence(2));
        await room.until("silenced");
        expect(room.isPlaying()).toBe(false);
        const order = room.told.findIndex(({ type }) => type === "silenced");
        expect(order).toBeGreaterThan(0);
        expect(room.log.filter((line) => line.startsWith("ask"))).toHaveLength(1);
        expect(room.log).not.toContain("halt");
        expect(room.nowMs()).toBeGreaterThan(saidMs);
        await room.end();
      },
    );

    it(
      "an emergency stop goes to the machines while it speaks, and with no hub at all",
      { timeout: 60_000 },
      async () => {
        const room = openRoom({ isHubGone: true });
        await room.hears(await command("emergency stop"));
        await room.until("halt");
        await room.until("said Halted: sim.");
        expect(room.log.indexOf("halt")).toBeLessThan(room.log.indexOf("said Halted: sim."));
        await room.end();
        const speaking = openRoom();
        await speaking.hears(await command("what is printing"));
        await speaking.until("playing");
        await speaking.hears(await command("emergency stop"));
        await speaking.until("halt");
        await speaking.end();
      },
    );

    it(
      "a print waits for the drawn word: not for yes, not for a negation, not while it speaks",
      { timeout: 60_000 },
      async () => {
        const room = openRoom({
          waits: PRINT,
          answer: "It takes 12 min. To start it, say: confirm print bracket on sim",
        });
        await room.hears(await command("print bracket on sim"));
        await room.until("playing");
        const readBack = room.log.find((line) => line.includes("To go ahead, say: confirm"));
        const word = /say: confirm (\w+)\.$/u.exec(readBack ?? "")?.[1] ?? "";
        expect(readBack).toContain("Print bracket on sim. It heats the nozzle to 215 degrees.");
        expect(room.log.join("\n")).not.toContain("say: confirm print");
        await room.hears(await command(`confirm ${word}`)); // while it speaks: our own echo
        expect(room.log.some((line) => line.startsWith("confirm"))).toBe(false);
        room.finishPlaying();
        await room.until("played");
        await room.hears(silence(0.6), await command(`do not confirm ${word}`));
        await room.until("withdraw");
        expect(room.log.some((line) => line.startsWith("confirm"))).toBe(false);
        await room.end();
      },
    );

    it(
      "[K117] the drawn word confirms with the hub's own phrase",
      { timeout: 60_000 },
      async () => {
        const room = openRoom({ waits: PRINT, answer: "It takes 12 min." });
        await room.hears(await command("print bracket on sim"));
        await room.until("playing");
        const readBack = room.log.find((line) => line.includes("To go ahead, say: confirm"));
        const word = /say: confirm (\w+)\.$/u.exec(readBack ?? "")?.[1] ?? "";
        room.finishPlaying();
        await room.until("played");
        await room.hears(silence(0.6), await command(`confirm ${word}`));
        await room.until("confirm");
        expect(room.log).toContain("confirm cfm_1 confirm print bracket on sim");
        await room.end();
      },
    );
  },
);

/** Without the silence that espeak-ng puts behind its words: the word ends where its sound ends. */
function trimmed(samples: Int16Array): Int16Array {
  let end = samples.length;
  while (end > 0 && Math.abs(samples[end - 1] ?? 0) < 300) end -= 1;
  return samples.subarray(0, end);
}
