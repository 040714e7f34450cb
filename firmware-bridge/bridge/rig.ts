// Test equipment: a real bridge process, a real simulator process, a real pty, a real socket.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@gantry/shared/base/digest.ts";
import type { BridgeOrder, BridgeReport, Printer } from "@gantry/shared/contract/bridge.ts";
import { encodeSocketFrame, makeSocketDecoder } from "@gantry/shared/contract/frames.ts";
import { simulatorFiles, type SimulatorFiles } from "../simulator/files.ts";
import type { Control } from "../simulator/main.ts";
import type { MarlinStatus } from "../simulator/marlin.ts";

export type JobReport = Extract<BridgeReport, { type: "job" }>;
type Answer = Extract<BridgeReport, { type: "accepted" | "refused" }>;

export const PRINTER = "sim";
const WAIT_MS = 20_000;
const POLL_MS = 10;
const LAUNCHER = join(import.meta.dirname, "../bin/bridge.js");

/** Resolves with the first value that is not undefined; rejects after 20 s, saying `what`. */
export async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const seen = look();
    if (seen !== undefined) return seen;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** An agent at the bridge's socket; it keeps every report it hears. */
export interface Agent {
  readonly reports: BridgeReport[];
  ask(order: BridgeOrder): Promise<Answer>;
  printer(): Printer | undefined;
  phase(wanted: Printer["phase"]): Promise<Printer>;
  job(job: string, phase: JobReport["phase"]): Promise<JobReport>;
  close(): void;
}

export interface Rig extends AsyncDisposable {
  readonly dir: string;
  readonly files: SimulatorFiles;
  bridge(): ChildProcess;
  startBridge(): void;
  connect(): Promise<Agent>;
  /** Writes a job file and gives the order that starts it. */
  order(
    job: string,
    lines: readonly string[],
    token?: number,
  ): Extract<BridgeOrder, { type: "start" }>;
  /** Does something to the simulated printer; gives its status. */
  fault(control: Control): Promise<MarlinStatus>;
  /** Commands that the firmware executed, numbered ones of the job only. */
  executed(): readonly string[];
  /** All commands that it executed, without their numbers. */
  all(): readonly string[];
}

/** `options` as in `sim:?speed=20`. The bridge is started. */
export function makeRig(options: string): Rig {
  const dir = mkdtempSync(join(tmpdir(), "gantry-"));
  const files = simulatorFiles(join(dir, "sim"), PRINTER);
  const socketPath = join(dir, "bridge", "bridge.sock");
  let child: ChildProcess | undefined;
  let requests = 0;
  const agents: Agent[] = [];

  function startBridge(): void {
    const environment = {
      GANTRY_DATA_DIR: dir,
      GANTRY_PRINTERS: `${PRINTER}=sim:?${options}&exitWhenIdleS=20`,
      GANTRY_LOG_LEVEL: "silent",
    };
    child = spawn(process.execPath, [LAUNCHER], { env: environment, stdio: "ignore" });
  }
  startBridge();

  return {
    dir,
    files,
    bridge: () => {
      if (child === undefined) throw new Error("no bridge");
      return child;
    },
    startBridge,
    async connect() {
      const agent = await connectAgent(socketPath, () => `r${(requests += 1)}`);
      agents.push(agent);
      return agent;
    },
    order(job, lines, token = 1) {
      const text = `${lines.join("\n")}\n`;
      const path = join(dir, `${job}.gcode`);
      writeFileSync(path, text);
      const sizeBytes = Buffer.byteLength(text);
      return {
        type: "start",
        id: "",
        printer: PRINTER,
        job,
        token,
        path,
        sha256: sha256(text),
        sizeBytes,
      };
    },
    fault: (control) => controlSimulator(files.control, control),
    executed: () => executedIn(files.log),
    all: () =>
      existsSync(files.log)
        ? readFileSync(files.log, "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => line.slice(line.indexOf(" ") + 1))
        : [],
    async [Symbol.asyncDispose]() {
      for (const agent of agents) agent.close();
      await endProcess(child);
      endSimulator(files.pid);
      await until("the simulator's end", () => (existsSync(files.pid) ? undefined : true));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function endProcess(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

function endSimulator(pidFile: string): void {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, "utf8")), "SIGTERM");
}

/** What the host asks for itself is left out: reports, waits, and the handshake's lines. */
const OWN = new Set(["M105", "M114", "M115", "M400"]);

function executedIn(log: string): readonly string[] {
  if (!existsSync(log)) return [];
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("N"))
    .map((line) => line.slice(line.indexOf(" ") + 1))
    .filter((command) => !OWN.has(command) && !command.startsWith("M110"));
}

export async function connectAgent(path: string, nextId: () => string): Promise<Agent> {
  const socket = await until("the bridge's socket", () =>
    existsSync(path) ? path : undefined,
  ).then(dial);
  const decoder = makeSocketDecoder();
  const reports: BridgeReport[] = [];
  socket.on("data", (bytes: Uint8Array) => {
    reports.push(...(decoder.push(bytes) as BridgeReport[])); // the bridge is trusted by its test
  });
  socket.on("error", () => socket.destroy());
  const printer = (): Printer | undefined =>
    reports.findLast((report) => report.type === "printers")?.printers[0];
  return {
    reports,
    printer,
    ask(order) {
      const id = nextId();
      socket.write(encodeSocketFrame([{ ...order, id }]));
      return until(`the answer to ${order.type}`, () =>
        reports.find(
          (report): report is Answer =>
            (report.type === "accepted" || report.type === "refused") && report.id === id,
        ),
      );
    },
    phase: (wanted) =>
      until(`phase ${wanted}, not ${printer()?.phase ?? "none"}`, () => {
        const seen = printer();
        return seen?.phase === wanted ? seen : undefined;
      }),
    job: (job, phase) =>
      until(`job ${job} to be ${phase}`, () =>
        reports.find(
          (report): report is JobReport =>
            report.type === "job" && report.job === job && report.phase === phase,
        ),
      ),
    close: () => socket.destroy(),
  };
}

/** A socket file may be an old one: dials until somebody answers. */
async function dial(path: string): Promise<Socket> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const socket = connect(path);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    if (isOpen) return socket;
    if (performance.now() > deadline) throw new Error(`nobody answers on ${path}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** One line to a simulator's control socket, and its answer. */
export async function controlSimulator(path: string, control: Control): Promise<MarlinStatus> {
  const socket = await until("the control socket", () =>
    existsSync(path) ? path : undefined,
  ).then(dial);
  const answer = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (bytes: Uint8Array) => {
      text += Buffer.from(bytes).toString();
      if (text.endsWith("\n")) resolve(text);
    });
  });
  socket.write(`${JSON.stringify(control)}\n`);
  const status = JSON.parse(await answer) as MarlinStatus; // our own simulator's
  socket.destroy();
  return status;
}
