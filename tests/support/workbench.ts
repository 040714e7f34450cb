// Test equipment: a printer that is no part of the bridge, at the end of a cable that can be pulled. The
// printer is the simulator as a process of its own, the cable is socat, the supervisor is the real one.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { controlSimulator } from "../../firmware-bridge/bridge/rig.ts";
import { simulatorFiles } from "../../firmware-bridge/simulator/files.ts";
import type { MarlinStatus } from "../../firmware-bridge/simulator/marlin.ts";
import { ROOT, until } from "./appliance.ts";

const FLAG = "--disable-warning=ExperimentalWarning";

export interface Workbench extends AsyncDisposable {
  /** For GANTRY_PRINTERS. */
  readonly port: string;
  /** Commands as executed, in the simulator's own words, through all its lives. */
  readonly logPath: string;
  plugIn(): Promise<void>;
  /** The printer goes on with what it has. */
  unplug(): Promise<void>;
  powerOn(): Promise<void>;
  powerOff(): Promise<void>;
  status(): Promise<MarlinStatus>;
  superviseFrom(dataDir: string): void;
}

/** `dir`: a short path, for the sake of its sockets. */
export async function makeWorkbench(dir: string, query: string): Promise<Workbench> {
  mkdirSync(dir, { recursive: true });
  const files = simulatorFiles(dir, "sim");
  const port = join(dir, "port");
  let printer: ChildProcess | undefined;
  let cable: ChildProcess | undefined;
  let supervisor: ChildProcess | undefined;

  const self: Workbench = {
    port,
    logPath: files.log,
    async plugIn() {
      const far = readlinkSync(files.tty);
      // The near end is a pty of its own; nobody sees that it is not the printer's.
      const near = `PTY,link=${port},raw,echo=0`;
      cable = spawn("socat", [near, `${far},raw,echo=0`], { stdio: "ignore" });
      await until("the cable", () => existsSync(port));
    },
    async unplug() {
      await end(cable);
      cable = undefined;
    },
    async powerOn() {
      const launcher = join(ROOT, "firmware-bridge/bin/simulator.js");
      printer = spawn(process.execPath, [FLAG, launcher, dir, "sim", query], { stdio: "ignore" });
      const { pid } = printer;
      await until("the simulated printer", () => {
        if (!existsSync(files.tty) || !existsSync(files.control)) return false;
        return Number(readFileSync(files.pid, "utf8")) === pid;
      });
    },
    async powerOff() {
      await end(printer);
      printer = undefined;
    },
    status: () => controlSimulator(files.control, {}),
    superviseFrom(dataDir) {
      const launcher = join(ROOT, "firmware-bridge/bin/supervisor.js");
      const env = { GANTRY_DATA_DIR: dataDir, GANTRY_LOG_LEVEL: "silent" };
      supervisor = spawn(process.execPath, [FLAG, launcher], { env, stdio: "ignore" });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([supervisor, cable, printer].map(end));
    },
  };
  await self.powerOn();
  await self.plugIn();
  return self;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}
