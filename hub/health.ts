// The parts of the hub and how each is: what /healthz and /readyz show.

import type { Health } from "@gantry/shared/contract/schemas/service.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";

type PartState = Health["parts"][string]["state"];

export interface HealthBoard {
  /** Parts that must be ready before the hub is; named first, or an early reader takes few for all. */
  expect(...parts: readonly string[]): void;
  ready(part: string): void;
  /** Runs the start of a part and times it. */
  starting<T>(part: string, start: () => Promise<T>): Promise<T>;
  /** A part that reports by itself whenever somebody asks. */
  watch(part: string, read: () => { state: PartState; note?: string }): void;
  stopping(): void;
  report(): Health;
}

export function makeHealthBoard(version: string, clock: Clock): HealthBoard {
  const startedAtMs = clock.monotonic();
  const parts = new Map<string, () => Health["parts"][string]>();
  let isStopping = false;
  return {
    expect(...names) {
      for (const name of names) parts.set(name, () => ({ state: "starting" }));
    },
    ready(part) {
      parts.set(part, () => ({ state: "ready" }));
    },
    async starting(part, start) {
      const fromMs = clock.monotonic();
      parts.set(part, () => ({ state: "starting" }));
      const started = await start();
      const tookMs = Math.round(clock.monotonic() - fromMs);
      parts.set(part, () => ({ state: "ready", tookMs }));
      return started;
    },
    watch(part, read) {
      parts.set(part, read);
    },
    stopping() {
      isStopping = true;
    },
    report() {
      const shown = Object.fromEntries([...parts].map(([name, read]) => [name, read()]));
      const states = Object.values(shown).map(({ state }) => state);
      const status = isStopping
        ? "stopping"
        : states.includes("starting")
          ? "starting"
          : states.includes("degraded")
            ? "degraded"
            : "ok";
      return {
        status,
        parts: shown,
        version,
        uptimeS: Math.floor((clock.monotonic() - startedAtMs) / 1_000),
      };
    },
  };
}
