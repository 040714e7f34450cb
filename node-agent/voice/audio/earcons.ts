// Short tones that say without words what is going on; synthesised, so no recording is shipped.

import type { Pcm } from "./pcm.ts";

export const EARCONS = ["listening", "understood", "failed", "stopped"] as const;
export type Earcon = (typeof EARCONS)[number];

/** Rising: go on. Falling: no. Low and long: everything stands still. */
const TONES: Readonly<Record<Earcon, readonly (readonly [hz: number, ms: number])[]>> = {
  listening: [
    [660, 60],
    [880, 80],
  ],
  understood: [[880, 60]],
  failed: [
    [440, 80],
    [330, 140],
  ],
  stopped: [[220, 260]],
};
const LEVEL = 0.18;
const FADE_MS = 8; // without it every tone clicks

export function earcon(name: Earcon, hz: number): Pcm {
  const pieces = TONES[name].map(([tone, ms]) => toneOf(tone, ms, hz));
  return { hz, samples: Int16Array.from(pieces.flat()) };
}

function toneOf(tone: number, ms: number, hz: number): number[] {
  const count = Math.round((ms * hz) / 1_000);
  const fade = Math.max(1, Math.round((FADE_MS * hz) / 1_000));
  return Array.from({ length: count }, (_, at) => {
    const edge = Math.min(1, at / fade, (count - at) / fade);
    return Math.round(Math.sin((2 * Math.PI * tone * at) / hz) * edge * LEVEL * 32_767);
  });
}
