// The bridge's configuration: read once, every fault at once.

import { join, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { parseSimulatorOptions, SIMULATOR_OPTION_NAMES } from "./simulator/options.ts";

export interface PrinterSpec {
  readonly id: string;
  readonly cable:
    | { readonly kind: "serial"; readonly path: string }
    | { readonly kind: "sim"; readonly query: string };
  readonly baud: number;
  /** Used where the firmware does not tell its own. */
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number };
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly chamberMaxC: number;
  readonly marginMm: number;
}

export interface BridgeConfig {
  readonly dataDir: string;
  readonly socketPath: string;
  readonly logLevel: string;
  readonly printers: readonly PrinterSpec[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Linux allows 108 bytes with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107;
const LEVELS = ["error", "warn", "info", "debug", "silent"];
const DEFAULTS = { size: "220x220x250", nozzle: "260", bed: "110", chamber: "0", margin: "0" };

/** Throws bad_config with all faults in its message. */
export function readConfig(environment: Environment): BridgeConfig {
  const faults: string[] = [];
  const dataDir = resolve(environment["GANTRY_DATA_DIR"] ?? "./data");
  const bridgeDir = join(dataDir, "bridge");
  const socketPath = resolve(environment["GANTRY_BRIDGE_SOCKET"] ?? join(bridgeDir, "bridge.sock"));
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
    faults.push(
      `GANTRY_BRIDGE_SOCKET: ${socketPath} is over ${SOCKET_PATH_BYTES_MAX} bytes; set a shorter one`,
    );
  }
  const logLevel = environment["GANTRY_LOG_LEVEL"] ?? "info";
  if (!LEVELS.includes(logLevel)) faults.push(`GANTRY_LOG_LEVEL: one of ${LEVELS.join(", ")}`);
  const printers: PrinterSpec[] = [];
  for (const text of (environment["GANTRY_PRINTERS"] ?? "sim=sim:").split(",")) {
    if (text.trim() === "") continue;
    try {
      const spec = parsePrinter(text.trim());
      if (spec === undefined) continue;
      if (printers.some(({ id }) => id === spec.id)) throw invalid(`"${spec.id}" is there twice`);
      printers.push(spec);
    } catch (error) {
      faults.push(`GANTRY_PRINTERS: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (faults.length > 0) throw new GantryError("bad_config", faults.join("; "));
  return { dataDir, socketPath, logLevel, printers };
}

/** Kinds that are printers, but not this bridge's. */
const OTHERS = new Set(["moonraker", "bambu", "octoprint", "prusalink"]);

/** `name=sim:?speed=20` or `name=serial:/dev/...?baud=250000&size=220x220x250&nozzle=260&bed=100`. */
function parsePrinter(text: string): PrinterSpec | undefined {
  const found = /^([A-Za-z0-9][\w-]{0,62})=([a-z]+):([^?]*)(?:\?(.*))?$/.exec(text);
  if (found === null) throw invalid(`"${text}" is not NAME=KIND:ADDRESS?OPTIONS`);
  const [, id = "", kind = "", address = "", query = ""] = found;
  if (OTHERS.has(kind)) return undefined;
  if (kind !== "serial" && kind !== "sim") throw invalid(`${id}: there is no kind "${kind}"`);
  if (kind === "serial" && address === "") throw invalid(`${id}: serial: needs a port`);
  const own = new URLSearchParams(query);
  const simulated = new URLSearchParams();
  for (const name of kind === "sim" ? SIMULATOR_OPTION_NAMES : []) {
    const value = own.get(name);
    if (value !== null) simulated.set(name, value);
    if (name !== "baud") own.delete(name);
  }
  if (kind === "sim") parseSimulatorOptions(simulated.toString());
  const unknown = [...own.keys()].find((name) => name !== "baud" && !Object.hasOwn(DEFAULTS, name));
  if (unknown !== undefined) throw invalid(`${id}: there is no option "${unknown}"`);
  const number = (name: Exclude<keyof typeof DEFAULTS, "size">): number => {
    const value = Number(own.get(name) ?? DEFAULTS[name]);
    if (!(value >= 0 && value <= 500)) throw invalid(`${id}: ${name} is 0 to 500`);
    return value;
  };
  return {
    id,
    cable: kind === "serial" ? { kind, path: address } : { kind, query: simulated.toString() },
    baud: baudOf(id, own.get("baud")),
    sizeMm: sizeOf(id, own.get("size") ?? DEFAULTS.size),
    nozzleMaxC: number("nozzle"),
    bedMaxC: number("bed"),
    chamberMaxC: number("chamber"),
    marginMm: number("margin"),
  };
}

/** A simulated wire of baud 0 is not paced; the port still needs some rate. */
function baudOf(id: string, text: string | null): number {
  if (text === null || text === "0") return 115_200;
  const baud = Number(text);
  if (Number.isInteger(baud) && baud >= 1_200 && baud <= 10_000_000) return baud;
  throw invalid(`${id}: baud ${text} is not 1200 to 10000000`);
}

function sizeOf(id: string, text: string): { x: number; y: number; z: number } {
  const found = /^(\d{2,4})x(\d{2,4})x(\d{2,4})$/.exec(text);
  if (found === null) throw invalid(`${id}: size is XxYxZ in mm, such as 220x220x250`);
  return { x: Number(found[1]), y: Number(found[2]), z: Number(found[3]) };
}

const invalid = (why: string): GantryError => new GantryError("bad_config", why);
