// Every measurement of `npm run bench` by its name. Loaded one at a time, each in its own process:
// what one leaves behind (a loaded model, a warm heap) must not colour the next.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Spread } from "./floors.ts";
import { type Figure, figureOf, type Measurement, rounded } from "./measure.ts";

export const CATALOGUE: Readonly<Record<string, Measurement>> = {
  floors: measureFloors,
  commands: measureCommands,
  ask: async () => (await import("./ask.ts")).measureAsk(),
  tokens: async () => (await import("./tokens-http.ts")).measureTokensHttp(),
  start: async () => (await import("./start.ts")).measureStart(),
  "cli-start": measureCliStart,
  gcode: measureGcodeLines,
  "gcode-scan": measureGcodeScan,
};

async function measureFloors(): Promise<readonly Figure[]> {
  const { benchFloors } = await import("./floors.ts");
  const { fsync, tcp, spawn } = await benchFloors();
  return [
    spreadFigure("fsync of 256 bytes", fsync),
    spreadFigure("64 bytes over loopback and back", tcp),
    spreadFigure("node -e 0", spawn),
  ];
}

const spreadFigure = (name: string, { p50Ms, p99Ms }: Spread): Figure => ({
  name,
  unit: "ms",
  median: p50Ms,
  p99: p99Ms,
});

/** Commands a second, by how many are in flight. */
const COMMANDS_GOAL: Readonly<Record<number, number>> = { 1: 5_000, 1_000: 100_000 };
const PRINTCORE_TIMES = 1.4;
const WIRE_PERCENT = 90;

const goalOf = (atLeast: number | undefined): Pick<Figure, "goal"> =>
  atLeast === undefined ? {} : { goal: { atLeast } };

async function measureCommands(): Promise<readonly Figure[]> {
  const { benchAll } = await import("./commands.ts");
  return (await benchAll([1, 10, 100, 1_000])).flatMap(({ inFlight, perS, p50Ms, p99Ms }) => [
    {
      name: `durable commands, ${inFlight} in flight`,
      unit: "1/s",
      median: perS,
      ...goalOf(COMMANDS_GOAL[inFlight]),
    },
    { name: `latency, ${inFlight} in flight`, unit: "ms", median: p50Ms, p99: p99Ms },
  ]);
}

interface CliStartReport {
  readonly rounds: number;
  readonly goalRatio: number;
  readonly cases: readonly {
    readonly name: string;
    readonly medianMs: number;
    readonly ratio: number;
  }[];
}

async function measureCliStart(): Promise<readonly Figure[]> {
  const program = join(import.meta.dirname, "cli-start.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const report = JSON.parse(stdout) as CliStartReport; // what cli-start.ts prints
  const bareMs = report.cases.find(({ name }) => name === "bareNode")?.medianMs ?? Number.NaN;
  const floor = { name: "node -e 0", value: bareMs };
  return report.cases
    .filter(({ name }) => name !== "bareNode")
    .map(({ name, medianMs }) => ({
      name: `gantry, ${name}`,
      unit: "ms",
      median: medianMs,
      samples: report.rounds,
      floor,
      // askRefused loads the client and tries to connect: shown, without a goal of its own.
      ...(name === "askRefused" ? {} : { goal: { atMost: rounded(report.goalRatio * bareMs) } }),
    }));
}

async function measureGcodeLines(): Promise<readonly Figure[]> {
  const { benchGcodeLines } = await import("./gcode-lines.ts");
  const results = await benchGcodeLines();
  return results
    .filter(({ sender }) => sender === "gantry")
    .flatMap(({ baud, linesPerS, wireShare }) => {
      const pace = baud === 0 ? "not paced" : `${baud} baud`;
      const peer = results.find((each) => each.sender === "printcore" && each.baud === baud);
      const beside =
        peer === undefined
          ? {}
          : {
              floor: { name: "printcore", value: peer.linesPerS },
              ...goalOf(baud === 0 ? undefined : Math.round(PRINTCORE_TIMES * peer.linesPerS)),
            };
      const lines = figureOf(`G-code lines, ${pace}`, "1/s", [linesPerS], beside);
      if (wireShare === null) return [lines];
      const share = Math.round(wireShare * 1_000) / 10;
      return [lines, figureOf(`share of the wire, ${pace}`, "%", [share], goalOf(WIRE_PERCENT))];
    });
}

/** A job of 200 MB may not hold up a print for longer than 20 s, nor take more memory than half of it. */
const SCAN_MB_PER_S = 10;
const SCAN_GROWTH_MB = 100;

async function measureGcodeScan(): Promise<readonly Figure[]> {
  const { benchGcode } = await import("./gcode.ts");
  const results = benchGcode();
  const alone = results.find(({ name }) => name === "blob store alone")?.mbPerS ?? Number.NaN;
  return results
    .filter(({ name }) => name !== "blob store alone")
    .flatMap(({ name, megabytes, mbPerS, mbPerCpuS, grownMb }) => {
      const what = `${name} of ${megabytes} MB of G-code`;
      const beside = name === "upload" ? { floor: { name: "blob store alone", value: alone } } : {};
      const note = `${mbPerCpuS} MB for each second of a core`;
      const memory = goalAtMost(SCAN_GROWTH_MB);
      return [
        figureOf(what, "MB/s", [mbPerS], { ...beside, ...goalOf(SCAN_MB_PER_S), note }),
        figureOf(`${what}, memory`, "MB", [grownMb], memory),
      ];
    });
}

const goalAtMost = (atMost: number): Pick<Figure, "goal"> => ({ goal: { atMost } });
