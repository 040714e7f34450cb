// How well this machine keeps time: the lag of the main loop and the time of synced writes, for the
// choice of time-outs, for metrics, and for the cluster page.

import { createHistogram, type Histogram } from "node:perf_hooks";
import type { OrderedStore } from "../ports.ts";

/** Notes/raft 5.5. Of few writes the third quartile: one long sync is everyday on a shared disk. */
const SLOW_SYNC_MS = 20;
const FELT = 8;
const SYNCS_KEPT = 512;
const STALL_MS = 50;
/** The time between two samples is measured: an idle loop shows the resolution itself. */
const RESOLUTION_MS = 20;
const LOOK_MS = 1_000;
const LOOKS_A_WINDOW = 60;

export interface PulseFacts {
  /** How late the loop was, ms, in the last one to two minutes; 0 when nothing was measured. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly syncP50Ms: number;
  readonly syncP99Ms: number;
  /** How many synced writes these two are of; 512 at most. */
  readonly syncs: number;
  /** Seconds since the start in which the loop stood still for more than 50 ms. */
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
  // One sampler for all three: Node's own has a timer each, and an idle hub wakes for nothing else.
  const [second, window, scrape] = [createHistogram(), createHistogram(), createHistogram()];
  const sampler = setInterval(() => second.recordDelta(), RESOLUTION_MS);
  sampler.unref();
  const syncs: number[] = [];
  let stalls = 0;
  let looks = 0;
  let before = { p99Ms: 0, maxMs: 0 };
  const collect = (): void => {
    window.add(second);
    scrape.add(second);
    second.reset();
  };
  const watch = setInterval(() => {
    if (lagOf(second).maxMs > STALL_MS) stalls += 1;
    collect();
    looks += 1;
    if (looks % LOOKS_A_WINDOW !== 0) return;
    before = lagOf(window);
    window.reset();
  }, LOOK_MS);
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
    facts() {
      const { p99Ms, maxMs } = lagOf(window);
      return {
        loopP99Ms: Math.max(p99Ms, before.p99Ms),
        loopMaxMs: Math.max(maxMs, before.maxMs),
        syncP50Ms: Math.round(percentile(0.5) * 100) / 100,
        syncP99Ms: Math.round(percentile(0.99) * 100) / 100,
        syncs: syncs.length,
        stalls,
      };
    },
    scrapeLagS() {
      collect();
      const { p99Ms } = lagOf(scrape);
      scrape.reset();
      return p99Ms / 1_000;
    },
    isSlow: () => percentile(0.75) > SLOW_SYNC_MS,
    stop() {
      clearInterval(watch);
      clearInterval(sampler);
    },
  };
}

const lateMs = (nanoseconds: number): number =>
  Math.max(0, Math.round(nanoseconds / 1e4 - RESOLUTION_MS * 100) / 100);

const lagOf = (histogram: Histogram): { readonly p99Ms: number; readonly maxMs: number } =>
  histogram.count === 0
    ? { p99Ms: 0, maxMs: 0 }
    : { p99Ms: lateMs(histogram.percentile(99)), maxMs: lateMs(histogram.max) };
