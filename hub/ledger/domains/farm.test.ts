import { describe, expect, it } from "vitest";
import type { CommandBody, CommandOf } from "@gantry/shared/contract/commands.ts";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import { sha256 } from "@gantry/shared/base/digest.ts";
import {
  addNode,
  command,
  confirmation,
  gcode,
  type LedgerRig,
  makeLedgerRig,
  print,
  printer,
  START_MS,
} from "../testing/rig.ts";

const HOUR_MS = 3_600_000;

type Order = CommandOf<"farmPrintSubmitted">;
const order = (facts: Partial<Order> = {}): CommandBody => ({
  ...print({ printer: "any" }),
  type: "farmPrintSubmitted",
  farm: { dialect: "marlin", priority: 5, needs: { material: "PLA" } },
  grams: 100,
  ...facts,
});

const profile = (
  facts: Partial<CommandOf<"printerProfiled">["profile"]> = {},
  device = "sim",
): CommandBody => ({
  type: "printerProfiled",
  device,
  profile: { labels: [], isHeld: false, material: "PLA", ...facts },
});

const spool = (facts: Partial<CommandOf<"spoolKept">> = {}): CommandBody => ({
  type: "spoolKept",
  spool: "pla-1",
  material: "PLA",
  leftG: 300,
  costMicroUsdPerKg: 20_000_000,
  ...facts,
});

const assign = (on = "sim", job = "prt_1"): CommandBody => ({
  type: "printAssigned",
  job,
  printer: on,
  why: "it fits",
});

const lease = (job = "prt_1"): CommandBody => ({
  type: "printLeased",
  job,
  node: "node_1",
  bootId: "boot_1",
});

/** Two printers, one of them of the farm, with a spool. */
function farm(): LedgerRig {
  const rig = makeLedgerRig();
  addNode(rig, { printers: [printer(), printer({ id: "other" })] });
  rig.act(profile({ costMicroUsdPerH: 1_000_000 }));
  rig.act(spool());
  rig.act({ type: "spoolLoaded", device: "sim", spool: "pla-1" });
  return rig;
}

function leased(rig: LedgerRig, job = "prt_1"): number {
  rig.act(assign("sim", job));
  return Number(rig.act(lease(job))["token"]);
}

const report = (
  token: number,
  phase: CommandOf<"printReported">["phase"],
  facts: Partial<CommandOf<"printReported">> = {},
): CommandBody => ({
  type: "printReported",
  job: "prt_1",
  token,
  phase,
  progress: 0,
  startedCount: 1,
  ...facts,
});

const row = (rig: LedgerRig, id = "prt_1") => rig.rows.get("print", id);
const loaded = (rig: LedgerRig) => rig.rows.get("spool", "pla-1");

describe("an order for any printer", () => {
  it("waits for its word as every print does, and starts by the same lease (FL2)", () => {
    const rig = farm();
    rig.act(order({ confirmation: confirmation() }));
    expect(rig.refuse(assign())).toBe("conflict");
    rig.act({ type: "confirmationConsumed", confirmation: "cfm_1", phrase: null, role: "maker" });
    expect(row(rig)).toMatchObject({ state: "ready", printer: "any" });
    expect(rig.refuse(lease())).toBe("not_found");
    rig.act(assign());
    expect(row(rig)).toMatchObject({ state: "ready", printer: "sim" });
    expect(row(rig)).not.toHaveProperty("lease");
    rig.act(lease());
    expect(row(rig)?.lease?.node).toBe("node_1");
  });

  it.each([
    ["is not of the farm", assign("other")],
    ["is not known", assign("nowhere")],
  ])("is assigned to no printer that %s (FL1)", (_, body) => {
    const rig = farm();
    rig.act(order());
    expect(["conflict", "not_found"]).toContain(rig.refuse(body));
    expect(row(rig)?.printer).toBe("any");
  });

  it("is assigned to no printer that does not fit, and leased by none that ceased to (FL1)", () => {
    const rig = farm();
    rig.act(order({ farm: { dialect: "marlin", priority: 5, needs: { material: "ABS" } } }));
    expect(rig.refuse(assign())).toBe("conflict");
    rig.act(spool({ spool: "abs-1", material: "ABS" }));
    rig.act({ type: "spoolLoaded", device: "sim", spool: "abs-1" });
    rig.act(assign());
    rig.act({ type: "spoolLoaded", device: "sim", spool: "pla-1" });
    expect(rig.refuse(lease())).toBe("conflict");
  });

  it("is assigned to no printer whose bed is not said to be clear (FL1)", () => {
    const rig = farm();
    rig.act(order());
    rig.act(order({ job: "prt_2" }));
    const token = leased(rig);
    expect(rig.refuse(assign("sim", "prt_2"))).toBe("conflict");
    rig.act(report(token, "done"));
    expect(rig.refuse(assign("sim", "prt_2"))).toBe("conflict");
    rig.act({ type: "bedJudged", device: "sim", isGood: true });
    leased(rig, "prt_2");
  });

  it("is given to another printer as long as nobody has leased it, and then no more (FL1)", () => {
    const rig = farm();
    rig.act(profile({}, "other"));
    rig.act(order());
    rig.act(assign());
    rig.act(assign("other"));
    expect(row(rig)?.printer).toBe("other");
    leased(rig);
    expect(rig.refuse(assign("other"))).toBe("conflict");
  });

  it("is ranked anew until it is leased and over", () => {
    const rig = farm();
    rig.act(order());
    const ranked = { type: "printRanked", job: "prt_1", priority: 9 } as const;
    rig.act({ ...ranked, deadlineAtMs: START_MS + 5 });
    expect(row(rig)?.farm).toMatchObject({ priority: 9, deadlineAtMs: START_MS + 5 });
    rig.act({ type: "printRanked", job: "prt_1", deadlineAtMs: null });
    expect(row(rig)?.farm).toEqual({ dialect: "marlin", priority: 9, needs: { material: "PLA" } });
    const token = leased(rig);
    rig.act(report(token, "started"));
    expect(rig.refuse(ranked)).toBe("conflict");
    rig.act(print({ job: "prt_2" }));
    expect(rig.refuse({ ...ranked, job: "prt_2" })).toBe("conflict");
  });
});

describe("filament", () => {
  it("is reserved with the lease, deducted at the end, and paid (FR1, FR2)", () => {
    const rig = farm();
    rig.act(order());
    const token = leased(rig);
    expect(loaded(rig)).toMatchObject({ leftG: 300, reserved: { job: "prt_1", grams: 100 } });
    rig.act(report(token, "started"));
    rig.at(2 * HOUR_MS);
    rig.act(report(token, "done"));
    rig.act(report(token, "done"));
    expect(loaded(rig)).toMatchObject({ leftG: 200, usedG: 100 });
    expect(loaded(rig)).not.toHaveProperty("reserved");
    // 100 g of 20 $/kg and 2 h of 1 $/h.
    const use = { printedS: 7_200, grams: 100, spool: "pla-1", costMicroUsd: 4_000_000 };
    expect(row(rig)?.use).toEqual({ material: "PLA", ...use });
    expect(rig.rows.get("farmPrinter", "sim")).toMatchObject({
      printedS: 7_200,
      sinceMaintenanceS: 7_200,
    });
  });

  it("of a print that was broken off is deducted as far as it came", () => {
    const rig = farm();
    rig.act(order());
    const token = leased(rig);
    rig.act(report(token, "started"));
    rig.act(report(token, "failed", { progress: 0.25 }));
    expect(loaded(rig)).toMatchObject({ leftG: 275, usedG: 25 });
  });

  it("is let go of when the printer refuses (FR1)", () => {
    const rig = farm();
    rig.act(order());
    const token = leased(rig);
    rig.act({
      type: "printRefused",
      job: "prt_1",
      token,
      error: { code: "busy", message: "not now" },
    });
    expect(loaded(rig)).toMatchObject({ leftG: 300, usedG: 0 });
    expect(loaded(rig)).not.toHaveProperty("reserved");
  });

  it("that is not enough lets a print wait, one that was ordered for that printer too", () => {
    const rig = farm();
    rig.act(spool({ leftG: 99 }));
    rig.act(order());
    expect(rig.refuse(assign())).toBe("conflict");
    rig.act(print({ job: "prt_2", gcode: gcode({ filamentMm: 100_000 }) }));
    expect(rig.refuse(lease("prt_2"))).toBe("conflict");
    rig.act(spool({ leftG: 400 }));
    rig.act(lease("prt_2"));
  });

  it("stays where it is while a print has reserved of it (FL3)", () => {
    const rig = farm();
    rig.act(profile({}, "other"));
    rig.act(order());
    leased(rig);
    const moves: readonly CommandBody[] = [
      { type: "spoolLoaded", device: "other", spool: "pla-1" },
      { type: "spoolLoaded", device: "sim", spool: null },
      { type: "spoolDropped", spool: "pla-1" },
      { type: "printerUnprofiled", device: "sim" },
      spool({ material: "ABS" }),
    ];
    for (const body of moves) expect(rig.refuse(body)).toBe("conflict");
  });

  it("is in one printer at a time (FL3)", () => {
    const rig = farm();
    rig.act(profile({}, "other"));
    rig.act({ type: "spoolLoaded", device: "other", spool: "pla-1" });
    expect(rig.rows.get("farmPrinter", "sim")).not.toHaveProperty("spool");
    expect(loaded(rig)?.printer).toBe("other");
    rig.act({ type: "spoolDropped", spool: "pla-1" });
    expect(rig.rows.get("farmPrinter", "other")).not.toHaveProperty("spool");
  });
});

describe("a printer of the farm", () => {
  it("gets no print of the farm when its maintenance is due, until somebody has maintained it", () => {
    const rig = farm();
    rig.act(profile({ maintenanceEveryH: 1 }));
    rig.act(order());
    const token = leased(rig);
    rig.act(report(token, "started"));
    rig.at(HOUR_MS);
    rig.act(report(token, "done"));
    rig.act({ type: "bedJudged", device: "sim", isGood: true });
    rig.act(order({ job: "prt_2" }));
    expect(rig.refuse(assign("sim", "prt_2"))).toBe("conflict");
    rig.act({ type: "printerMaintained", device: "sim" });
    expect(rig.rows.get("farmPrinter", "sim")).toMatchObject({
      printedS: 3_600,
      sinceMaintenanceS: 0,
      maintainedBy: "ada",
    });
    leased(rig, "prt_2");
  });

  it("keeps its hours and its spool when its facts are said anew, and loses them with its place", () => {
    const rig = farm();
    rig.act(profile({ nozzleMm: 0.6 }));
    expect(rig.rows.get("farmPrinter", "sim")).toMatchObject({ nozzleMm: 0.6, spool: "pla-1" });
    rig.act({ type: "printerUnprofiled", device: "sim" });
    expect(rig.rows.get("farmPrinter", "sim")).toBeUndefined();
    expect(loaded(rig)).not.toHaveProperty("printer");
    expect(rig.refuse({ type: "printerMaintained", device: "sim" })).toBe("conflict");
  });
});

function ended(): LedgerRig {
  const rig = farm();
  rig.act(order());
  const token = leased(rig);
  rig.act(report(token, "started"));
  rig.act(report(token, "done"));
  return rig;
}

describe("the word about a part", () => {
  it("clears the bed, is kept with the print, and is counted by printer, material and file (FL4)", () => {
    const rig = ended();
    const judged = { type: "bedJudged", device: "sim", isGood: false, reason: "warping" } as const;
    expect(rig.refuse({ ...judged, job: "prt_9" })).toBe("conflict");
    rig.act({ ...judged, job: "prt_1", note: "corner up" });
    expect(rig.rows.get("device", "sim")?.bed).toBe("clear");
    expect(row(rig)?.outcome).toMatchObject({ isGood: false, reason: "warping", by: "ada" });
    for (const key of ["printer/sim", "material/PLA", `file/${sha256("G28")}`]) {
      expect(rig.rows.get("tally", key)).toMatchObject({
        good: 0,
        bad: 1,
        reasons: { warping: 1 },
        grams: 100,
      });
    }
    expect(rig.refuse(judged)).toBe("conflict");
  });

  it("of a part that is being printed is refused", () => {
    const rig = farm();
    rig.act(order());
    const token = leased(rig);
    rig.act(report(token, "started"));
    expect(rig.refuse({ type: "bedJudged", device: "sim", isGood: true })).toBe("conflict");
  });

  it("is counted for a bounded number of files", () => {
    const rig = ended();
    rig.rows.cool("count", "tallies", LIMIT.farmFiles.max);
    rig.rows.cool("order", "tallies/0", "file/old");
    rig.rows.cool("tally", "file/old", {
      key: "file/old",
      name: "old",
      good: 1,
      bad: 0,
      reasons: {},
      printedS: 0,
      grams: 0,
      changedAtMs: 0,
    });
    rig.act({ type: "bedJudged", device: "sim", isGood: true });
    expect(rig.rows.get("tally", "file/old")).toBeUndefined();
    expect(rig.rows.get("tally", `file/${sha256("G28")}`)?.good).toBe(1);
  });
});

it("a farm is the same after a restart and after a replay of its log", () => {
  const rig = farm();
  rig.act(order());
  const token = leased(rig);
  rig.act(report(token, "started"));
  rig.act(report(token, "failed", { progress: 0.5 }));
  rig.act({ type: "bedJudged", device: "sim", isGood: false, reason: "spaghetti" });
  const replayed = makeLedgerRig();
  for (const entry of rig.entries) replayed.apply(...entry);
  expect(replayed.stateHash()).toBe(rig.stateHash());
  rig.restart();
  expect(row(rig)?.outcome?.reason).toBe("spaghetti");
  expect(rig.rows.hot("spool").size).toBe(1);
});

it("commands of the farm leave prints of before as they were: no row of the farm, no change", () => {
  const rig = makeLedgerRig();
  addNode(rig);
  rig.act(print());
  const { token } = rig.act(lease()) as { token: number };
  rig.apply(command(report(token, "started")), command(report(token, "done")));
  expect(row(rig)).not.toHaveProperty("use");
  expect(row(rig)).not.toHaveProperty("grams");
  expect(rig.rows.hot("farmPrinter").size + rig.rows.hot("spool").size).toBe(0);
});
