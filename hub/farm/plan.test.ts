import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PrintRow } from "@gantry/shared/contract/rows.ts";
import { explainFarm } from "./explain.ts";
import { type FarmPrinter, hindranceOf, misfitOf } from "./fit.ts";
import { dueAtMs, planPrints } from "./plan.ts";
import { directed, file, HOUR_MS, machine, NOW_MS, order } from "./testing/rig.ts";

const given = (jobs: readonly PrintRow[], printers: readonly FarmPrinter[]): string[] =>
  planPrints(jobs, printers).map(({ job, printer }) => `${job.id}>${printer.device.id}`);

const codeOf = (job: PrintRow, printer: FarmPrinter): string | undefined =>
  (misfitOf(job, printer) ?? hindranceOf(job, printer))?.code;

const spool = (facts: Partial<NonNullable<FarmPrinter["spool"]>> = {}) => ({
  id: "spool-1",
  material: "PETG",
  leftG: 500,
  usedG: 0,
  changedAtMs: NOW_MS,
  ...facts,
});

describe("a printer", () => {
  it.each([
    ["no profile", order("a"), { ...machine("p"), profile: undefined }, "not_in_farm"],
    ["kept out", order("a"), machine("p", { profile: { isHeld: true } }), "held"],
    ["too small", order("a"), machine("p", { size: 99 }), "too_small"],
    ["other dialect", order("a", { farm: { dialect: "klipper" } }), machine("p"), "wrong_dialect"],
    ["hot file", order("a", { gcode: file({ nozzleMaxC: 300 }) }), machine("p"), "too_cold"],
    ["hot bed", order("a", { gcode: file({ bedMaxC: 120 }) }), machine("p"), "bed_too_cold"],
    ["other nozzle", order("a", { needs: { nozzleMm: 0.6 } }), machine("p"), "nozzle_differs"],
    ["label", order("a", { needs: { labels: ["food"] } }), machine("p"), "label_missing"],
    ["material", order("a", { needs: { material: "ABS" } }), machine("p"), "material_not_loaded"],
    ["colour", order("a", { needs: { color: "FF0000" } }), machine("p"), "color_not_loaded"],
    [
      "wanted volume",
      order("a", { needs: { sizeMm: { x: 1, y: 1, z: 300 } } }),
      machine("p"),
      "too_small",
    ],
    ["spool", order("a", { grams: 501 }), machine("p", { spool: spool() }), "not_enough_filament"],
    [
      "reserved spool",
      order("a", { grams: 401 }),
      machine("p", { spool: spool({ reserved: { job: "b", grams: 100 } }) }),
      "not_enough_filament",
    ],
    ["a part", order("a"), machine("p", { device: { bed: "part" } }), "bed_not_clear"],
    ["offline", order("a"), machine("p", { device: { isOnline: false } }), "offline"],
    ["no node", order("a"), machine("p", { isReachable: false }), "offline"],
    ["fault", order("a"), machine("p", { phase: "fault" }), "fault"],
    ["heating", order("a"), machine("p", { phase: "heating" }), "not_idle"],
    ["busy", order("a"), machine("p", { holder: "b" }), "printing"],
    [
      "service",
      order("a"),
      machine("p", { profile: { maintenanceEveryH: 100, sinceMaintenanceS: 360_000 } }),
      "maintenance_due",
    ],
    [
      "peak hours",
      order("a", { gcode: file({ estimatedS: 40_000 }) }),
      machine("p", {
        isOffPeak: false,
        profile: { offPeak: { fromMinute: 0, toMinute: 1, zone: "UTC", longerThanS: 3_600 } },
      }),
      "off_peak",
    ],
  ])("gets nothing: %s (FM1, FP1)", (_, job, printer, code) => {
    expect(codeOf(job, printer)).toBe(code);
    expect(planPrints([job], [printer])).toEqual([]);
    const { reason } = explainFarm([job], [printer], 10).waiting[0] ?? {};
    expect(reason).toMatchObject({ code, printers: [{ printer: "p", code }] });
    expect(reason?.change).not.toBe("");
  });

  it("whose nozzle nobody named fits no print that needs one (FM2)", () => {
    const { profile, ...rest } = machine("p");
    const { nozzleMm: _, ...unknown } = profile ?? machine("p").profile ?? { id: "", labels: [] };
    const printer = { ...rest, profile: unknown } as FarmPrinter; // the same without the nozzle
    expect(codeOf(order("a", { needs: { nozzleMm: 0.4 } }), printer)).toBe("nozzle_unknown");
    expect(codeOf(order("b"), printer)).toBeUndefined();
  });

  it("that is due for maintenance still does what was ordered for it by name", () => {
    const due = machine("p", { profile: { maintenanceEveryH: 1, sinceMaintenanceS: 3_600 } });
    expect(given([directed("a", "p"), order("b")], [due])).toEqual(["a>p"]);
  });
});

describe("a plan", () => {
  it("serves by deadline, then priority, then age", () => {
    const soon = { deadlineAtMs: NOW_MS + 2 * HOUR_MS, priority: 0 };
    const jobs = [
      order("young", { createdAtMs: NOW_MS + 1 }),
      order("old"),
      order("urgent", { farm: { priority: 8 } }),
      order("dated", { farm: soon }),
    ];
    const { waiting } = explainFarm(jobs, [], 10);
    expect(waiting.map(({ job }) => job.id)).toEqual(["dated", "urgent", "old", "young"]);
  });

  it("moves a flexible print so that a choosy one has a printer too (FP4)", () => {
    const jobs = [order("any"), order("large", { gcode: file({ boundsMm: BOX_150 }) })];
    const printers = [machine("big", { size: 150 }), machine("bigger", { size: 200 })];
    expect(given(jobs, printers)).toHaveLength(2);
    const small = machine("small", { size: 100 });
    expect(given(jobs, [machine("big", { size: 150 }), small])).toEqual(["any>small", "large>big"]);
  });

  it("leaves a material to those who wait for it (FP5)", () => {
    const petg = machine("a-petg", { profile: { material: "PETG" } });
    const abs = machine("b-abs", { profile: { material: "ABS" } });
    const jobs = [
      order("any"),
      order("later", { needs: { material: "petg" }, createdAtMs: NOW_MS + 9 }),
    ];
    expect(given(jobs, [petg, abs])).toEqual(["any>b-abs", "later>a-petg"]);
    expect(planPrints(jobs, [petg, abs])[1]?.why).toContain("PETG is loaded");
  });

  it("says what to load where the fewest wait for what is there", () => {
    const petg = machine("p1", { profile: { material: "PETG" } });
    const abs = machine("p2", { profile: { material: "ABS" } });
    const jobs = [
      order("a", { needs: { material: "PETG" } }),
      order("b", { needs: { material: "TPU" } }),
      order("c", { needs: { material: "tpu" } }),
    ];
    expect(explainFarm(jobs, [petg, abs], 10).loadings).toEqual([
      { printer: "p2", material: "TPU", jobs: ["b", "c"] },
    ]);
  });

  it("explains a print that another one comes before, and one that nobody confirmed", () => {
    const jobs = [order("a"), order("b"), order("c", { state: "awaiting" })];
    const codes = explainFarm(jobs, [machine("p")], 10).waiting.map(({ reason }) => reason.code);
    expect(codes).toEqual(["starting", "taken", "confirmation"]);
  });
});

const BOX_150 = { min: { x: 0, y: 0, z: 0 }, max: { x: 150, y: 150, z: 150 } };

// ── properties ──────────────────────────────────────────────────────────────────────────────────

const MATERIALS = ["PLA", "PETG", "ABS"] as const;
const NOZZLES = [0.4, 0.6] as const;

const jobs = fc
  .array(
    fc.record({
      material: fc.option(fc.constantFrom(...MATERIALS), { nil: undefined }),
      nozzleMm: fc.option(fc.constantFrom(...NOZZLES), { nil: undefined }),
      size: fc.integer({ min: 1, max: 260 }),
      priority: fc.integer({ min: 0, max: 9 }),
      deadlineH: fc.option(fc.integer({ min: -5, max: 100 }), { nil: undefined }),
      ageH: fc.integer({ min: 0, max: 80 }),
      grams: fc.integer({ min: 1, max: 600 }),
      state: fc.constantFrom("ready", "ready", "ready", "awaiting"),
      on: fc.option(fc.constantFrom("p0", "p1"), { nil: undefined }),
    }),
    { maxLength: 14 },
  )
  .map((all) =>
    all.map(({ material, nozzleMm, size, priority, deadlineH, ageH, grams, state, on }, at) => {
      const needs = {
        ...(material === undefined ? {} : { material }),
        ...(nozzleMm === undefined ? {} : { nozzleMm }),
      };
      const dated = deadlineH === undefined ? {} : { deadlineAtMs: NOW_MS + deadlineH * HOUR_MS };
      const gcode = file({ boundsMm: { min: { x: 0, y: 0, z: 0 }, max: { x: size, y: 1, z: 1 } } });
      const facts = { gcode, grams, state, createdAtMs: NOW_MS - ageH * HOUR_MS } as const;
      return on === undefined
        ? order(`j${at}`, { ...facts, needs, farm: { priority, needs, ...dated } })
        : directed(`j${at}`, on, facts);
    }),
  );

const printers = fc
  .array(
    fc.record({
      material: fc.constantFrom(...MATERIALS),
      nozzleMm: fc.constantFrom(...NOZZLES),
      size: fc.integer({ min: 50, max: 300 }),
      leftG: fc.option(fc.integer({ min: 0, max: 700 }), { nil: undefined }),
      bed: fc.constantFrom("clear", "clear", "part"),
      phase: fc.constantFrom("idle", "idle", "printing", "fault"),
      isOnline: fc.boolean(),
      holder: fc.option(fc.constant("other"), { nil: undefined, freq: 4 }),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ material, nozzleMm, size, leftG, bed, phase, isOnline, holder }, at) =>
      machine(`p${at}`, {
        size,
        phase,
        holder,
        device: { id: `p${at}`, bed, isOnline },
        profile: { material, nozzleMm },
        spool: leftG === undefined ? undefined : spool({ material, leftG }),
      }),
    ),
  );

/** How many of these can have a printer at once, by trying everything. */
function most(todo: readonly PrintRow[], free: readonly FarmPrinter[]): number {
  const [job, ...rest] = todo;
  if (job === undefined) return 0;
  const without = most(rest, free);
  const withIt = free
    .filter((printer) => codeOf(job, printer) === undefined)
    .map(
      (printer) =>
        1 +
        most(
          rest,
          free.filter((other) => other !== printer),
        ),
    );
  return Math.max(without, ...withIt);
}

describe("whatever prints and printers there are", () => {
  it("a print gets one printer that fits and is free, and no printer gets two (FP1, FP2)", () => {
    fc.assert(
      fc.property(jobs, printers, (todo, all) => {
        const plan = planPrints(todo, all);
        expect(new Set(plan.map(({ job }) => job.id)).size).toBe(plan.length);
        expect(new Set(plan.map(({ printer }) => printer.device.id)).size).toBe(plan.length);
        for (const { job, printer } of plan) {
          expect(codeOf(job, printer)).toBeUndefined();
          expect(job.state).toBe("ready");
          expect(printer.device.bed).toBe("clear");
          expect(["any", printer.device.id]).toContain(job.printer);
        }
      }),
    );
  });

  it("the plan does not depend on the order in which they are told", () => {
    fc.assert(
      fc.property(jobs, printers, (todo, all) => {
        const plan = given(todo, all);
        expect(given(todo.toReversed(), all.toReversed())).toEqual(plan);
        expect(given(todo, all)).toEqual(plan);
      }),
    );
  });

  it("as many prints start as can, and none is left out for one that is due later (FP4)", () => {
    fc.assert(
      fc.property(
        jobs.filter((all) => all.length <= 6),
        printers.filter((all) => all.length <= 4),
        (todo, all) => {
          const ready = todo.filter(({ state }) => state === "ready");
          const plan = planPrints(todo, all);
          expect(plan).toHaveLength(most(ready, all));
          const order = ready.toSorted((a, b) => dueAtMs(a) - dueAtMs(b));
          const isIn = (job: PrintRow): boolean => plan.some((each) => each.job.id === job.id);
          for (const [at, job] of order.entries()) {
            if (isIn(job)) continue;
            const due = order.slice(0, at).filter(isIn); // all of these have a printer without it
            expect(most([...due, job], all)).toBe(due.length);
          }
        },
      ),
    );
  });

  it("each that waits has a reason, of every printer where any could do it (FE1)", () => {
    fc.assert(
      fc.property(jobs, printers, (todo, all) => {
        const { waiting, assignments } = explainFarm(todo, all, 100);
        expect(waiting).toHaveLength(todo.length);
        for (const { job, reason } of waiting) {
          expect(reason.change).not.toBe("");
          const isGiven = assignments.some((each) => each.job.id === job.id);
          expect(reason.code === "starting").toBe(isGiven);
          const isAsked = job.farm !== undefined && job.state === "ready" && !isGiven;
          expect(reason.printers.length).toBeGreaterThanOrEqual(isAsked ? all.length : 0);
        }
      }),
    );
  });

  it("nothing starves: what fits a printer starts though more urgent prints come in for ever (FP3)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        (priority, perHour, count) => {
          const beds = Array.from({ length: count }, (_, at) => machine(`p${at}`));
          const meek = order("meek", { farm: { priority, needs: { material: "PLA" } } });
          let todo: readonly PrintRow[] = [meek];
          // Each print takes an hour; as many come as there are printers, or more, all of them urgent.
          const boundH = (dueAtMs(meek) - NOW_MS) / HOUR_MS;
          const before = (boundH + 1) * perHour;
          const roundsMax = Math.ceil(before / count) + boundH + 1;
          for (let round = 0; round <= roundsMax; round += 1) {
            const createdAtMs = NOW_MS + round * HOUR_MS;
            const more = Array.from({ length: perHour }, (_, at) =>
              order(`u${round}-${at}`, {
                createdAtMs,
                farm: { priority: 9, deadlineAtMs: createdAtMs },
              }),
            );
            todo = [...todo, ...more];
            const started = new Set(planPrints(todo, beds).map(({ job }) => job.id));
            if (started.has("meek")) return;
            todo = todo.filter(({ id }) => !started.has(id));
          }
          expect.fail(`it did not start within ${roundsMax} rounds`);
        },
      ),
      { numRuns: 20 },
    );
  });
});
