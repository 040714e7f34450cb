// The ear that hears stop words in every state, and nothing else. It needs no wake word, no hub and no
// model of words: a decoder that stays, or whatever recogniser there is.
//
// EA1. A segment that runs to its bound was no stop phrase: it is decoded to its end and ignored.
// EA2. While one segment is being decoded, the next is kept and decoded after it: "stop ... stop!" is
//      never lost. WAITING_MAX of them wait; then the oldest is dropped.

import type { Scope } from "@gantry/shared/flow/scope.ts";
import { makeSegmenter, type Segment, STOP_WORD } from "./audio/segmenter.ts";
import type { Hearing, Recogniser } from "./ports.ts";
import { type LocalOrder, localOrderOf } from "./words/stop-words.ts";

const WAITING_MAX = 3;

export interface StopEar {
  push(frame: Int16Array, probability: number): void;
}

/** `onOrder` is called as soon as a phrase is understood. Faults of the recogniser go to `onFault`. */
export function makeStopEar(
  recogniser: Recogniser,
  onOrder: (order: LocalOrder) => void,
  onFault: (error: unknown) => void,
  scope: Scope,
): StopEar {
  const segmenter = makeSegmenter(STOP_WORD);
  const waiting: Int16Array[][] = [];
  let hearing: Hearing | undefined;
  let kept: Int16Array[] | undefined;
  let isDecoding = false;

  function begin(before: readonly Int16Array[]): void {
    if (isDecoding) {
      kept = [...before]; // EA2
      return;
    }
    try {
      hearing = recogniser.begin();
      for (const frame of before) hearing.push(frame);
    } catch (error) {
      onFault(error);
    }
  }

  function end(isOrder: boolean): void {
    if (kept !== undefined) {
      if (isOrder) waiting.push(kept);
      if (waiting.length > WAITING_MAX) waiting.shift();
      kept = undefined;
      return;
    }
    const own = hearing;
    hearing = undefined;
    if (own !== undefined) decode(own, isOrder);
  }

  function decode(own: Hearing, isOrder: boolean): void {
    isDecoding = true;
    scope.start("stop ear", async (signal) => {
      try {
        const order = localOrderOf(await own.finish(signal));
        if (isOrder && order !== undefined) onOrder(order);
      } catch (error) {
        if (!signal.aborted) onFault(error);
      } finally {
        isDecoding = false;
      }
      const next = waiting.shift();
      if (next === undefined || signal.aborted) return;
      const again = recogniser.begin();
      for (const frame of next) again.push(frame);
      decode(again, true);
    });
  }

  function take(segment: Segment): void {
    switch (segment.type) {
      case "begun":
        return begin(segment.before);
      case "more":
        if (kept === undefined) hearing?.push(segment.frame);
        else kept.push(segment.frame);
        return;
      case "ended":
        return end(segment.why === "silence"); // EA1
      case "dropped":
        return end(false);
    }
  }

  return {
    push(frame, probability) {
      for (const segment of segmenter.push(frame, probability)) take(segment);
    },
  };
}
