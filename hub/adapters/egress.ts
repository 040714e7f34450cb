// Where a workflow may send requests: nowhere, but to what GANTRY_EGRESS_ALLOW lists. Pure.
//
//   api.example.org         this host, ports 80 and 443, at public addresses only
//   *.example.org           every host below it
//   erp.lan:8443            this host and port
//   10.1.2.3, 10.1.0.0/16   these addresses, whoever names them, though they are not public
//
// EG1. What is not listed is refused, whatever form its address is written in.
// EG2. A listed name does not open an address that is not public (loopback, link-local with the
//      metadata services, private, multicast ...): such an address must be listed itself, so that
//      whoever answers for the name cannot turn it inward.
// EG3. An address is opened by its own port list, too: `127.0.0.1:9000` opens that port alone.

import { BlockList, isIP } from "node:net";
import { GantryError } from "@gantry/shared/base/errors.ts";

export interface Egress {
  /** Throws egress_denied before anything is looked up: scheme, host, port. */
  checkUrl(url: URL): void;
  /** Throws egress_denied for an address to which the name led (EG2). */
  checkAddress(url: URL, address: string): void;
}

interface Rule {
  /** Lower case; `.example.org` stands for all below it. Undefined in a rule of addresses. */
  readonly host?: string;
  readonly addresses?: BlockList;
  readonly port: number | undefined;
}

const WEB_PORTS = new Set([80, 443]);
const ENTRY = /^(?<host>\[[0-9a-f:.]+\](?:\/\d+)?|[^:\s]+?)(?::(?<port>\d{1,5}))?$/i;

/** `entries`: as people write them. Throws bad_config for one that is none. */
export function makeEgress(entries: readonly string[]): Egress {
  const rules = entries.map(ruleOf);

  function checkUrl(url: URL): void {
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw denied(url, `${url.protocol} is not a scheme that is let out`);
    if (url.username !== "" || url.password !== "")
      throw denied(url, "an address must not carry a password");
    const host = hostOf(url);
    const port = portOf(url);
    const isListed = rules.some((rule) => fitsPort(rule, port) && names(rule, host));
    if (!isListed) throw denied(url, `${host}:${port} is not in GANTRY_EGRESS_ALLOW`); // EG1
  }

  return {
    checkUrl,
    checkAddress(url, address) {
      const family = isIP(address);
      if (family === 0) throw denied(url, `${address} is not an address`);
      if (isPublic(address)) return;
      const port = portOf(url);
      const isListed = rules.some(
        (rule) =>
          rule.addresses !== undefined && holds(rule.addresses, address) && isPort(rule, port),
      );
      if (!isListed) throw denied(url, `${address} is not public and not listed`); // EG2
    },
  };
}

const isPort = (rule: Rule, port: number): boolean => rule.port === undefined || rule.port === port; // EG3

/** A rule without a port opens the web's ports; one of addresses, which says more, all of them. */
const fitsPort = (rule: Rule, port: number): boolean =>
  rule.port === undefined
    ? rule.addresses !== undefined || WEB_PORTS.has(port)
    : rule.port === port;

function names({ host, addresses }: Rule, wanted: string): boolean {
  if (addresses !== undefined) return isIP(wanted) !== 0 && holds(addresses, wanted);
  if (host === undefined) return false;
  return host.startsWith(".") ? wanted.endsWith(host) : wanted === host;
}

function ruleOf(entry: string): Rule {
  const groups = ENTRY.exec(entry.trim())?.groups;
  const text = groups?.["host"]?.toLowerCase();
  const port = groups?.["port"] === undefined ? undefined : Number(groups["port"]);
  if (text === undefined || (port !== undefined && (port < 1 || port > 65_535)))
    throw badEntry(entry);
  const [address = "", bits] = text.replaceAll(/[[\]]/g, "").split("/");
  const family = isIP(address);
  if (family !== 0) {
    const addresses = new BlockList();
    const type = family === 4 ? "ipv4" : "ipv6";
    const most = family === 4 ? 32 : 128;
    const length = bits === undefined ? most : Number(bits);
    if (!Number.isInteger(length) || length < 1 || length > most) throw badEntry(entry);
    addresses.addSubnet(address, length, type);
    return { addresses, port };
  }
  const host = text.startsWith("*.") ? text.slice(1) : text;
  if (!/^\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/.test(host)) throw badEntry(entry);
  return { host, port };
}

const badEntry = (entry: string): GantryError =>
  new GantryError(
    "bad_config",
    `GANTRY_EGRESS_ALLOW: "${entry.slice(0, 100)}" is no host, *.host, address or address/bits, with :port or without`,
  );

/** Of the special-purpose registries of IANA (RFC 6890 and its successors): all that is not the internet. */
const SPECIAL: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
];
const special = new BlockList();
for (const [address, bits, family] of SPECIAL) special.addSubnet(address, bits, family);
/** Of IPv6 only global unicast is public, less what is carved out of it. */
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");
const special6 = new BlockList();
special6.addSubnet("2001::", 23, "ipv6"); // Teredo and other protocols
special6.addSubnet("2001:db8::", 32, "ipv6");
special6.addSubnet("2002::", 16, "ipv6"); // 6to4: an IPv4 address inside
special6.addSubnet("3fff::", 20, "ipv6");

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, "ipv4");
  const inner = mapped(address);
  if (inner !== undefined) return !special.check(inner, "ipv4");
  return global6.check(address, "ipv6") && !special6.check(address, "ipv6");
}

function holds(list: BlockList, address: string): boolean {
  if (isIP(address) === 4) return list.check(address, "ipv4");
  const inner = mapped(address);
  return list.check(address, "ipv6") || (inner !== undefined && list.check(inner, "ipv4"));
}

/** The IPv4 address in `::ffff:a.b.c.d`, however it is written. */
function mapped(address: string): string | undefined {
  const text = new URL(`http://[${address.split("%")[0] ?? ""}]`).hostname.slice(1, -1);
  const words = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text);
  if (words === null) return undefined;
  const [high, low] = [Number.parseInt(words[1] ?? "", 16), Number.parseInt(words[2] ?? "", 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** The URL parser has made `0x7f.1`, `2130706433` and the like dotted addresses already. */
function hostOf(url: URL): string {
  const host = url.hostname.toLowerCase();
  return host.startsWith("[") ? host.slice(1, -1) : host.replace(/\.$/, "");
}

const portOf = (url: URL): number =>
  url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);

const denied = (url: URL, why: string): GantryError =>
  new GantryError("egress_denied", `A workflow may not call ${url.origin}: ${why}`, {
    details: { origin: url.origin, why },
  });
