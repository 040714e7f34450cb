// What the voice loop needs of the world: ears, a mouth, a microphone, a loudspeaker.
//
// VP1. Every recogniser and every voice, built in or a service of the person's, is one of these; which
//      one serves is decided in voice/engines.ts alone.

import type { Pcm } from "./audio/pcm.ts";
import type { Vocabulary } from "./words/grammar.ts";

/** One utterance on its way to being text. */
export interface Hearing {
  /** Samples at EAR_HZ, in order, as they come. Never waits. */
  push(samples: Int16Array): void;
  /** The words; "" where nothing was understood. Throws the signal's reason, unreachable, model_failed. */
  finish(signal: AbortSignal): Promise<string>;
  /** It is wanted no more. */
  drop(): void;
}

export interface Recogniser extends AsyncDisposable {
  /** As status and Wyoming's `info` name it. */
  readonly name: string;
  readonly languages: readonly string[];
  /** Throws busy where one utterance at a time is all it can do. */
  begin(): Hearing;
  /** Names that may be said from now on. Left out: it understands any words. */
  learn?(vocabulary: Vocabulary, signal: AbortSignal): Promise<void>;
}

export interface VoiceMaker extends AsyncDisposable {
  readonly name: string;
  readonly voices: readonly string[];
  /** Speech in pieces, the first one soon. Throws unreachable, model_failed, bad_request. */
  speak(text: string, options: SpeakOptions, signal: AbortSignal): AsyncIterable<Pcm>;
}

export interface SpeakOptions {
  readonly voice?: string | undefined;
  /** 1 is normal; 0.25 to 4. */
  readonly speed?: number | undefined;
}

/** Whether there is speech in a frame of FRAME_SAMPLES at EAR_HZ. */
export interface VoiceDetector {
  /** 0 to 1. Calls must come in order, one at a time. */
  probability(frame: Int16Array): Promise<number>;
  /** Before something that has nothing to do with what came before. */
  reset(): void;
}

/** Turns sound into what wake words are compared by. */
export interface WakeFrontEnd {
  /** Takes 1,280 samples, 80 ms; a vector of 96 numbers, once there is enough of a past. */
  push(samples: Int16Array): Promise<Float32Array | undefined>;
  reset(): void;
}

/** Pieces of any length, at EAR_HZ, for as long as it is open. */
export type Microphone = AsyncIterable<Int16Array>;

export interface Loudspeaker extends AsyncDisposable {
  /**
   * Resolves when it was heard to its end, or was cut off. One at a time: a second call waits for the
   * first. Throws io_error.
   */
  play(sound: AsyncIterable<Pcm>, signal: AbortSignal): Promise<"played" | "cut">;
  /** Silence, now. What is being played resolves with `cut`. Never throws. */
  silence(): void;
  /** Quieter or as loud as before, dB; nothing where it cannot. */
  duck(gainDb: number): void;
}
