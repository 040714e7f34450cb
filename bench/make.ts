// From words to G-code: the whole way through hub, log, node and sandbox, with what each step takes,
// beside the same two programs by hand on the same program and the same profile.
//
//   npm run bench:make [-- ROUNDS]      prints one JSON document, and keeps it in bench/make.json
//
// Each round makes a part that was never made before (its width grows by 0.01 mm), so that nothing
// comes from the cache; `again` is the same words once more. Ours and the other one take turns, and
// who begins changes each round. The wait for the end is asked for every 5 ms.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { partNamed } from "@gantry/shared/cad/library.ts";
import { partSource, partValues } from "@gantry/shared/cad/part.ts";
import { SLICE_DEFAULTS, sliceIni } from "@gantry/shared/cad/slicing.ts";
import { MAKE_STEPS } from "@gantry/shared/contract/cad.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { MakeView } from "@gantry/shared/contract/schemas/cad.ts";
import { type Appliance, startAppliance, until } from "../tests/support/appliance.ts";
import { machine } from "./floors.ts";
import { medianOf, pause, percentileOf, rounded } from "./measure.ts";

const run = promisify(execFile);
const LOOK_EVERY_MS = 5;

interface Subject {
  readonly name: string;
  readonly words: (mm: string) => string;
  readonly part: string;
  readonly parameters: (mm: number) => Readonly<Record<string, unknown>>;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "spacer",
    words: (mm) => `a spacer ${mm} mm high for M4`,
    part: "spacer",
    parameters: (mm) => ({ height: mm, hole: 4.5 }),
  },
  {
    name: "box with lid",
    words: (mm) => `a box ${mm}x30x20 with lid`,
    part: "box",
    parameters: (mm) => ({ width: mm, depth: 30, height: 20, lid: true }),
  },
  {
    name: "bracket",
    words: (mm) => `a bracket 40x40x${mm} for M5`,
    part: "bracket",
    parameters: (mm) => ({ leg: 40, height: 40, width: mm, hole: 5.5 }),
  },
];

const samples = new Map<string, number[]>();
const note = (name: string, ms: number): void =>
  void samples.set(name, [...(samples.get(name) ?? []), ms]);

async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly ms: number; readonly value: T }> {
  const fromMs = performance.now();
  const value = await work();
  return { ms: performance.now() - fromMs, value };
}

async function ours(a: Appliance, subject: Subject, mm: number): Promise<void> {
  const order = { prompt: subject.words(mm.toFixed(2)), slice: true };
  const wall = await timed(async () => {
    const begun = await timed(async () => a.api("POST", "/api/cad/generate", order));
    if (begun.value.status !== 202) throw new Error(JSON.stringify(begun.value.body));
    note(`${subject.name}: accepted`, begun.ms);
    const { id } = begun.value.body as MakeView;
    for (;;) {
      const view = (await a.api("GET", `/api/cad/jobs/${id}`)).body as MakeView;
      if (view.state === "done") return view;
      if (view.state !== "ready" && view.state !== "leased")
        throw new Error(JSON.stringify(view.error));
      await pause(LOOK_EVERY_MS);
    }
  });
  note(`${subject.name}: words to G-code`, wall.ms);
  let known = 0;
  for (const step of MAKE_STEPS) {
    const took = wall.value.steps.find((one) => one.step === step)?.tookMs ?? 0;
    note(`${subject.name}: ${step}`, took);
    known += took;
  }
  note(`${subject.name}: hub, log and way`, wall.ms - known);
  const again = await timed(async () => a.api("POST", "/api/cad/generate", order));
  if (!(again.value.body as MakeView).cached) throw new Error("it was made again");
  note(`${subject.name}: again`, again.ms);
}

async function byHand(
  { name, part, parameters }: Subject,
  mm: number,
  device: DeviceView,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-by-hand-"));
  try {
    const known = partNamed(part);
    const { sizeMm, nozzleMaxC, bedMaxC } = device;
    writeFileSync(join(folder, "part.scad"), partSource(known, partValues(known, parameters(mm))));
    writeFileSync(
      join(folder, "part.ini"),
      sliceIni({ ...SLICE_DEFAULTS, sizeMm, nozzleMaxC, bedMaxC }),
    );
    const cad = await timed(async () =>
      run("openscad", ["--export-format", "binstl", "-o", "part.stl", "part.scad"], {
        cwd: folder,
      }),
    );
    const slice = await timed(async () =>
      run(
        "prusa-slicer",
        ["--export-gcode", "--load", "part.ini", "--output", "part.gcode", "part.stl"],
        { cwd: folder },
      ),
    );
    if (statSync(join(folder, "part.gcode")).size === 0) throw new Error("no G-code");
    note(`${name}: by hand, openscad`, cad.ms);
    note(`${name}: by hand, prusa-slicer`, slice.ms);
    note(`${name}: by hand`, cad.ms + slice.ms);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const rounds = Number(process.argv[2] ?? 5);
const loads: number[] = [];
await using a = await startAppliance();
const device = await until(
  "a printer and a machine that makes parts",
  async () => {
    const probe = await a.api("POST", "/api/cad/generate", { prompt: "a washer", slice: true });
    const { devices } = (await a.api("GET", "/api/devices")).body as { devices: DeviceView[] };
    return probe.status === 202 ? devices[0] : undefined;
  },
  60_000,
);
await pause(3_000); // the washer is done by then
for (let round = 0; round < rounds; round += 1) {
  for (const subject of SUBJECTS) {
    loads.push(rounded(loadavg()[0] ?? 0));
    const mm = 30 + round / 100;
    const sides = [() => ours(a, subject, mm), () => byHand(subject, mm, device)];
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) await side();
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
}
const document = {
  bench: "make",
  date: new Date().toISOString(),
  rounds,
  loads,
  report: Object.fromEntries(
    [...samples].map(([name, all]) => [
      name,
      {
        unit: "ms",
        median: rounded(medianOf(all)),
        least: rounded(Math.min(...all)),
        p90: rounded(percentileOf(all, 0.9)),
      },
    ]),
  ),
  machine: machine(),
};
const text = `${JSON.stringify(document, null, 2)}\n`;
process.stdout.write(text);
if (process.argv[2] === undefined) writeFileSync(join(import.meta.dirname, "make.json"), text);
