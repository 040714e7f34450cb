import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deviceView, printView } from "./testing/fixtures.ts";
import { makeRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

const AT = "2026-11-21T04:05:22.000Z";
const bodyOf = (at: number): unknown => JSON.parse(rig.hub.seen[at]?.text ?? "null");

const QUEUED = {
  id: "prt_1",
  name: "bracket",
  by: "ada",
  state: "ready",
  printer: "any",
  farm: { needs: { material: "PETG", nozzleMm: 0.4 }, dialect: "marlin", priority: 5 },
  estimatedS: 3_725,
  createdAt: AT,
  dueAt: AT,
  reason: {
    code: "material_not_loaded",
    message: "ender: it holds PLA, not PETG",
    change: "Load PETG: gantry printer load ender SPOOL",
    printers: [],
  },
};
const FARM = {
  queue: [QUEUED],
  more: 0,
  loadings: [{ printer: "ender", material: "PETG", jobs: ["prt_1"] }],
};
const PRINTER = {
  device: deviceView(),
  profile: {
    nozzleMm: 0.4,
    labels: ["enclosed"],
    isHeld: true,
    printedH: 12.5,
    sinceMaintenanceH: 12.5,
    isMaintenanceDue: false,
  },
  loaded: { material: "PLA", freeG: 312 },
};

describe("farm", () => {
  it("shows what waits, why, and what would change it", async () => {
    rig.hub.json("GET /api/farm", FARM);
    const { code, out } = await rig.gantry(["farm"]);
    expect(code).toBe(0);
    expect(out).toContain("PETG 0.4 mm");
    expect(out).toContain("it holds PLA, not PETG");
    expect(out).toContain("bracket: Load PETG: gantry printer load ender SPOOL");
    expect(out).toContain("Load PETG in ender: 1 waiting");
    const json = await rig.gantry(["farm", "--json"]);
    expect(JSON.parse(json.out)).toMatchObject(FARM);
  });

  it("changes priority and deadline, and takes a deadline away", async () => {
    rig.hub.json("POST /api/farm/queue/prt_1", FARM);
    const ranked = ["farm", "rank", "prt_1", "--priority", "9", "--deadline", "none"];
    expect((await rig.gantry(ranked)).code).toBe(0);
    expect(bodyOf(0)).toEqual({ priority: 9, deadline: null });
    expect((await rig.gantry(["farm", "rank", "prt_1"])).code).toBe(64);
  });

  it("shows how prints turned out", async () => {
    const row = {
      id: "PLA",
      name: "PLA",
      good: 3,
      bad: 1,
      goodShare: 0.75,
      printedH: 9,
      grams: 120,
    };
    rig.hub.json("GET /api/farm/outcomes", {
      outcomes: [{ ...row, reasons: { warping: 1 } }],
    });
    const { out } = await rig.gantry(["farm", "outcomes", "material"]);
    expect(out).toMatch(/PLA +3 +1 +75 %/);
    expect(out).toContain("warping 1");
  });
});

describe("printers of the farm", () => {
  it("keep what was said of them before when something else is said", async () => {
    rig.hub.json("GET /api/farm/printers", { printers: [PRINTER], limits: {} });
    rig.hub.json("PUT /api/farm/printers/sim", PRINTER);
    const said = [
      "printer",
      "set",
      "sim",
      "--nozzle",
      "0.6",
      "--release",
      "--maintain-every",
      "200",
    ];
    expect((await rig.gantry(said)).code).toBe(0);
    expect(bodyOf(1)).toEqual({
      labels: ["enclosed"],
      isHeld: false,
      nozzleMm: 0.6,
      maintenanceEveryH: 200,
    });
    expect((await rig.gantry(["printer", "set", "sim", "--nozzle", "wide"])).code).toBe(64);
  });

  it("are loaded and maintained", async () => {
    rig.hub.json("POST /api/farm/printers/sim/spool", PRINTER);
    rig.hub.json("POST /api/farm/printers/sim/maintained", PRINTER);
    await rig.gantry(["printer", "load", "sim", "pla-1"]);
    await rig.gantry(["printer", "load", "sim", "none"]);
    expect([bodyOf(0), bodyOf(1)]).toEqual([{ spool: "pla-1" }, { spool: null }]);
    expect((await rig.gantry(["printer", "maintained", "sim"])).out).toContain("begin anew");
  });
});

it("spools: a new one needs its material and its grams, a known one only what changes", async () => {
  const SPOOL = {
    id: "pla-1",
    material: "PLA",
    leftG: 900,
    reservedG: 0,
    usedG: 100,
    changedAt: AT,
  };
  rig.hub.json("GET /api/farm/spools", { spools: [SPOOL] });
  rig.hub.json("PUT /api/farm/spools/pla-1", SPOOL);
  expect((await rig.gantry(["spool", "set", "new", "--grams", "5"])).code).toBe(64);
  expect((await rig.gantry(["spool", "set", "pla-1", "--price", "25.5"])).code).toBe(0);
  expect(bodyOf(2)).toEqual({ material: "PLA", leftG: 900, costMicroUsdPerKg: 25_500_000 });
  expect((await rig.gantry(["spool"])).out).toMatch(/pla-1 +PLA +900 g/);
});

it("a bed is cleared with the word about its part", async () => {
  rig.hub.json("POST /api/devices/sim/bed", deviceView());
  rig.hub.json("POST /api/devices/sim/bed-cleared", deviceView());
  const failed = [
    "bed",
    "clear",
    "sim",
    "--outcome",
    "failed",
    "--reason",
    "warping",
    "--job",
    "prt_1",
  ];
  expect((await rig.gantry(failed)).out).toContain("the part is bad");
  expect(bodyOf(0)).toEqual({ outcome: "failed", reason: "warping", job: "prt_1" });
  expect((await rig.gantry(["bed", "clear", "sim"])).code).toBe(0);
  expect(
    (await rig.gantry(["bed", "clear", "sim", "--outcome", "failed", "--reason", "moon"])).code,
  ).toBe(64);
  expect((await rig.gantry(["bed", "clear", "sim", "--reason", "warping"])).code).toBe(64);
});

it("a print for any printer goes with what it needs", async () => {
  await writeFile(join(rig.dir, "part.gcode"), "G28\n");
  rig.hub.json("POST /api/fabrication/jobs", { job: { id: "prt_1", state: "ready" } }, 202);
  rig.hub.json("GET /api/fabrication/jobs/prt_1", printView({ state: "ready", printer: "any" }));
  const wish = ["--material", "petg", "--label", "enclosed", "--label", "quiet", "--priority", "8"];
  const { code } = await rig.gantry(["print", "part.gcode", "--on", "any", ...wish]);
  expect(code).toBe(0);
  const text = rig.hub.seen[0]?.text ?? "";
  for (const [name, value] of [
    ["printer", "any"],
    ["material", "petg"],
    ["labels", "enclosed,quiet"],
    ["priority", "8"],
  ]) {
    expect(text).toContain(`name="${name}"\r\n\r\n${value}\r\n`);
  }
});
