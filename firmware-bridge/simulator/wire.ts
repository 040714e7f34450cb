// One direction of a serial line: bytes take their time, and some arrive changed.

import type { Random } from "@gantry/shared/base/prng.ts";

export interface Wire {
  /** Puts bytes on the wire behind those that are on it. */
  push(bytes: Uint8Array, nowMs: number): void;
  /** When the next byte arrives; undefined if none is on its way. */
  nextAtMs(): number | undefined;
  /** The next byte that has arrived, noise included. */
  take(nowMs: number): number | undefined;
  clear(): void;
}

export interface WireOptions {
  /** 0: no pacing, as on USB. */
  readonly bytesPerMs: number;
  readonly random: Random;
  /** Bytes in a million that arrive with one bit changed. */
  noisePpm(): number;
}

export function makeWire(options: WireOptions): Wire {
  const { bytesPerMs, random } = options;
  let queue: number[] = [];
  let head = 0;
  let nextAtMs = 0;
  const byteMs = bytesPerMs === 0 ? 0 : 1 / bytesPerMs;

  return {
    push(bytes, nowMs) {
      if (head === queue.length) nextAtMs = Math.max(nextAtMs, nowMs + byteMs);
      for (const byte of bytes) queue.push(byte);
    },
    nextAtMs: () => (head < queue.length ? nextAtMs : undefined),
    take(nowMs) {
      if (head === queue.length || nextAtMs > nowMs) return undefined;
      const byte = queue[head] ?? 0;
      head += 1;
      if (head > 4_096) {
        queue = queue.slice(head);
        head = 0;
      }
      nextAtMs += byteMs;
      const ppm = options.noisePpm();
      if (ppm === 0 || random() * 1_000_000 >= ppm) return byte;
      return byte ^ (1 << Math.floor(random() * 8));
    },
    clear() {
      queue = [];
      head = 0;
    },
  };
}
