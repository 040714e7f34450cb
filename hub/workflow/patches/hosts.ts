// Where an http node would call, as far as its text says. The way out itself (hub/adapters/egress.ts)
// judges again what names and redirects lead to; this is what can be refused before anything runs.
//
// HO1. An address is judged as the URL standard reads it, so 2130706433, 0x7f.1 and 127.0.0.1 are one.
// HO2. An address that is not public is refused unless this very address is listed, whoever asks.
// HO3. An expression may stand after the host. Where it may decide the host, the host is unknown.

/** Of a URL template. */
export type Destination =
  | {
      readonly kind: "host";
      readonly host: string;
      readonly port: number;
      readonly isPublic: boolean;
    }
  /** An expression decides it. */
  | { readonly kind: "unknown" }
  | {
      readonly kind: "fault";
      readonly code: "bad_url" | "url_scheme" | "url_credentials";
      readonly what: string;
    };

const fault = (code: "bad_url" | "url_scheme" | "url_credentials", what: string): Destination => ({
  kind: "fault",
  code,
  what,
});

export function destinationOf(template: string): Destination {
  const expression = template.indexOf("${");
  const text = expression < 0 ? template : template.slice(0, expression);
  if (expression >= 0 && !/^\s*https?:[/\\]{2}[^/\\?#]+[/\\?#]/i.test(text)) {
    const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
    const isOdd = scheme !== undefined && scheme !== "http" && scheme !== "https";
    return isOdd ? fault("url_scheme", `${scheme}: is not let out`) : { kind: "unknown" }; // HO3
  }
  const url = URL.parse(text);
  if (url === null) return fault("bad_url", "This is not a whole address");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return fault("url_scheme", `${url.protocol} is not let out`);
  if (url.username !== "" || url.password !== "" || /^\s*https?:[/\\]*[^/\\?#]*@/i.test(text))
    return fault("url_credentials", "The address carries a user or a password");
  const host = url.hostname.startsWith("[")
    ? url.hostname.slice(1, -1)
    : url.hostname.toLowerCase().replace(/\.+$/, "");
  if (host === "") return fault("bad_url", "The address has no host");
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { kind: "host", host, port, isPublic: isPublicHost(host) }; // HO1
}

/** `api.example.org`, `*.example.org`, `10.1.2.3:9000`, `[fd00::1]:80`; without a port: 80 and 443. */
export function isListed(entries: readonly string[], host: string, port: number): boolean {
  return entries.some((entry) => {
    const parts = /^(?<name>\[[^\]]+\]|[^:]+)(?::(?<port>\d{1,5}))?$/.exec(
      entry.trim().toLowerCase(),
    )?.groups;
    const name = parts?.["name"]?.replaceAll(/[[\]]/g, "");
    const only = parts?.["port"];
    if (name === undefined) return false;
    if (only === undefined ? port !== 80 && port !== 443 : Number(only) !== port) return false;
    return name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name;
  });
}

/** Names that a cloud or the machine itself answers for, whatever DNS says. */
const INNER_NAMES = ["localhost", "localdomain", "metadata", "metadata.goog", "instance-data"];
const INNER_SUFFIXES = [".localhost", ".localdomain", ".internal"];

function isPublicHost(host: string): boolean {
  const four = ipv4(host);
  if (four !== undefined) return isPublic4(four);
  if (host.includes(":")) return isPublic6(host);
  return !INNER_NAMES.includes(host) && !INNER_SUFFIXES.some((suffix) => host.endsWith(suffix));
}

/** As the URL parser writes it: four numbers from 0 to 255. */
function ipv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((all, part) => all * 256 + part, 0);
}

/** IANA's special-purpose registry for IPv4 (RFC 6890 and its successors), and multicast. */
const SPECIAL: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

const isPublic4 = (address: number): boolean =>
  !SPECIAL.some(([base, bits]) => {
    const size = 2 ** (32 - bits);
    return Math.floor(address / size) === Math.floor((ipv4(base) ?? 0) / size);
  });

/** Only 2000::/3 is public, less what RFC 6890 and RFC 9637 carve out of it; mapped IPv4 as IPv4. */
function isPublic6(text: string): boolean {
  const words = wordsOf(text);
  if (words === undefined) return false;
  const at = (index: number): number => words[index] ?? 0;
  const isMapped = words.slice(0, 5).every((word) => word === 0) && at(5) === 0xff_ff;
  if (isMapped) return isPublic4(at(6) * 65_536 + at(7));
  if (at(0) >> 13 !== 1) return false;
  const isProtocol = at(0) === 0x20_01 && at(1) < 0x02_00; // 2001::/23, Teredo among them
  const isExample =
    (at(0) === 0x20_01 && at(1) === 0x0d_b8) || (at(0) === 0x3f_ff && at(1) < 0x10_00);
  const is6to4 = at(0) === 0x20_02; // an IPv4 address inside
  return !isProtocol && !isExample && !is6to4;
}

/** Eight words of what the URL parser gives: `::` at most once, no dotted end. */
function wordsOf(text: string): readonly number[] | undefined {
  const [head = "", tail] = text.split("::");
  const [before, after] = [numbersIn(head), numbersIn(tail)];
  const gap = 8 - before.length - after.length;
  if (gap < 0 || (tail === undefined && gap !== 0)) return undefined;
  const words = [...before, ...Array.from({ length: gap }, () => 0), ...after];
  return words.some((word) => Number.isNaN(word)) ? undefined : words;
}

const numbersIn = (part: string | undefined): number[] =>
  part === undefined || part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
