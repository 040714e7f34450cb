import { describe, expect, it } from "vitest";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { LockRow } from "@gantry/shared/contract/rows.ts";
import { makeLeases } from "./leases.ts";

const ELECTION_MS = 250;
const lock = (facts: Partial<LockRow> = {}): LockRow => ({
  name: "bench",
  owner: "one",
  by: "ada",
  token: 7,
  ttlMs: 30_000,
  acquiredAtMs: 0,
  revision: 7,
  expiresAtMs: 30_000,
  remainingMs: 30_000,
  ...facts,
});

describe("leases of locks", () => {
  it("are over after their time without a keep-alive, and never before", () => {
    const leases = makeLeases([], 0, ELECTION_MS);
    leases.changed(lock(), 0);
    expect(leases.due(29_999)).toEqual([]);
    expect(leases.keepAlive("bench", 7, 29_999)).toBe("kept");
    expect(leases.due(59_998)).toEqual([]);
    expect(leases.due(59_999)).toEqual(["bench"]);
  });

  it("are kept by the present token only", () => {
    const leases = makeLeases([lock()], 0, ELECTION_MS);
    expect(leases.keepAlive("bench", 6, 1)).toBe("stale");
    expect(leases.keepAlive("other", 7, 1)).toBe("stale");
    leases.ended("bench");
    expect(leases.keepAlive("bench", 7, 1)).toBe("stale");
    expect(leases.size).toBe(0);
  });

  it("start anew with each reign, plus the election time-out (LE1)", () => {
    const leases = makeLeases([lock()], 1_000, ELECTION_MS);
    expect(leases.due(31_249)).toEqual([]);
    expect(leases.due(31_250)).toEqual(["bench"]);
  });

  it("of the dead end though leaders change all the time (LE2, etcd #9395)", () => {
    let row = lock();
    let nowMs = 0;
    let reigns = 0;
    for (; reigns < 20; reigns += 1) {
      const leases = makeLeases([row], nowMs, ELECTION_MS);
      nowMs += TIMEOUT.lockCheckpointMs; // each reign lives just long enough for one checkpoint
      if (leases.due(nowMs).length > 0) break;
      for (const { remainingMs } of leases.checkpoint(nowMs)) row = { ...row, remainingMs };
    }
    expect(reigns).toBeLessThanOrEqual(3);
  });

  it("that are kept alive are not logged; of the others what is left, once it is less", () => {
    const leases = makeLeases([], 0, ELECTION_MS);
    leases.changed(lock(), 0);
    leases.changed(lock({ name: "dead", token: 8 }), 0);
    expect(leases.keepAlive("bench", 7, 9_000)).toBe("kept");
    expect(leases.checkpoint(10_000)).toEqual([{ name: "dead", token: 8, remainingMs: 20_000 }]);
    expect(leases.checkpoint(10_000)).toEqual([]);
  });

  it("gives no promise that the next leader would not keep (LE3)", () => {
    const leases = makeLeases([], 0, ELECTION_MS);
    leases.changed(lock(), 0);
    leases.checkpoint(20_000);
    expect(leases.keepAlive("bench", 7, 20_001)).toBe("log");
    leases.changed(lock({ revision: 9 }), 20_002);
    expect(leases.keepAlive("bench", 7, 20_003)).toBe("kept");
  });
});
