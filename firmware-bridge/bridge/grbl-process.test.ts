// A mill on a real pty, driven by the real bridge process; and what its supervisor does when the bridge dies.

import { once } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { openSerial } from "../adapters/serial.ts";
import { coolDown } from "../supervisor/cooling.ts";
import { makeRig, PRINTER, until } from "./rig.ts";

const CUTS = Array.from({ length: 120 }, (_, n) => `G1 X${n % 60} Y${n % 37} F3000`);
/** Each takes a second and a half. */
const LONG_CUTS = Array.from({ length: 8 }, (_, n) => `G1 X${(n % 2) * 150} F3000`);
const JOB = ["G21", "G90", "M3 S1000", ...CUTS, "M5"];

describe("a mill on a pty", { timeout: 60_000 }, () => {
  it("cuts a job once, holds and goes on, and has its tool off at the end", async () => {
    await using rig = makeRig("machine=grbl&speed=40");
    const agent = await rig.connect();
    expect(await agent.phase("idle")).toMatchObject({ driver: "grbl", isSimulated: true });
    await agent.ask(rig.order("cut", JOB));
    await agent.job("cut", "started");
    await agent.ask({ type: "pause", id: "", printer: PRINTER, job: "cut", token: 1 });
    await agent.job("cut", "paused");
    await agent.ask({ type: "resume", id: "", printer: PRINTER, job: "cut", token: 1 });
    expect(await agent.job("cut", "done")).toMatchObject({ startedCount: 1, progress: 1 });
    const log = await until("its log", () => (rig.all().at(-1) === "M5" ? rig.all() : undefined));
    expect(log).toEqual(JOB.map((line) => line.replaceAll(" ", "")));
  });

  it("is stopped at once, stays so until a person resets it, then is used again", async () => {
    await using rig = makeRig("machine=grbl&speed=2");
    const agent = await rig.connect();
    await agent.phase("idle");
    await agent.ask(rig.order("cut", JOB));
    await agent.phase("printing");
    await agent.ask({ type: "stop", id: "" });
    await agent.job("cut", "failed");
    await agent.phase("stopped");
    await vi.waitFor(async () => expect((await rig.fault({})).phase).toBe("killed"), 5_000);
    await agent.ask({ type: "reset", id: "", printer: PRINTER });
    await agent.phase("idle");
    await agent.ask(rig.order("again", ["G21", "G0 X1"], 2));
    await agent.job("again", "done");
  });

  it("is reset by the supervisor when nobody else is left, and says so (CO4)", async () => {
    await using rig = makeRig("machine=grbl&speed=2&dtr=0");
    const agent = await rig.connect();
    await agent.phase("idle");
    await agent.ask(rig.order("cut", ["G21", "M3 S1000", ...LONG_CUTS]));
    await agent.phase("printing");
    await until("a cut", () =>
      rig.all().some((line) => line.startsWith("G1")) ? true : undefined,
    );
    const ended = once(rig.bridge(), "exit");
    rig.bridge().kill("SIGKILL");
    await ended;
    const { signal } = new AbortController();
    await coolDown(
      (events) => openSerial(rig.files.tty, 115_200, events),
      systemClock,
      signal,
      "grbl",
    );
    // It moved: its place is not known.
    await vi.waitFor(async () => expect((await rig.fault({})).phase).toBe("killed"), 5_000);
  });
});
