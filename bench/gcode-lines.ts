// How fast G-code reaches a printer: our bridge against Debian's printcore (package `printrun`), the
// same file, the same simulated Marlin on a pty, at 115,200 baud and without pacing.
//
//   node bench/gcode-lines.ts
//
// The floor next to it is the wire: baud / 10 bytes a second. Not measured: USB chips and real
// planners. Rates are taken at the firmware: from its 20th executed line to the last.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { ensureSimulator } from "../firmware-bridge/adapters/sim-process.ts";
import { controlSimulator, makeRig, PRINTER, until } from "../firmware-bridge/bridge/rig.ts";
import { formatLine } from "../firmware-bridge/protocols/marlin-line.ts";
import { simulatorFiles } from "../firmware-bridge/simulator/files.ts";

export interface GcodeLinesResult {
  readonly sender: "gantry" | "printcore";
  /** 0: not paced. */
  readonly baud: number;
  readonly linesPerS: number;
  /** Of the rate that the wire allows; null without pacing. */
  readonly wireShare: number | null;
}

const PYTHON = "/usr/bin/python3";
const LINES = 2_000;
const FIRST_LINE = 20;
const DEADLINE_MS = 120_000;

const program = (): readonly string[] => [
  "G28",
  ...Array.from({ length: LINES }, (_, index) => {
    const [x, y] = [100 + (index % 50) * 0.021, 100 + (index % 31) * 0.017];
    return `G1 X${x.toFixed(3)} Y${y.toFixed(3)} Z0.250 F9000`;
  }),
];

/** What printcore is asked to do: print a file, then leave. */
const PRINTCORE = `
import sys, time
from printrun import gcoder
from printrun.printcore import printcore
core = printcore(sys.argv[1], 115200)
while not core.online: time.sleep(0.01)
core.startprint(gcoder.LightGCode([line.strip() for line in open(sys.argv[2])]))
while core.printing: time.sleep(0.05)
core.disconnect()
`;

/** Seconds; prints nothing. Skips printcore, with a line on stderr, where it is not installed. */
export async function benchGcodeLines(): Promise<readonly GcodeLinesResult[]> {
  const results: GcodeLinesResult[] = [];
  const hasPrintcore = await hasPrintrun();
  if (!hasPrintcore) console.error("printcore skipped: apt-get install printrun");
  for (const baud of [115_200, 0]) {
    results.push(resultOf("gantry", baud, await measureGantry(baud)));
    if (hasPrintcore) results.push(resultOf("printcore", baud, await measurePrintcore(baud)));
  }
  return results;
}

function resultOf(
  sender: GcodeLinesResult["sender"],
  baud: number,
  linesPerS: number,
): GcodeLinesResult {
  const lines = program();
  const wireBytes = lines.reduce(
    (sum, line, index) => sum + formatLine(101 + index, line).length,
    0,
  );
  const boundPerS = baud / 10 / (wireBytes / lines.length);
  const wireShare = baud === 0 ? null : Math.round((linesPerS / boundPerS) * 1_000) / 1_000;
  return { sender, baud, linesPerS: Math.round(linesPerS), wireShare };
}

async function measureGantry(baud: number): Promise<number> {
  await using rig = makeRig(`baud=${baud}`);
  const agent = await rig.connect();
  await agent.phase("idle");
  const { executed } = await rig.fault({});
  const answer = await agent.ask(rig.order("bench", program()));
  if (answer.type === "refused") throw new Error(answer.error.message);
  return await rateAtFirmware(rig.files.control, executed); // before the rig is taken down
}

async function measurePrintcore(baud: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "gantry-bench-"));
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const options = `baud=${baud}&exitWhenIdleS=20`;
  const tty = await ensureSimulator(dir, PRINTER, options, systemClock, signal);
  const files = simulatorFiles(dir, PRINTER);
  const job = join(dir, "bench.gcode");
  writeFileSync(job, `${program().join("\n")}\n`);
  const rate = rateAtFirmware(files.control, 0);
  const core = spawn(PYTHON, ["-c", PRINTCORE, tty, job], { stdio: "ignore" });
  const ended = new Promise((resolve) => core.once("exit", resolve));
  try {
    return await rate;
  } finally {
    await ended;
    process.kill(Number(readFileSync(files.pid, "utf8")), "SIGTERM");
    await until("the simulator's end", () => (existsSync(files.pid) ? undefined : true));
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Lines a second, as the firmware executes them. `before`: what it had executed already. */
async function rateAtFirmware(control: string, before: number): Promise<number> {
  const deadline = performance.now() + DEADLINE_MS;
  let first: { readonly atMs: number; readonly executed: number } | undefined;
  while (performance.now() < deadline) {
    const { executed } = await controlSimulator(control, {});
    const atMs = performance.now();
    if (first === undefined && executed >= before + FIRST_LINE) first = { atMs, executed };
    if (first !== undefined && executed >= before + LINES) {
      return ((executed - first.executed) / (atMs - first.atMs)) * 1_000;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the file was not printed in time");
}

const hasPrintrun = (): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = spawn(PYTHON, ["-c", "import printrun.printcore"], { stdio: "ignore" });
    probe.once("error", () => resolve(false));
    probe.once("exit", (code) => resolve(code === 0));
  });

if (import.meta.main) console.log(JSON.stringify(await benchGcodeLines(), null, 2));
