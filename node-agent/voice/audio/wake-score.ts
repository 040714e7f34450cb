// A wake word out of a few recordings of one's own voice: no training, a comparison.
//
// The front-end (adapters/wake-front-end.ts) gives one vector of 96 numbers each 80 ms. The last 16 of
// them, 1.28 s, are compared by cosine with the same stretch of each recording.
//
// WW1. It fires where the best template reaches the threshold; after that it is deaf for REST_FRAMES.
// WW2. The threshold comes from the recordings: a little below how much they are like each other
//      (each one left out in turn), and never below THRESHOLD_MIN, where other speech begins: the
//      project's measurement has negatives up to 0.679 and positives from 0.886 on.

import { GantryError } from "@gantry/shared/base/errors.ts";

export const EMBEDDING_SIZE = 96;
export const WINDOW_FRAMES = 16;
const WINDOW_SIZE = EMBEDDING_SIZE * WINDOW_FRAMES;
const THRESHOLD_MIN = 0.76;
const THRESHOLD_MAX = 0.9;
const MARGIN = 0.04;
/** 1.6 s of 80 ms. */
const REST_FRAMES = 20;
export const RECORDINGS_MIN = 3;
export const RECORDINGS_MAX = 20;

/** What is kept of a wake phrase: vectors, never the recordings. */
export interface WakePhrase {
  readonly name: string;
  readonly threshold: number;
  /** Each of WINDOW_FRAMES x EMBEDDING_SIZE numbers, of length 1. */
  readonly templates: readonly (readonly number[])[];
}

/** Over all vectors of one recording: the window with the phrase in it, `endsAt` is its last vector. */
export function windowAt(vectors: readonly Float32Array[], endsAt: number): Float32Array {
  const window = new Float32Array(WINDOW_SIZE);
  for (let frame = 0; frame < WINDOW_FRAMES; frame += 1) {
    const vector = vectors[endsAt - WINDOW_FRAMES + 1 + frame];
    if (vector !== undefined) window.set(vector, frame * EMBEDDING_SIZE);
  }
  return unit(window);
}

/**
 * The phrase from one window of each recording. Throws bad_request for too few, or where they are not
 * like each other: then something else was said in one of them.
 */
export function enrolPhrase(name: string, windows: readonly Float32Array[]): WakePhrase {
  if (windows.length < RECORDINGS_MIN || windows.length > RECORDINGS_MAX) {
    throw new GantryError(
      "bad_request",
      `A phrase is learnt from ${RECORDINGS_MIN} to ${RECORDINGS_MAX} recordings, not ${windows.length}`,
    );
  }
  const likeness = windows.map((window, at) =>
    Math.max(...windows.map((other, place) => (place === at ? -1 : dot(window, other)))),
  );
  const odd = likeness.findIndex((value) => value < THRESHOLD_MIN);
  if (odd >= 0) {
    throw new GantryError(
      "bad_request",
      `Recording ${odd + 1} is unlike the others (${(likeness[odd] ?? 0).toFixed(2)}): record it again`,
    );
  }
  const threshold = Math.min(
    THRESHOLD_MAX,
    Math.max(THRESHOLD_MIN, Math.min(...likeness) - MARGIN), // WW2
  );
  return { name, threshold, templates: windows.map((window) => [...unit(window)]) };
}

export interface WakeScorer {
  /** The name of the phrase if one was said just now. `score` is the best likeness of any. */
  push(vector: Float32Array): { readonly phrase: string | undefined; readonly score: number };
  reset(): void;
}

export function makeWakeScorer(phrases: readonly WakePhrase[]): WakeScorer {
  const bank = phrases.map(({ name, threshold, templates }) => ({
    name,
    threshold,
    templates: templates.map((template) => Float32Array.from(template)),
  }));
  let recent: Float32Array[] = [];
  let restFrames = 0;
  return {
    push(vector) {
      recent.push(vector);
      if (recent.length > WINDOW_FRAMES) recent.shift();
      restFrames = Math.max(0, restFrames - 1);
      if (recent.length < WINDOW_FRAMES) return { phrase: undefined, score: 0 };
      const window = windowAt(recent, WINDOW_FRAMES - 1);
      let score = 0;
      let phrase: string | undefined;
      for (const { name, threshold, templates } of bank) {
        const best = Math.max(...templates.map((template) => dot(window, template)));
        if (best >= threshold && best > score) phrase = name;
        score = Math.max(score, best);
      }
      if (restFrames > 0 || phrase === undefined) return { phrase: undefined, score };
      restFrames = REST_FRAMES; // WW1
      return { phrase, score };
    },
    reset() {
      recent = [];
      restFrames = 0;
    },
  };
}

function dot(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at += 1) sum += (left[at] ?? 0) * (right[at] ?? 0);
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return length === 0 ? vector : vector.map((value) => value / length);
}
