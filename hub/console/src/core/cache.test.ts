import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { describe, expect, it } from "vitest";
import { device, print } from "../../testing/mock-facts.ts";
import { applyToCache, ENTRIES_MAX, heardAtMs, type Cache, type CacheChange } from "./cache.ts";

const problem = { status: 503, code: "starting", title: "", detail: "", hint: "", requestId: "" };
const fold = (...changes: readonly CacheChange[]): Cache =>
  changes.reduce(applyToCache, new Map() as Cache);
const readOf = (path: string, value: unknown): CacheChange => ({
  kind: "read",
  path,
  value,
  atMs: 5,
});
const telemetry = (members: object): CacheChange => ({
  kind: "soft",
  atMs: 9,
  event: { type: "telemetry", device: "ender", phase: "printing", ...members },
});
const temperatures = { nozzleC: 150, nozzleTargetC: 215, bedC: 40, bedTargetC: 60 };

describe("what the console has read", () => {
  it("C1: a failed reading keeps the value before it, and the next good one clears the problem", () => {
    const failed = fold(readOf("/api/flags", 1), { kind: "failed", path: "/api/flags", problem });
    expect(failed.get("/api/flags")).toEqual({ value: 1, atMs: 5, problem });
    const mended = applyToCache(failed, readOf("/api/flags", 2));
    expect(mended.get("/api/flags")).toEqual({ value: 2, atMs: 5 });
  });

  it("[K21] telemetry changes the device and the print that it names, and no other", () => {
    const cache = fold(
      readOf("/api/devices", { devices: [device("ender"), device("prusa")] }),
      readOf("/api/fabrication/jobs", {
        jobs: [print("p1", "a", { state: "printing" }), print("p2", "b", { state: "printing" })],
      }),
      telemetry({ temperatures, job: "p1", progress: 0.5, remainingS: 30 }),
    );
    const devices = cache.get("/api/devices")?.value as { devices: DeviceView[] };
    expect(devices.devices[0]).toMatchObject({ phase: "printing", progress: 0.5, temperatures });
    expect(devices.devices[1]).toEqual(device("prusa"));
    const prints = cache.get("/api/fabrication/jobs")?.value as { jobs: { progress: number }[] };
    expect(prints.jobs.map(({ progress }) => progress)).toEqual([0.5, 0]);
  });

  it("C2: telemetry makes nothing new and never takes a finished print back", () => {
    const done = print("p1", "a", { state: "done", progress: 1 });
    const cache = fold(
      readOf("/api/fabrication/jobs/p1", done),
      telemetry({ job: "p1", progress: 0.98 }),
    );
    expect(cache.get("/api/fabrication/jobs/p1")?.value).toBe(done);
    expect(cache.size).toBe(1);
  });

  it("a printer that holds no job any more loses its progress", () => {
    const busy = device("ender", { job: "p1", progress: 0.9, remainingS: 4 });
    const cache = fold(readOf("/api/devices", { devices: [busy] }), telemetry({ phase: "idle" }));
    expect(cache.get("/api/devices")?.value).toEqual({ devices: [device("ender")] });
  });

  it("C3: keeps a bounded number of answers, and drops the oldest", () => {
    const changes = Array.from({ length: ENTRIES_MAX + 3 }, (_, index) =>
      readOf(`/${index}`, index),
    );
    const cache = fold(...changes);
    expect(cache.size).toBe(ENTRIES_MAX);
    expect([cache.has("/2"), cache.has("/3")]).toEqual([false, true]);
  });

  it("reads when a machine was heard, given as a time or as an age", () => {
    expect(heardAtMs(1_795_000_000_000, 5)).toBe(1_795_000_000_000);
    expect(heardAtMs(800, 1_795_000_000_000)).toBe(1_794_999_999_200);
  });
});
