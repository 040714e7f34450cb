// How well this machine keeps time: the lag of the main loop and the time of synced writes, for the
// choice of time-outs, for metrics, and for the cluster page.

import { monitorEventLoopDelay } from "node:perf_hooks";
import type { OrderedStore } from "../ports.ts";

/** Notes/raft 5.5. Of few writes the third quartile: one long sync is everyday on a shared disk. */
const SLOW_SYNC_MS = 20;
const FELT = 8;
const SYNCS_KEPT = 512;
const STALL_MS = 50;

export interface PulseFacts {
  /** Since the last reading of this kind, ms; 0 when nothing was measured. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly syncP50Ms: number;
  readonly syncP99Ms: number;
  /** Loop delays over 50 ms since the start. */
  readonly stalls: number;
}

export interface Pulse {
  synced(tookMs: number): void;
  /** Some synced writes, so that the first choice of time-outs rests on something. */
  feelDisk(disk: OrderedStore): Promise<void>;
  facts(): PulseFacts;
  /** Lag since the last call of this function, s: the metric of one scrape. */
  scrapeLagS(): number;
  isSlow(): boolean;
  stop(): void;
}

export function takePulse(): Pulse {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  const scrape = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  scrape.enable();
  const syncs: number[] = [];
  let stalls = 0;
  let lastMs = performance.now();
  const watch = setInterval(() => {
    const nowMs = performance.now();
    if (nowMs - lastMs - 1_000 > STALL_MS) stalls += 1;
    lastMs = nowMs;
  }, 1_000);
  watch.unref();

  const percentile = (share: number): number => {
    const sorted = syncs.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  };
  return {
    synced(tookMs) {
      syncs.push(tookMs);
      if (syncs.length > SYNCS_KEPT) syncs.shift();
    },
    async feelDisk(disk) {
      for (let count = 0; count < FELT; count += 1) {
        const fromMs = performance.now();
        await disk.batch([{ type: "put", key: "pulse", value: new Uint8Array(64) }], {
          sync: true,
        });
        syncs.push(performance.now() - fromMs);
      }
    },
    facts: () => ({
      loopP99Ms: inMs(delay.percentile(99)),
      loopMaxMs: inMs(delay.max),
      syncP50Ms: Math.round(percentile(0.5) * 100) / 100,
      syncP99Ms: Math.round(percentile(0.99) * 100) / 100,
      stalls,
    }),
    scrapeLagS() {
      const seconds = scrape.percentile(99) / 1e9;
      scrape.reset();
      return Number.isFinite(seconds) ? seconds : 0;
    },
    isSlow: () => percentile(0.75) > SLOW_SYNC_MS,
    stop() {
      clearInterval(watch);
      delay.disable();
      scrape.disable();
    },
  };
}

const inMs = (nanoseconds: number): number =>
  Number.isFinite(nanoseconds) ? Math.round(nanoseconds / 1e4) / 100 : 0;
