import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendJson, sendProblem } from "@gantry/shared/client/testing/fake-hub.ts";
import { confirmationView, deviceView, printView } from "./testing/fixtures.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const FILE = "part one.gcode";
const submit = async (state: "awaiting" | "ready" = "ready"): Promise<void> => {
  await writeFile(join(rig.dir, FILE), "G28\nG1 X5\n");
  const confirmation = state === "awaiting" ? { confirmation: confirmationView() } : {};
  rig.hub.json("POST /api/fabrication/jobs", { job: { id: "prt_1", state }, ...confirmation }, 202);
  rig.hub.json("GET /api/devices/sim", deviceView());
};
const lives = (states: readonly Parameters<typeof printView>[0][]): void =>
  rig.hub.on("GET /api/fabrication/jobs/prt_1", (_, reply, nth) =>
    sendJson(reply, printView(states[Math.min(nth, states.length - 1)])),
  );

describe("print", () => {
  it("uploads, shows the scan and the hazards, confirms and follows to the end", async () => {
    await submit("awaiting");
    lives([
      { state: "awaiting", progress: 0 },
      { state: "ready", progress: 0, waitsFor: "sim is heating" },
      { state: "printing", progress: 0.5 },
      { state: "done", progress: 1 },
    ]);
    rig.hub.json("POST /api/confirmation/cfm_1/confirm", { job: { id: "prt_1", state: "ready" } });
    const options = { isTty: true, typed: ["print bracket"] };
    const { code, out } = await rig.gantry(["print", FILE, "--on", "sim"], options);
    expect(code).toBe(0);
    expect(out).toContain("! heats the nozzle to 215 °C");
    expect(out).toContain("nozzle 215/215 °C");
    expect(out).toContain("bracket is \u001b[32mdone");
    expect(rig.hub.seen[0]?.text).toContain("part one\r\n");
    expect(rig.hub.seen[0]?.text).toContain("G28\nG1 X5\n");
  });

  it("[K23] shows what the analysis found: slicer, both times, layers, mass", async () => {
    const plain = printView({ state: "done", progress: 1 });
    const analysis = {
      slicer: { name: "PrusaSlicer", version: "2.7.4" },
      modelS: 3_800,
      slicerS: 3_725,
      layers: { count: 10, firstHeightMm: 0.2, usualHeightMm: 0.2, topMm: 2 },
      filament: { lengthMm: 1_234, volumeCm3: 2.97, massG: 3.68, material: "PLA" },
      tools: [0],
      settings: {},
      thumbnails: [],
    };
    const view = { ...plain, gcode: { ...plain.gcode, analysis } };
    rig.hub.json("GET /api/fabrication/jobs/prt_1", view);
    await submit();
    const { out } = await rig.gantry(["print", FILE, "--on", "sim"]);
    expect(out).toContain("about 1 h 2 min by the slicer, 1 h 3 min by its moves");
    expect(out).toContain("1.23 m, 3.7 g, PLA");
    expect(out).toContain("10 of 0.2 mm, 2 mm high");
    expect(out).toContain("PrusaSlicer 2.7.4");
  });

  it.each([
    ["done", { state: "done" }, 0],
    ["cancelled", { state: "cancelled" }, 75],
    ["interrupted", { state: "interrupted" }, 75],
    ["failed", { state: "failed", error: { code: "gcode_too_hot", message: "too hot" } }, 65],
    ["failed as nobody knows", { state: "failed", error: { code: "?", message: "?" } }, 65],
  ] as const)(
    "follows in a pipe by lines; a print that is %s gives its exit code",
    async (_, last, code) => {
      await submit();
      lives([{ state: "ready", progress: 0 }, { state: "printing", progress: 0.31 }, last]);
      const result = await rig.gantry(["print", FILE, "--on", "sim", "--follow"]);
      expect(result.code).toBe(code);
      expect(result.out).toContain("bracket 30 %  printing\n");
      expect(result.out).not.toContain("\u001b");
    },
  );

  it("waits for a hub that restarts, and leaves the print alone at Ctrl-C", async () => {
    const controller = new AbortController();
    rig.hub.on("GET /api/fabrication/jobs/prt_1", (_, reply, nth) => {
      if (nth < 4) sendProblem(reply, "starting", "soon");
      else sendJson(reply, printView({ state: "ready" }));
    });
    const result = await rig.gantry(["prints", "prt_1", "--follow"], {
      signal: controller.signal,
      onOutput: (text) => text.includes("ready") && controller.abort(),
    });
    expect(result.code).toBe(75);
    expect(result.err).toContain("the print goes on");
    expect(rig.hub.seen.every((seen) => seen.method === "GET")).toBe(true);
  });

  it("refuses before sending what cannot be a print", async () => {
    await writeFile(join(rig.dir, "empty.gcode"), "");
    expect((await rig.gantry(["print", "nowhere.gcode", "--on", "sim"])).code).toBe(66);
    expect((await rig.gantry(["print", ".", "--on", "sim"])).code).toBe(66);
    expect((await rig.gantry(["print", "empty.gcode", "--on", "sim"])).code).toBe(65);
    expect((await rig.gantry(["print", "empty.gcode"])).code).toBe(64);
    expect(rig.hub.seen).toEqual([]);
  });
});
