import { EVENT_TYPES } from "@gantry/shared/contract/events.ts";
import { describe, expect, it } from "vitest";
import { eventLine, feedEvent, stalePaths } from "./event-line.ts";

const flag = { id: 7, type: "flag.changed", atMs: 5, subject: "night", data: { value: true } };

describe("events of the feed", () => {
  it.each([
    ["the whole event as data", "flag.changed", "7", flag],
    ["a frame without a name", "message", "7", flag],
    ["the rest in the frame", "flag.changed", "7", { atMs: 5, subject: "night", data: flag.data }],
  ])("reads a ledger event with %s", (_, type, id, data) => {
    expect(feedEvent(type, id, data, 99)).toEqual({ kind: "ledger", line: flag });
  });

  it("reads telemetry, and a gap whatever is in it", () => {
    const event = { type: "telemetry", device: "ender", phase: "idle" };
    expect(feedEvent("telemetry", undefined, event, 99)).toEqual({ kind: "soft", event });
    expect(feedEvent("gap", "9", "", 99)).toEqual({ kind: "gap" });
  });

  it("leaves out what a newer hub may say", () => {
    expect(feedEvent("robot.danced", "8", { subject: "x" }, 99)).toBeUndefined();
    expect(eventLine("text", 99)).toBeUndefined();
    expect(eventLine({ type: "robot.danced" }, 99)).toBeUndefined();
  });

  it("[K21] each type of event names what must be read again", () => {
    for (const type of EVENT_TYPES) {
      const paths = stalePaths(type, "id");
      expect(paths.length).toBeGreaterThan(1);
      for (const path of paths) expect(path).toMatch(/^\/api\/[a-z/]+(\?([a-z]+=[a-z]+&?)*)?$/);
    }
    expect(stalePaths("print.changed", "x")).toContain("/api/fabrication/jobs");
    expect(stalePaths("device.changed", "x")).toContain("/api/devices");
    expect(stalePaths("conversation.changed", "x")).toContain("/api/conversations");
  });

  it("a node of one run makes neither the list of runs nor another run stale", () => {
    const paths = stalePaths("run.node", "run_7");
    const isStale = (path: string): boolean => paths.some((prefix) => path.startsWith(prefix));
    expect(isStale("/api/runs/run_7/timeline?limit=500")).toBe(true);
    expect(isStale("/api/runs/run_8")).toBe(false);
    expect(isStale("/api/runs?limit=50")).toBe(false);
  });
});
