// The bridge's configuration: read once, every fault at once.

import { readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { GantryError } from "@gantry/shared/base/errors.ts";
import {
  isNetworkKind,
  type NetworkAddress,
  parseNetworkAddress,
  type ReadText,
} from "./network-printers.ts";
import { parseSimulatorOptions, SIMULATOR_OPTION_NAMES } from "./simulator/options.ts";

export interface PrinterLimits {
  readonly id: string;
  /** Used where the firmware does not tell its own. */
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number };
  readonly nozzleMaxC: number;
  readonly bedMaxC: number;
  readonly chamberMaxC: number;
  readonly marginMm: number;
}

export interface PrinterSpec extends PrinterLimits {
  readonly cable:
    | { readonly kind: "serial"; readonly path: string }
    | { readonly kind: "sim"; readonly query: string };
  readonly baud: number;
  /** Marlin where it is absent. */
  readonly firmware?: "grbl";
}

export interface NetworkPrinterSpec extends PrinterLimits {
  readonly network: NetworkAddress;
}

export interface BridgeConfig {
  readonly dataDir: string;
  readonly socketPath: string;
  readonly logLevel: string;
  /** On cables of this machine. */
  readonly printers: readonly PrinterSpec[];
  readonly networkPrinters: readonly NetworkPrinterSpec[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Linux allows 108 bytes with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107;
/** In the bridge's folder: printers that were adopted, one a line, as in GANTRY_PRINTERS. */
export const ADOPTED_FILE = "adopted";
const LEVELS = ["error", "warn", "info", "debug", "silent"];
const DEFAULTS = { size: "220x220x250", nozzle: "260", bed: "110", chamber: "0", margin: "0" };

/** Throws bad_config with all faults in its message. */
export function readConfig(
  environment: Environment,
  readText: ReadText = textOfFile,
): BridgeConfig {
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
  const specs: (PrinterSpec | NetworkPrinterSpec)[] = [];
  const credentials = environment["CREDENTIALS_DIRECTORY"];
  const readSecret: ReadText = (path) =>
    readText(credentials === undefined || isAbsolute(path) ? path : join(credentials, path));
  function take(source: string, text: string): void {
    if (text.trim() === "" || text.trim() === "none") return;
    try {
      const spec = parsePrinter(text.trim(), readSecret);
      if (specs.some(({ id }) => id === spec.id)) throw invalid(`"${spec.id}" is there twice`);
      specs.push(spec);
    } catch (error) {
      faults.push(`${source}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const text of (environment["GANTRY_PRINTERS"] ?? "sim=sim:").split(",")) {
    take("GANTRY_PRINTERS", text);
  }
  const adoptedPath = join(bridgeDir, ADOPTED_FILE);
  for (const text of (readText(adoptedPath) ?? "").split("\n")) take(adoptedPath, text);
  if (faults.length > 0) throw new GantryError("bad_config", faults.join("; "));
  const printers = specs.filter((spec) => "cable" in spec);
  const networkPrinters = specs.filter((spec) => "network" in spec);
  return { dataDir, socketPath, logLevel, printers, networkPrinters };
}

function textOfFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // the reader says which file it is
  }
}

/**
 * `name=sim:?speed=20`, `name=serial:/dev/...?baud=250000&size=220x220x250&nozzle=260&bed=100`,
 * `name=grbl:/dev/...?size=300x200x80` for a mill or a laser, or as in network-printers.ts.
 */
export function parsePrinter(
  text: string,
  readText: ReadText = textOfFile,
): PrinterSpec | NetworkPrinterSpec {
  const found = /^([A-Za-z0-9][\w-]{0,62})=([a-z]+):([^?]*)(?:\?(.*))?$/.exec(text);
  if (found === null) {
    // What follows the question mark may be a secret.
    throw invalid(`"${text.replace(/\?.*$/, "?...")}" is not NAME=KIND:ADDRESS?OPTIONS`);
  }
  const [, id = "", kind = "", address = "", query = ""] = found;
  const own = new URLSearchParams(query);
  if (isNetworkKind(kind)) {
    const network = withName(id, () => parseNetworkAddress(kind, address, own, readText));
    return { network, ...limitsOf(id, own) };
  }
  if (kind !== "serial" && kind !== "grbl" && kind !== "sim")
    throw invalid(`${id}: there is no kind "${kind}"`);
  if (kind !== "sim" && address === "") throw invalid(`${id}: ${kind}: needs a port`);
  const simulated = new URLSearchParams();
  for (const name of kind === "sim" ? SIMULATOR_OPTION_NAMES : []) {
    const value = own.get(name);
    if (value !== null) simulated.set(name, value);
    if (name !== "baud") own.delete(name);
  }
  if (kind === "sim") parseSimulatorOptions(simulated.toString());
  const baud = baudOf(id, own.get("baud"));
  own.delete("baud");
  const cable =
    kind === "sim"
      ? ({ kind, query: simulated.toString() } as const)
      : ({ kind: "serial", path: address } as const);
  const isGrbl = kind === "grbl" || simulated.get("machine") === "grbl";
  return { cable, baud, ...(isGrbl ? { firmware: "grbl" as const } : {}), ...limitsOf(id, own) };
}

/** Names the printer in a fault. */
function withName<T>(id: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof GantryError ? invalid(`${id}: ${error.message}`) : error;
  }
}

function limitsOf(id: string, own: URLSearchParams): PrinterLimits {
  const unknown = [...own.keys()].find((name) => !Object.hasOwn(DEFAULTS, name));
  if (unknown !== undefined) throw invalid(`${id}: there is no option "${unknown}"`);
  const number = (name: Exclude<keyof typeof DEFAULTS, "size">): number => {
    const value = Number(own.get(name) ?? DEFAULTS[name]);
    if (!(value >= 0 && value <= 500)) throw invalid(`${id}: ${name} is 0 to 500`);
    return value;
  };
  return {
    id,
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
