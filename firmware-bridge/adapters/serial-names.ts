// Names of serial ports that stay the same when cables are pulled and the machine restarts.
//
// SN1. A name by id follows the board to any socket, but boards of one make often have the same id, and
//      then the name belongs to one of them by chance. Those are called by their socket, by path.

import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

export interface SerialName {
  /** What the kernel calls it today, such as `/dev/ttyUSB0`. */
  readonly device: string;
  /** What to write into GANTRY_PRINTERS. */
  readonly name: string;
}

export interface FoundPort {
  readonly device: string;
  readonly byId?: string;
  readonly byPath?: string;
  /** Vendor, product and serial number of its USB device; ports with the same one are twins. */
  readonly usb?: string;
}

/** SN1 */
export function nameOf(port: FoundPort, all: readonly FoundPort[]): SerialName {
  const { device, byId, byPath, usb } = port;
  const hasTwin = usb !== undefined && all.some((one) => one !== port && one.usb === usb);
  return { device, name: (hasTwin ? byPath : (byId ?? byPath)) ?? device };
}

/** Those that are there now, by name. Never throws: what cannot be read is not there. */
export function serialNames(root = "/"): readonly SerialName[] {
  const byId = linksIn(join(root, "dev/serial/by-id"));
  const byPath = linksIn(join(root, "dev/serial/by-path"));
  const ports = namesIn(join(root, "dev"))
    .filter((name) => /^tty(?:USB|ACM|AMA)\d+$/.test(name))
    .map((name): FoundPort => {
      const device = join(root, "dev", name);
      const [id, path] = [byId.get(device), byPath.get(device)];
      const usb = usbOf(join(root, "sys/class/tty", name, "device"));
      return {
        device,
        ...(id === undefined ? {} : { byId: id }),
        ...(path === undefined ? {} : { byPath: path }),
        ...(usb === undefined ? {} : { usb }),
      };
    });
  return ports.map((port) => nameOf(port, ports)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Link by what it points to. */
function linksIn(folder: string): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const name of namesIn(folder)) {
    const link = join(folder, name);
    const device = attempt(() => realpathSync(link));
    if (device !== undefined) links.set(device, link);
  }
  return links;
}

const LEVELS_MAX = 6;

/** The USB device is some folders above the port's own. */
function usbOf(link: string): string | undefined {
  let folder = attempt(() => realpathSync(link));
  for (let level = 0; folder !== undefined && level < LEVELS_MAX; level += 1) {
    const at = folder;
    const vendor = attempt(() => readFileSync(join(at, "idVendor"), "utf8").trim());
    if (vendor !== undefined) {
      const product = attempt(() => readFileSync(join(at, "idProduct"), "utf8").trim()) ?? "";
      const serial = attempt(() => readFileSync(join(at, "serial"), "utf8").trim()) ?? "";
      return `${vendor}:${product}:${serial}`;
    }
    folder = dirname(folder);
  }
  return undefined;
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
