// The two ends of a measurement: the farm of simulated printers, and who sends to it: a real bridge
// process with an agent at its socket, or Debian's printcore.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { BridgeOrder, BridgeReport, Printer } from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import { pause } from "../measure.ts";
import type { FarmAnswer, FarmOptions, FarmOrder, Seen, Taken } from "./farm.ts";
import type { Faults } from "../../firmware-bridge/simulator/faults.ts";

const FLAGS = ["--disable-warning=ExperimentalWarning"];
const WAIT_MS = 60_000;
const POLL_MS = 5;

export const wallMs = (): number => performance.timeOrigin + performance.now();

/** Resolves with the first value that is not undefined. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  waitMs: number = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await pause(POLL_MS);
  }
}

// ── the printers ────────────────────────────────────────────────────────────────────────────────

export interface Farm extends AsyncDisposable {
  readonly ports: readonly string[];
  fault(index: number, faults: Faults): Promise<void>;
  take(index: number): Promise<Taken>;
  look(): Promise<readonly Seen[]>;
}

export async function startFarm(options: Partial<FarmOptions> = {}): Promise<Farm> {
  const whole: FarmOptions = { count: 1, marlin: {}, tickMs: 1, hasDtr: true, ...options };
  const child = fork(join(import.meta.dirname, "farm.ts"), [JSON.stringify(whole)], {
    execArgv: FLAGS,
  });
  const heard = async (): Promise<FarmAnswer> => {
    const [message] = (await once(child, "message")) as [FarmAnswer]; // farm.ts
    return message;
  };
  /** One at a time: answers carry no number. */
  let last: Promise<unknown> = Promise.resolve();
  const ask = (order: FarmOrder): Promise<FarmAnswer> => {
    const answer = last.then(() => {
      const message = heard();
      child.send(order);
      return message;
    });
    last = answer;
    return answer;
  };
  const first = await heard();
  if (first.kind !== "ports") throw new Error("the farm did not start");
  return {
    ports: first.ports,
    async fault(index, faults) {
      await ask({ kind: "fault", index, faults });
    },
    async take(index) {
      const answer = await ask({ kind: "take", index });
      if (answer.kind !== "taken") throw new Error("the farm gave another answer");
      return answer.taken;
    },
    async look() {
      const answer = await ask({ kind: "look" });
      if (answer.kind !== "seen") throw new Error("the farm gave another answer");
      return answer.seen;
    },
    [Symbol.asyncDispose]: () => endOf(child, "SIGKILL"),
  };
}

async function endOf(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}

// ── our sender ──────────────────────────────────────────────────────────────────────────────────

type Settled = Extract<BridgeReport, { type: "accepted" | "refused" }>;
export type JobReport = Extract<BridgeReport, { type: "job" }>;

export interface BridgeSide extends AsyncDisposable {
  readonly pid: number;
  readonly dir: string;
  /** Printers are called p0, p1 ... */
  printer(index: number): Printer | undefined;
  printersIn(phase: Printer["phase"]): Promise<void>;
  /** Rejects if it is refused. */
  ask(order: BridgeOrder): Promise<void>;
  start(index: number, job: string, lines: readonly string[]): Promise<void>;
  job(job: string, phases: readonly JobReport["phase"][], waitMs?: number): Promise<JobReport>;
  kill(): Promise<void>;
}

/** `wire`: bytes of one line on the wire, for a bridge of its own in a new folder. */
export async function startBridge(ports: readonly string[], baud: number): Promise<BridgeSide> {
  const dir = mkdtempSync(join(tmpdir(), "gantry-fab-"));
  const printers = ports.map((path, index) => `p${index}=serial:${path}?baud=${baud}`).join(",");
  const child = spawn(
    process.execPath,
    [...FLAGS, join(import.meta.dirname, "../../firmware-bridge/bin/bridge.js")],
    {
      env: {
        GANTRY_DATA_DIR: dir,
        GANTRY_PRINTERS: printers,
        GANTRY_LOG_LEVEL: process.env["BENCH_BRIDGE_LOG"] ?? "silent",
        ...(process.env["BENCH_BRIDGE_OPTIONS"] === undefined
          ? {}
          : { NODE_OPTIONS: process.env["BENCH_BRIDGE_OPTIONS"] }),
      },
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  const path = join(dir, "bridge", "bridge.sock");
  const socket = await until("the bridge's socket", () => dial(path));
  const decoder = makeSocketDecoder();
  let known: readonly Printer[] = [];
  const jobs: JobReport[] = [];
  const answers = new Map<string, (report: Settled) => void>();
  let asked = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Uint8Array) => {
    for (const report of decoder.push(bytes) as BridgeReport[]) {
      if (report.type === "printers") known = report.printers;
      else if (report.type === "job") jobs.push(report);
      else answers.get(report.id)?.(report);
    }
  });

  const side: BridgeSide = {
    pid: child.pid ?? -1,
    dir,
    printer: (index) => known.find(({ id }) => id === `p${index}`),
    async printersIn(phase) {
      await until(`phase ${phase}`, () =>
        known.length > 0 && known.every((printer) => printer.phase === phase) ? true : undefined,
      );
    },
    async ask(order) {
      asked += 1;
      const id = `r${asked}`;
      const answer = new Promise<Settled>((resolve) => answers.set(id, resolve));
      socket.write(encodeSocketFrame([{ ...order, id }]));
      const report = await answer;
      answers.delete(id);
      if (report.type === "refused") throw new Error(report.error.message);
    },
    async start(index, job, lines) {
      const text = `${lines.join("\n")}\n`;
      const file = join(dir, `${job}.gcode`);
      writeFileSync(file, text);
      await side.ask({
        type: "start",
        id: "",
        printer: `p${index}`,
        job,
        token: 1,
        path: file,
        sha256: sha256(text),
        sizeBytes: Buffer.byteLength(text),
      });
    },
    job: (job, phases, waitMs = WAIT_MS) =>
      until(
        `job ${job} to be ${phases.join(" or ")}`,
        () => jobs.find((report) => report.job === job && phases.includes(report.phase)),
        waitMs,
      ),
    kill: () => endOf(child, "SIGKILL"),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await endOf(child, "SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return side;
}

async function dial(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

export function startSupervisor(dataDir: string): AsyncDisposable {
  const program = join(import.meta.dirname, "../../firmware-bridge/bin/supervisor.js");
  const child = spawn(process.execPath, [...FLAGS, program], {
    env: { GANTRY_DATA_DIR: dataDir, GANTRY_LOG_LEVEL: "silent" },
    stdio: "ignore",
  });
  return { [Symbol.asyncDispose]: () => endOf(child, "SIGTERM") };
}

/** The floor of every program of ours. */
export async function startNode(): Promise<void> {
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
}

/** Resolves when the program has ended. */
export async function pressStop(dataDir: string, printer: string): Promise<void> {
  const program = join(import.meta.dirname, "../../node-agent/bin/gantry.js");
  const child = spawn(process.execPath, [...FLAGS, program, "stop", printer], {
    env: { ...process.env, GANTRY_DATA_DIR: dataDir, GANTRY_HTTP_PORT: "9" },
    stdio: "ignore",
  });
  await once(child, "exit");
}

// ── printcore ───────────────────────────────────────────────────────────────────────────────────

const PYTHON = "/usr/bin/python3";

/** Prints a file as Debian's `printcore FILE` does, without its progress lines; then leaves. */
const PRINTCORE = `
import sys, time
from printrun import gcoder
from printrun.printcore import printcore
core = printcore(sys.argv[1], int(sys.argv[3]))
while not core.online: time.sleep(0.01)
core.startprint(gcoder.LightGCode([line.strip() for line in open(sys.argv[2])]))
while core.printing: time.sleep(0.05)
core.disconnect()
`;

export const hasPrintcore = async (): Promise<boolean> => {
  const probe = spawn(PYTHON, ["-c", "import printrun.printcore"], { stdio: "ignore" });
  const [code] = (await once(probe, "exit").catch(() => [1])) as [number];
  return code === 0;
};

export interface PrintcoreSide extends AsyncDisposable {
  isOver(): boolean;
}

export function startPrintcore(
  port: string,
  baud: number,
  lines: readonly string[],
): PrintcoreSide {
  const dir = mkdtempSync(join(tmpdir(), "gantry-fab-"));
  const file = join(dir, "job.gcode");
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = spawn(PYTHON, ["-c", PRINTCORE, port, file, String(baud)], { stdio: "ignore" });
  return {
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    async [Symbol.asyncDispose]() {
      await endOf(child, "SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
