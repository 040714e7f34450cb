// What devices say of themselves on the network, as things that were found. Pure; every word is outside
// input, cut to size and checked, and nothing of it throws.
//
// DI1. A key names a device for good: its own serial number or name where it tells one, else where it is.
// DI2. Whatever it is called, a name has printable characters alone, an address is a host (and a port).
//
// Facts: DNS-SD types as registered or published by each maker; Bambu's NOTIFY on UDP 2021 as its studio
// reads it (Location, USN, DevModel, DevName); SSDP as UPnP 1.1 says.

import type { Found } from "@gantry/shared/contract/workshop.ts";

export const MDNS_SERVICES: Readonly<Record<string, Found["kind"]>> = {
  "_moonraker._tcp.local": "moonraker",
  "_octoprint._tcp.local": "octoprint",
  "_prusalink._tcp.local": "prusalink",
  "_bambu._tcp.local": "bambu",
  "_wyoming._tcp.local": "wyoming",
  "_mqtt._tcp.local": "mqtt",
};

/** As multicast-dns decodes them. */
export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly data?: unknown;
}

const NAME_MAX = 100;
const HOST = /^[A-Za-z0-9][\w.-]{0,126}$/;
const SERIAL = /^[\w.-]{4,64}$/;

/** DI2 */
export const plainName = (text: string): string =>
  text
    .replaceAll(/[^\x20-\x7e\u00a0-\u024f]/g, "")
    .trim()
    .slice(0, NAME_MAX);

/** What the records of one answer announce; `from`: the address that it came from. */
export function foundInMdns(records: readonly DnsRecord[], from: string): Found[] {
  const found = new Map<string, Found>();
  for (const { name, type, data } of records) {
    const kind = MDNS_SERVICES[lower(name)];
    if (type !== "PTR" || kind === undefined || typeof data !== "string") continue;
    const instance = lower(data);
    const service = records.find((one) => one.type === "SRV" && lower(one.name) === instance);
    const { port, target } = serviceOf(service?.data);
    const address = records.find(
      (one) => one.type === "A" && target !== undefined && lower(one.name) === lower(target),
    )?.data;
    const host = isHost(address) ? address : from;
    if (!isHost(host)) continue;
    const label = plainName(data.slice(0, Math.max(0, data.length - name.length - 1)));
    const place = port === undefined ? host : `${host}:${port}`;
    const key = `${kind}:${place}`;
    found.set(key, { key, kind, name: label === "" ? host : label, address: place, by: "mdns" });
  }
  return [...found.values()];
}

const lower = (name: string): string => name.toLowerCase().replace(/\.$/, "");

function serviceOf(data: unknown): { readonly port?: number; readonly target?: string } {
  if (typeof data !== "object" || data === null) return {};
  const { port, target } = data as { port?: unknown; target?: unknown }; // checked below
  return {
    ...(isPort(port) ? { port } : {}),
    ...(typeof target === "string" ? { target } : {}),
  };
}

const isPort = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536;
const isHost = (value: unknown): value is string => typeof value === "string" && HOST.test(value);

/** The headers of an SSDP answer, or of a NOTIFY of its kind. Undefined for anything else. */
export function headersOf(text: string): ReadonlyMap<string, string> | undefined {
  const [first = "", ...lines] = text.slice(0, 4_096).split(/\r?\n/);
  if (!/^(HTTP\/1\.[01] 200|NOTIFY \* HTTP\/1\.[01])/.test(first)) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines.slice(0, 40)) {
    const at = line.indexOf(":");
    if (at > 0) headers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return headers;
}

/** A Bambu printer that says where it is. */
export function foundInBambu(text: string, from: string): Found | undefined {
  const headers = headersOf(text);
  const kindOf = headers?.get("nt") ?? headers?.get("st") ?? "";
  if (headers === undefined || !kindOf.includes("bambulab-com:device:3dprinter")) return undefined;
  const serial = headers.get("usn") ?? "";
  const place = headers.get("location") ?? from;
  const host = place.replace(/^https?:\/\//, "").replace(/[/:].*$/, "");
  if (!SERIAL.test(serial) || !HOST.test(host)) return undefined;
  const model = plainName(headers.get("devmodel.bambu.com") ?? "");
  const name = plainName(headers.get("devname.bambu.com") ?? "");
  return {
    key: `bambu:${serial}`, // DI1
    kind: "bambu",
    name: name === "" ? serial : name,
    address: host,
    by: "bambu",
    serial,
    ...(model === "" ? {} : { model }),
  };
}

/** OctoPrint and cameras answer SSDP with what they are. */
export function foundInSsdp(text: string, from: string): Found | undefined {
  const bambu = foundInBambu(text, from);
  if (bambu !== undefined) return bambu;
  const headers = headersOf(text);
  if (headers === undefined || !HOST.test(from)) return undefined;
  const server = headers.get("server") ?? "";
  const location = /^http:\/\/([\w.-]{1,127})(?::(\d{1,5}))?\//.exec(headers.get("location") ?? "");
  const port = location?.[2] === undefined ? undefined : Number(location[2]);
  const address = port !== undefined && isPort(port) ? `${from}:${port}` : from;
  if (/octoprint/i.test(server)) {
    return { key: `octoprint:${address}`, kind: "octoprint", name: from, address, by: "ssdp" };
  }
  if (/camera|webcam|onvif/i.test(`${server} ${headers.get("st") ?? ""}`)) {
    return {
      key: `camera:${address}`,
      kind: "camera",
      name: plainName(server) || from,
      address,
      by: "ssdp",
    };
  }
  return undefined;
}

/** The lasting names of /dev/serial/by-id; two boards with one name are told apart by their path. */
export function foundOnSerial(names: readonly string[]): Found[] {
  return names
    .filter((name) => /^[\w.:+-]{1,160}$/.test(name))
    .slice(0, 64)
    .map((name) => ({
      key: `serial:/dev/serial/by-id/${name}`.slice(0, 187),
      kind: "serial" as const,
      name: plainName(name.replace(/^usb-/, "").replaceAll("_", " ")),
      address: `/dev/serial/by-id/${name}`,
      by: "serial" as const,
    }));
}

export interface HttpLook {
  readonly port: number;
  readonly path: string;
}

/** Where printers listen, and what to ask there without a key. */
export const HTTP_LOOKS: readonly HttpLook[] = [
  { port: 7_125, path: "/server/info" },
  { port: 5_000, path: "/api/version" },
  { port: 80, path: "/api/version" },
];

/** What answered there. A 401 or 403 of the right shape counts too: it is there and wants its key. */
export function foundInHttp(
  host: string,
  { port, path }: HttpLook,
  answer: { readonly status: number; readonly body: string; readonly server: string },
): Found | undefined {
  if (!HOST.test(host)) return undefined;
  const address = port === 80 ? host : `${host}:${port}`;
  const body = answer.body.slice(0, 4_096);
  const of = (kind: Found["kind"]): Found => ({
    key: `${kind}:${address}`,
    kind,
    name: host,
    address,
    by: "http",
  });
  if (path === "/server/info") {
    return /"klippy_(?:state|connected)"/.test(body) ||
      (answer.status === 401 && /"error"/.test(body))
      ? of("moonraker")
      : undefined;
  }
  if (/PrusaLink/i.test(body) || /PrusaLink/i.test(answer.server)) return of("prusalink");
  if (/"text"\s*:\s*"OctoPrint/.test(body)) return of("octoprint");
  return undefined;
}
