// The process of a hub: one life between a start and a crash, its ticks, and how it is paused.
//
// B1. An event made in one life of the hub does nothing in the next.
// B2. While the hub is paused (SIGSTOP) what happens to it waits, in order.

import { TICK_MS } from "../mix.ts";
import type { World } from "../world.ts";
import type { Hub } from "./types.ts";

export interface Life {
  /** Starts and crashes so far. */
  readonly count: number;
  /** True until this life ends. */
  watch(): () => boolean;
  /** Something that happens to the process in this life (B1, B2). */
  happens(run: () => void): () => void;
  later(ms: number, run: () => void): void;
  begin(): void;
  startTicking(): void;
  end(): void;
  pause(ms: number): void;
}

/** `takeTick`: how many ticks before this one were missed. */
export function makeLife(hub: Hub, world: World, takeTick: (lateTicks: number) => void): Life {
  let count = 0;
  let inbox: (() => void)[] = [];
  let missedTicks = 0;

  function watch(): () => boolean {
    const own = count;
    return () => own === count;
  }

  function happens(run: () => void): () => void {
    const isAlive = watch();
    return () => {
      if (!isAlive()) return;
      if (hub.isPaused) inbox.push(run);
      else run();
    };
  }

  function tick(): void {
    const isAlive = watch();
    world.after(TICK_MS / hub.clockRate, () => {
      if (!isAlive()) return;
      tick();
      if (hub.isPaused) missedTicks += 1;
      else takeTick(0);
    });
  }

  function goOn(isAlive: () => boolean): void {
    hub.isPaused = false;
    const late = missedTicks;
    missedTicks = 0;
    const isClockFirst = world.random() < 0.5;
    if (late > 0 && isClockFirst) takeTick(late - 1);
    const waiting = inbox;
    inbox = [];
    for (const run of waiting) if (isAlive()) run();
    if (late > 0 && !isClockFirst && isAlive()) takeTick(late - 1);
  }

  return {
    get count() {
      return count;
    },
    watch,
    happens,
    later: (ms, run) => world.after(ms, happens(run)),
    begin() {
      count += 1;
    },
    startTicking: tick,
    end() {
      count += 1;
      hub.isPaused = false;
      inbox = [];
      missedTicks = 0;
    },
    pause(ms) {
      if (hub.core === undefined || hub.isPaused) return;
      world.note(() => `${hub.id} is paused for ${ms} ms`);
      hub.isPaused = true;
      const isAlive = watch();
      world.after(ms, () => {
        if (isAlive()) goOn(isAlive);
      });
    },
  };
}
