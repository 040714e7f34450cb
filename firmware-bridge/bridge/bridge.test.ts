// The whole bridge on a real pty with real processes. The oracle is the simulator's log of what its
// firmware executed under numbers.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Agent, makeRig, PRINTER, type Rig, until } from "./rig.ts";

const FAST = "speed=20&heat=5";
const FINISH = ["M104 S0", "M140 S0"];

const moves = (count: number, feed = 9_000): string[] =>
  Array.from({ length: count }, (_, i) => `G1 X${50 + (i % 40)} Y${50 + ((i * 3) % 40)} F${feed}`);

const HEAT_UP = ["M140 S60", "M104 S200", "M109 S200", "M190 S60"];
const HEATED = ["M140 S60", "M104 S200", "M104 S200", "M140 S60"];
const COLD_JOB = ["G28", ...moves(200)];

/** Moves that take seconds to hash and scan, in one piece: an array of them would hold up this test. */
const LONG_TO_CHECK = `${moves(1_000).join("\n")}\n`.repeat(7_000);

async function endBridge(rig: Rig, signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((resolve) => rig.bridge().once("exit", resolve));
  rig.bridge().kill(signal);
  await ended;
}

/** What the firmware executed without a number: the bridge's own words. */
const ownLines = (rig: Rig): readonly string[] =>
  readFileSync(rig.files.log, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("- "));

async function ready(rig: Rig): Promise<Agent> {
  const agent = await rig.connect();
  await agent.phase("idle");
  return agent;
}

const fenced = (job: string, token = 1) => ({ id: "", printer: PRINTER, job, token });

// Each test has processes and a folder of its own; most of their time is waiting.
describe.concurrent("the bridge", { timeout: 60_000 }, () => {
  it("[K69] prints a file to 100 %: every command once, in order, heaters off at the end", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    expect(agent.printer()).toMatchObject({
      isSimulated: true,
      sizeMm: { x: 220, y: 220, z: 250 },
    });
    const job = ["; a note", ...HEAT_UP, "G28", "M83", ...moves(300), "M104 S0", "M140 S0", "M84"];
    expect(await agent.ask(rig.order("j1", job))).toMatchObject({ type: "accepted" });
    const done = await agent.job("j1", "done");
    expect(done).toMatchObject({ progress: 1, startedCount: 1, token: 1 });
    expect(rig.executed()).toEqual([
      ...HEATED,
      "G28",
      "M83",
      ...moves(300),
      "M104 S0",
      "M140 S0",
      "M84",
      ...FINISH,
    ]);
    const phases = agent.reports.flatMap((report) =>
      report.type === "printers" ? [report.printers[0]?.phase] : [],
    );
    expect(phases).toEqual(expect.arrayContaining(["idle", "heating", "printing"]));
    expect(await rig.fault({})).toMatchObject({ nozzleTargetC: 0, bedTargetC: 0 });
  });

  it.each([300, 1_000])("prints exactly the file at %i ppm of noise", async (noisePpm) => {
    await using rig = makeRig(`${FAST}&seed=7`);
    const agent = await ready(rig);
    await rig.fault({ noisePpm });
    await agent.ask(rig.order("j1", COLD_JOB));
    expect(await agent.job("j1", "done")).toMatchObject({ startedCount: 1 });
    const program = [...COLD_JOB, ...FINISH];
    const executed = rig.executed();
    expect(executed).toHaveLength(program.length);
    // Two equal changes in one line have one XOR: no Marlin can tell (see link.test.ts).
    expect(executed.filter((line, index) => line !== program[index]).length).toBeLessThan(2);
  });

  it.each([
    ["a lost answer", { loseOks: 2 }],
    ["a lost line end", { loseNewlines: 1 }],
    ["a line asked for again", { forceResend: true }],
  ])("[D7] survives %s in the middle of a print", async (_what, control) => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", COLD_JOB));
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    await rig.fault(control);
    await agent.job("j1", "done");
    expect(rig.executed()).toEqual([...COLD_JOB, ...FINISH]);
  });

  it("says within 5 s that the printer restarted in the middle, and prints again after a reset", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", ...moves(3_000)]));
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    const atMs = performance.now();
    await rig.fault({ reset: "Brown out Reset" });
    const report = await agent.job("j1", "interrupted");
    expect(performance.now() - atMs).toBeLessThan(5_000);
    expect(report).toMatchObject({ startedCount: 1, error: { code: "interrupted" } });
    await agent.phase("fault");
    expect(await agent.ask(rig.order("j2", COLD_JOB, 2))).toMatchObject({
      type: "refused",
      error: { code: "device_fault" },
    });
    await agent.ask({ type: "reset", id: "", printer: PRINTER });
    await agent.phase("idle");
    expect(await agent.ask(rig.order("j3", COLD_JOB, 3))).toMatchObject({ type: "accepted" });
    await agent.job("j3", "done");
  });

  it("says within 5 s that the printer stopped answering, and pulls its heaters off on reset", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", ...moves(3_000)]));
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    await rig.fault({ isFrozen: true });
    expect(await agent.job("j1", "interrupted")).toMatchObject({
      error: { code: "device_offline" },
    });
    await agent.ask({ type: "reset", id: "", printer: PRINTER });
    await agent.phase("idle");
  });

  it("pauses between two lines, parks, comes back and finishes exactly", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    const job = ["G28", "M83", ...moves(600, 3_000)];
    await agent.ask(rig.order("j1", job));
    await until("some moves", () => (rig.executed().length > 50 ? true : undefined));
    expect(await agent.ask({ type: "pause", ...fenced("j1") })).toMatchObject({ type: "accepted" });
    await agent.job("j1", "paused");
    await agent.phase("paused");
    const before = rig.executed();
    expect(before.at(-1)).toBe("G0 X0 Y0 F6000");
    expect(await agent.ask({ type: "resume", ...fenced("j1") })).toMatchObject({
      type: "accepted",
    });
    await agent.job("j1", "done");
    // What the pause put in between is one block: out of it, the file is whole.
    const executed = rig.executed();
    const from = executed.indexOf("G90");
    const to = executed.lastIndexOf("G1 F3000");
    expect(executed.toSpliced(from, to - from + 1)).toEqual([...job, ...FINISH]);
  });

  it.each(["1", "0"])(
    "is paused while a person changes the filament, with what it asks; resume is the answer (LP1, advanced %s)",
    async (advanced) => {
      await using rig = makeRig(`${FAST}&advanced=${advanced}`);
      const agent = await ready(rig);
      const job = ["G28", ...moves(20), "M600", ...moves(20)];
      await agent.ask(rig.order("j1", job));
      await agent.job("j1", "paused");
      const paused = await agent.phase("paused");
      expect(paused.notices).toEqual(["Filament change (PurgeMore / Continue)"]);
      expect(rig.executed().at(-1)).toBe("M600");
      expect(await agent.ask({ type: "resume", ...fenced("j1") })).toMatchObject({
        type: "accepted",
      });
      await agent.job("j1", "resumed");
      await agent.job("j1", "done");
      expect(rig.executed()).toEqual([...job, ...FINISH]);
      expect(ownLines(rig)).toContain("- M876 S1");
    },
  );

  it("cancels although the printer waits for a person", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", "M104 S60", "M600", ...moves(20)]));
    await agent.job("j1", "paused");
    await agent.ask({ type: "cancel", ...fenced("j1") });
    await agent.job("j1", "cancelled");
    expect(rig.executed().slice(-2)).toEqual(FINISH);
  });

  it("finds the speed of a printer that is configured with another one, and says so (SE3)", async () => {
    await using rig = makeRig(`${FAST}&rate=250000`); // the bridge opens it with 115,200
    const agent = await rig.connect();
    const { notices } = await agent.phase("idle");
    expect(notices).toEqual([
      "It speaks at 250000 baud, not 115200: set baud=250000 in GANTRY_PRINTERS",
    ]);
    await agent.ask(rig.order("j1", COLD_JOB));
    await agent.job("j1", "done");
    expect(rig.executed()).toEqual([...COLD_JOB, ...FINISH]);
  });

  it("is interrupted when the cable is pulled, and idle again once it is back", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", ...moves(5_000)]));
    await until("some moves", () => (rig.executed().length > 50 ? true : undefined));
    process.kill(Number(readFileSync(rig.files.pid, "utf8")), "SIGKILL");
    expect(await agent.job("j1", "interrupted")).toMatchObject({
      startedCount: 1,
      error: { code: "device_offline" },
    });
    await agent.phase("idle");
    await agent.ask(rig.order("j2", COLD_JOB, 2));
    await agent.job("j2", "done");
    expect(rig.executed().slice(-COLD_JOB.length - 2)).toEqual([...COLD_JOB, ...FINISH]);
  });

  it("tells what the slicer says is left (M73)", async () => {
    await using rig = makeRig("speed=1&baud=0");
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", "M73 P1 R34", ...moves(5_000, 30_000)]));
    await until("the slicer's word", () =>
      agent.printer()?.remainingS === 2_040 ? true : undefined,
    );
    await agent.ask({ type: "cancel", ...fenced("j1") });
    await agent.job("j1", "cancelled");
  });

  it("cancels a heat-up at once", async () => {
    await using rig = makeRig("speed=1&heat=1"); // minutes to 200 degrees
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", [...HEAT_UP, "G28", ...moves(10), ...FINISH]));
    await agent.phase("heating");
    await until("the target", () =>
      (agent.printer()?.temperatures?.nozzleTargetC ?? 0) > 0 ? true : undefined,
    );
    expect(await agent.ask({ type: "cancel", ...fenced("j1") })).toMatchObject({
      type: "accepted",
    });
    expect(await agent.job("j1", "cancelled")).toMatchObject({ startedCount: 1 });
    expect(await rig.fault({})).toMatchObject({ nozzleTargetC: 0, bedTargetC: 0 });
    await agent.phase("idle");
  });

  it("stops at once in an emergency, from any agent, and needs a reset afterwards", async () => {
    await using rig = makeRig("speed=1&heat=5");
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", [...HEAT_UP, "G28", ...moves(10), ...FINISH]));
    await agent.phase("heating");
    const other = await rig.connect();
    expect(await other.ask({ type: "stop", id: "" })).toMatchObject({ type: "accepted" });
    await until("the firmware's end", () =>
      agent.printer()?.phase === "stopped" ? true : undefined,
    );
    expect(await agent.job("j1", "failed")).toMatchObject({ error: { message: "Emergency stop" } });
    expect(await rig.fault({})).toMatchObject({ phase: "killed", nozzleTargetC: 0, bedTargetC: 0 });
    await agent.ask({ type: "reset", id: "", printer: PRINTER });
    await agent.phase("idle");
  });

  it("never starts a job twice, and refuses an older token", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    const order = rig.order("j1", COLD_JOB, 5);
    expect(await Promise.all([agent.ask(order), agent.ask(order)])).toMatchObject([
      { type: "accepted" },
      { type: "accepted" },
    ]);
    expect(await agent.ask(order)).toMatchObject({
      type: "accepted",
      note: expect.stringContaining("not started again"),
    });
    expect(await agent.ask({ type: "cancel", ...fenced("j1", 4) })).toMatchObject({
      type: "refused",
      error: { code: "stale_token" },
    });
    expect(await agent.ask(rig.order("j0", COLD_JOB, 4))).toMatchObject({
      type: "refused",
      error: { code: "stale_token" },
    });
    expect(await agent.ask(rig.order("j2", COLD_JOB, 6))).toMatchObject({
      type: "refused",
      error: { code: "conflict" },
    });
    await agent.job("j1", "done");
    expect(await agent.ask(order)).toMatchObject({
      type: "accepted",
      note: expect.stringContaining("done"),
    });
    expect(rig.executed()).toEqual([...COLD_JOB, ...FINISH]);
  });

  it("refuses a start without a file or a printer, and prints nothing of a file that is not fit", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    const good = rig.order("j1", COLD_JOB);
    const refused = [{ path: `${good.path}.none` }, { printer: "nobody" }];
    for (const changes of refused) {
      expect(await agent.ask({ ...good, ...changes })).toMatchObject({
        type: "refused",
        error: { code: "not_found" },
      });
    }
    const failed = [
      [{ ...rig.order("other", COLD_JOB), sha256: "0".repeat(64) }, "checksum_mismatch"],
      [{ ...rig.order("longer", COLD_JOB), sizeBytes: good.sizeBytes + 1 }, "checksum_mismatch"],
      [rig.order("hot", ["M104 S400", "M104 S0"]), "gcode_too_hot"],
      [rig.order("far", ["G28", "G1 X9999"]), "gcode_out_of_bounds"],
      [rig.order("flash", ["G28", "m997"]), "gcode_forbidden"],
    ] as const;
    for (const [order, code] of failed) {
      expect(await agent.ask(order)).toMatchObject({ type: "accepted" });
      const report = await agent.job(order.job, "failed");
      expect(report).toMatchObject({ startedCount: 0, progress: 0, error: { code } });
    }
    expect(rig.executed()).toEqual([]);
    expect(await agent.ask(good)).toMatchObject({ type: "accepted" });
    await agent.job("j1", "done");
  });

  it("accepts a start before it has read the file, once, and can be cancelled meanwhile (DR6)", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    const order = rig.order("j1", ["G28", LONG_TO_CHECK]);
    expect(await agent.ask(order)).toEqual({ type: "accepted", id: expect.any(String) });
    expect(await agent.ask(order)).toMatchObject({
      type: "accepted",
      note: expect.stringContaining("preparing"),
    });
    expect(await agent.ask(rig.order("j2", COLD_JOB, 2))).toMatchObject({
      type: "refused",
      error: { code: "conflict" },
    });
    expect(await agent.ask({ type: "pause", ...fenced("j1") })).toMatchObject({
      type: "refused",
      error: { code: "conflict" },
    });
    const early = await rig.connect(); // hears nothing of a job that has no phase yet
    await until("the greeting", () => early.printer());
    expect(early.reports.filter(({ type }) => type === "job")).toEqual([]);
    expect(await agent.ask({ type: "cancel", ...fenced("j1", 3) })).toMatchObject({
      type: "accepted",
    });
    expect(await agent.job("j1", "cancelled")).toMatchObject({ startedCount: 0, token: 3 });
    expect(rig.executed()).toEqual([]);
    expect(await agent.ask(rig.order("j3", COLD_JOB, 4))).toMatchObject({ type: "accepted" });
    await agent.job("j3", "done");
  });

  it.each(["SIGKILL", "SIGTERM"] as const)(
    "%s while it checks a file: interrupted with no byte sent, told after the restart (DR2)",
    async (signal) => {
      await using rig = makeRig(FAST);
      const agent = await ready(rig);
      const order = rig.order("j1", ["G28", LONG_TO_CHECK]);
      expect(await agent.ask(order)).toMatchObject({ type: "accepted" });
      await endBridge(rig, signal);
      rig.startBridge();
      const later = await ready(rig);
      const report = await later.job("j1", "interrupted");
      expect(report).toMatchObject({ startedCount: 0, error: { code: "interrupted" } });
      expect(await later.ask(order)).toMatchObject({
        note: expect.stringContaining("not started again"),
      });
      expect(rig.executed()).toEqual([]);
    },
  );

  it("an emergency stop while it checks a file ends the job with no byte sent (DR6)", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["G28", LONG_TO_CHECK]));
    expect(await agent.ask({ type: "stop", id: "" })).toMatchObject({ type: "accepted" });
    expect(await agent.job("j1", "failed")).toMatchObject({
      startedCount: 0,
      error: { message: "Emergency stop" },
    });
    expect(rig.executed()).toEqual([]);
  });

  it("killed in the middle of a print: heaters off first, by a printer that is slow to answer (SE1)", async () => {
    await using rig = makeRig(`${FAST}&dtr=0`); // opening the port does not reset this board
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["M104 S200", "G28", ...moves(5_000), ...FINISH]));
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    await endBridge(rig, "SIGKILL");
    expect(await rig.fault({ loseOks: 10_000 })).toMatchObject({ nozzleTargetC: 200 });
    const before = ownLines(rig).length;
    rig.startBridge();
    const later = await rig.connect();
    await until("a line of the bridge", () =>
      ownLines(rig).length > before + 1 ? true : undefined,
    );
    // No answer came yet, so this was sent before anything was known of the printer.
    expect(ownLines(rig).slice(before, before + 2)).toEqual(["- M104 S0", "- M140 S0"]);
    expect(await until("the greeting", () => later.printer()?.phase)).toBe("opening");
    expect(await rig.fault({ loseOks: 0 })).toMatchObject({ nozzleTargetC: 0, bedTargetC: 0 });
    expect(await later.job("j1", "interrupted")).toMatchObject({ startedCount: 1 });
  });

  it("[K69] killed in the middle of a print: interrupted, heaters off, started once, told to who comes later", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    const order = rig.order("j1", ["M104 S200", "G28", ...moves(5_000), ...FINISH]);
    await agent.ask(order);
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    await endBridge(rig, "SIGKILL");
    const printed = rig.executed().length;
    rig.startBridge();
    const later = await ready(rig);
    expect(await later.job("j1", "interrupted")).toMatchObject({ startedCount: 1, token: 1 });
    expect(await rig.fault({})).toMatchObject({ nozzleTargetC: 0, bedTargetC: 0 });
    // The hub, which does not know, may send the order again.
    expect(await later.ask(order)).toMatchObject({
      type: "accepted",
      note: expect.stringContaining("interrupted"),
    });
    expect(rig.executed().length - printed).toBeLessThan(10);
    // Told again until it is acknowledged (BR3).
    const third = await rig.connect();
    await third.job("j1", "interrupted");
    expect(await third.ask({ type: "acknowledge", ...fenced("j1") })).toMatchObject({
      type: "accepted",
    });
    const fourth = await rig.connect();
    await until("the greeting", () => fourth.printer());
    expect(fourth.reports.filter(({ type }) => type === "job")).toEqual([]);
  });

  it("goes on printing while no agent is there", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", COLD_JOB));
    agent.close();
    await until("the end", () =>
      rig.executed().length === COLD_JOB.length + 2 ? true : undefined,
    );
    const later = await rig.connect();
    expect(await later.job("j1", "done")).toMatchObject({ progress: 1, startedCount: 1 });
  });

  it("stopped by SIGTERM in the middle of a print: heaters off, interrupted after the restart", async () => {
    await using rig = makeRig(FAST);
    const agent = await ready(rig);
    await agent.ask(rig.order("j1", ["M104 S200", "G28", ...moves(5_000), ...FINISH]));
    await until("some moves", () => (rig.executed().length > 20 ? true : undefined));
    await endBridge(rig, "SIGTERM");
    expect(await rig.fault({})).toMatchObject({ nozzleTargetC: 0 });
    rig.startBridge();
    const later = await rig.connect();
    expect(await later.job("j1", "interrupted")).toMatchObject({ startedCount: 1 });
  });
});
