// Where an utterance begins and ends, from the probability of speech in each frame.
//
// SG1. It begins with what was said `preRollMs` before speech was certain: a first consonant is soft.
// SG2. It ends after `endSilenceMs` without speech, or at `longestMs`, whatever is said then.
// SG3. What has less than `shortestMs` of speech in it was a click: it is dropped and said to be.

/** One frame of the voice detector. */
export const FRAME_SAMPLES = 512;
export const FRAME_MS = 32;

export interface SegmenterOptions {
  readonly preRollMs: number;
  readonly endSilenceMs: number;
  readonly longestMs: number;
  readonly shortestMs: number;
  /** Speech begins at this probability ... */
  readonly startAt: number;
  /** ... and goes on down to this one: breath between syllables is no end. */
  readonly stayAt: number;
}

/** What a command is cut out with. */
export const UTTERANCE: SegmenterOptions = {
  preRollMs: 500,
  endSilenceMs: 700,
  longestMs: 15_000,
  shortestMs: 120,
  startAt: 0.5,
  stayAt: 0.35,
};

/** What a stop word is cut out with: soon, because a machine may be moving. */
export const STOP_WORD: SegmenterOptions = {
  preRollMs: 256,
  endSilenceMs: 128,
  longestMs: 2_400,
  shortestMs: 96,
  startAt: 0.5,
  stayAt: 0.35,
};

export type Segment =
  /** Frames from now on belong to it; `before` are the ones of SG1, this frame included. */
  | { readonly type: "begun"; readonly before: readonly Int16Array[] }
  | { readonly type: "more"; readonly frame: Int16Array }
  | { readonly type: "ended"; readonly why: "silence" | "longest" }
  | { readonly type: "dropped" };

export interface Segmenter {
  readonly isInside: boolean;
  push(frame: Int16Array, probability: number): readonly Segment[];
  /** As if nothing had been heard yet. */
  reset(): void;
}

export function makeSegmenter(options: SegmenterOptions): Segmenter {
  const preRollFrames = Math.ceil(options.preRollMs / FRAME_MS);
  let before: Int16Array[] = [];
  let inside: { lastedMs: number; speechMs: number; silentMs: number } | undefined;

  function end(why: "silence" | "longest"): Segment {
    const speechMs = inside?.speechMs ?? 0;
    inside = undefined;
    before = [];
    return speechMs < options.shortestMs ? { type: "dropped" } : { type: "ended", why }; // SG3
  }

  return {
    get isInside() {
      return inside !== undefined;
    },
    push(frame, probability) {
      if (inside === undefined) {
        before.push(frame);
        if (before.length > preRollFrames + 1) before.shift();
        if (probability < options.startAt) return [];
        inside = { lastedMs: before.length * FRAME_MS, speechMs: FRAME_MS, silentMs: 0 };
        const begun: Segment = { type: "begun", before }; // SG1
        before = [];
        return [begun];
      }
      const isSpeech = probability >= options.stayAt;
      inside.lastedMs += FRAME_MS;
      inside.speechMs += isSpeech ? FRAME_MS : 0;
      inside.silentMs = isSpeech ? 0 : inside.silentMs + FRAME_MS;
      const more: Segment = { type: "more", frame };
      if (inside.silentMs >= options.endSilenceMs) return [more, end("silence")]; // SG2
      if (inside.lastedMs >= options.longestMs) return [more, end("longest")];
      return [more];
    },
    reset() {
      inside = undefined;
      before = [];
    },
  };
}
