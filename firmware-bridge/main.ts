// The firmware bridge: puts cables, journal, drivers and socket together, and ends them in order.

import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeLogger, registerSecret } from "@gantry/shared/adapters/pino.ts";
import { openServiceManager } from "@gantry/shared/adapters/service-manager.ts";
import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { Adopt } from "@gantry/shared/contract/adopt.ts";
import type { JobPhase } from "@gantry/shared/contract/bridge.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { makeScope } from "@gantry/shared/flow/scope.ts";
import { BAMBU_PORTS, bambuPrinter } from "./adapters/bambu.ts";
import { openJobFile } from "./adapters/job-file.ts";
import { openJournal } from "./adapters/journal.ts";
import { moonrakerPrinter } from "./adapters/moonraker.ts";
import { octoprintPrinter } from "./adapters/octoprint.ts";
import { makeCheckPeer, pinPath } from "./adapters/pins.ts";
import { prusalinkPrinter } from "./adapters/prusalink.ts";
import { openSerial } from "./adapters/serial.ts";
import { ensureSimulator } from "./adapters/sim-process.ts";
import { serveSocket, type SocketServer } from "./adapters/socket-server.ts";
import { adoptedLine } from "./bridge/adopted.ts";
import { jobReport, makeBridge } from "./bridge/bridge.ts";
import { makeDriver } from "./bridge/driver.ts";
import { makeGrblDriver } from "./bridge/grbl-driver.ts";
import { makeRemoteDriver } from "./bridge/remote-driver.ts";
import {
  type BridgeConfig,
  ADOPTED_FILE,
  type NetworkPrinterSpec,
  parsePrinter,
  type PrinterSpec,
  readConfig,
} from "./config.ts";
import type { JobRow, OpenCable, PrinterPort, RemotePrinter } from "./ports.ts";
import { simulatorFiles } from "./simulator/files.ts";
import { type BeatingPrinter, makeHeartbeat } from "./supervisor/beating.ts";
import { heartbeatPath } from "./supervisor/config.ts";

/** A simulated printer that nobody opens ends by itself, so that no process is left behind. */
const SIMULATOR_IDLE_S = "60";
/** Temperatures and progress, of all printers together. Phases are told at once. */
const REPORT_MS = 900;

/** Runs until SIGTERM or SIGINT, then resolves. Rejects with bad_config, port_busy, data_damaged. */
export async function main(): Promise<void> {
  const manager = openServiceManager(process.env);
  const config = readConfig(process.env);
  const log = makeLogger(config.logLevel, { part: "firmware-bridge" });
  const journal = await openJournal(join(config.dataDir, "bridge", "journal"));
  const scope = makeScope((task, error) =>
    log.error({ task, ...toErrorRecord(error) }, "task failed"),
  );
  let server: SocketServer | undefined;
  let toldAtMs = 0;
  const portsOf = (id: string) => ({
    clock: systemClock,
    random: Math.random,
    log: makeLogger(config.logLevel, { part: "firmware-bridge", printer: id }),
    openJobFile,
    journal,
    onPrinter: (isPhase: boolean): void => {
      const nowMs = systemClock.monotonic();
      if (!isPhase && nowMs - toldAtMs < REPORT_MS) return;
      toldAtMs = nowMs;
      server?.broadcast([{ type: "printers", printers: drivers.map((one) => one.printer()) }]);
    },
    onJob: (row: JobRow, phase: JobPhase): void => server?.broadcast([jobReport(row, phase)]),
  });
  const driverOf = (spec: PrinterSpec | NetworkPrinterSpec): PrinterPort => {
    const ports = portsOf(spec.id);
    if ("network" in spec) {
      return makeRemoteDriver(spec, { ...ports, remote: remoteOf(spec, config) });
    }
    const make = spec.firmware === "grbl" ? makeGrblDriver : makeDriver;
    return make(spec, { ...ports, openCable: cableOf(spec, config) });
  };
  const drivers: PrinterPort[] = [...config.printers, ...config.networkPrinters].map(driverOf);
  const beating = [...beatingOf(config, drivers)];
  const drive = (driver: PrinterPort): void =>
    scope.start(driver.id, (signal) => driver.run(signal));

  /** Kept first: what is driven now is driven after a restart too. */
  async function adopt(order: Adopt): Promise<void> {
    if (drivers.some(({ id }) => id === order.id)) {
      throw new GantryError("conflict", `There is a printer ${order.id} here already`);
    }
    const line = adoptedLine(order);
    registerSecret(order.secret ?? "");
    const spec = parsePrinter(line);
    const path = join(config.dataDir, "bridge", ADOPTED_FILE);
    const before = await readFile(path, "utf8").catch(() => "");
    await writeFile(`${path}.new`, `${before}${line}\n`, { mode: 0o600, flush: true });
    await rename(`${path}.new`, path);
    const driver = driverOf(spec);
    drivers.push(driver);
    if (!("network" in spec)) {
      beating.push(...beatingOf({ ...config, printers: [spec] }, drivers));
    }
    log.info({ printer: order.id, kind: order.kind }, "printer adopted");
    drive(driver);
    server?.broadcast([{ type: "printers", printers: drivers.map((one) => one.printer()) }]);
  }

  const path = heartbeatPath(process.env, config.dataDir);
  const heartbeat = makeHeartbeat(path, beating, systemClock, log);
  server = await serveSocket(config.socketPath, makeBridge(drivers, journal, log, adopt), log);
  for (const driver of drivers) drive(driver);
  scope.start("heartbeat", (signal) => heartbeat.run(signal));
  log.info({ socket: config.socketPath, printers: drivers.map(({ id }) => id) }, "bridge ready");
  manager.ready();

  await stopSignal();
  log.info({}, "bridge stops");
  manager.stopping();
  await Promise.all(drivers.map((driver) => driver.shutdown()));
  await scope.close();
  heartbeat.end();
  await server.close();
  await journal.close();
}

const cableOf =
  ({ id, cable, baud }: PrinterSpec, { dataDir }: BridgeConfig): OpenCable =>
  async (events, signal, otherBaud = baud) => {
    if (cable.kind === "serial") return openSerial(cable.path, otherBaud, events);
    const query = new URLSearchParams(cable.query);
    if (!query.has("exitWhenIdleS")) query.set("exitWhenIdleS", SIMULATOR_IDLE_S);
    const simDir = join(dataDir, "sim");
    const path = await ensureSimulator(simDir, id, query.toString(), systemClock, signal);
    return openSerial(path, otherBaud, events);
  };

/** The transport for a printer on the network. */
function remoteOf({ id, network }: NetworkPrinterSpec, { dataDir }: BridgeConfig): RemotePrinter {
  const clock = systemClock;
  switch (network.kind) {
    case "moonraker":
      return moonrakerPrinter({ ...network, base: new URL(network.base), clock });
    case "octoprint":
      return octoprintPrinter({ ...network, base: new URL(network.base), clock });
    case "prusalink":
      return prusalinkPrinter({ ...network, base: new URL(network.base), clock });
    case "bambu":
      return bambuPrinter({
        ...network,
        ...BAMBU_PORTS,
        clock,
        checkPeer: makeCheckPeer({ ...network, path: pinPath(dataDir, id) }),
      });
  }
}

/** The printers whose cables end in this machine. */
const beatingOf = (
  { printers, dataDir }: BridgeConfig,
  drivers: readonly PrinterPort[],
): readonly BeatingPrinter[] =>
  printers.flatMap(({ id, cable, baud, firmware }) => {
    const driver = drivers.find((one) => one.id === id);
    if (driver === undefined) return [];
    const path =
      cable.kind === "serial" ? cable.path : simulatorFiles(join(dataDir, "sim"), id).tty;
    const kind = firmware === undefined ? {} : { firmware };
    return [{ id, path, baud, ...kind, printer: () => driver.printer() }];
  });

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve());
  });
