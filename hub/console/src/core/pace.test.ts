import { describe, expect, it } from "vitest";
import { dueOf, REST_MS, SETTLE_MS, waitMs } from "./pace.ts";

describe("pace", () => {
  it("reads a path of which nothing was read lately as soon as the burst has settled", () => {
    expect(waitMs(["/a"], new Map(), 10_000)).toBe(SETTLE_MS);
    expect(dueOf(["/a"], new Map(), 10_000)).toEqual(["/a"]);
  });

  it("reads one that was just read only after its rest, and holds up no other", () => {
    const readAtMs = new Map([
      ["/a", 10_000],
      ["/b", 9_000],
    ]);
    expect(dueOf(["/a", "/b"], readAtMs, 10_120)).toEqual(["/b"]);
    expect(waitMs(["/a"], readAtMs, 10_120)).toBe(REST_MS - 120);
    expect(dueOf(["/a"], readAtMs, 10_000 + REST_MS)).toEqual(["/a"]);
  });

  it("10,000 events in 10 s are 20 readings at most", () => {
    const readAtMs = new Map<string, number>();
    let reads = 0;
    let timerMs: number | undefined;
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 1) {
      timerMs ??= nowMs + waitMs(["/a"], readAtMs, nowMs);
      if (timerMs > nowMs) continue;
      timerMs = undefined;
      for (const path of dueOf(["/a"], readAtMs, nowMs)) {
        readAtMs.set(path, nowMs);
        reads += 1;
      }
    }
    expect(reads).toBeGreaterThan(15);
    expect(reads).toBeLessThanOrEqual(20);
  });

  it("a clock that was set back keeps nothing waiting", () => {
    const readAtMs = new Map([["/a", 50_000]]);
    expect(waitMs(["/a"], readAtMs, 10_000)).toBe(REST_MS);
    expect(dueOf(["/a"], readAtMs, 10_000)).toEqual(["/a"]);
  });
});
