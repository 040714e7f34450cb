// Printers on the network, as they stand in GANTRY_PRINTERS:
//
//   voron=moonraker:10.0.0.5:7125?keyFile=voron.key       octo=octoprint:octopi.lan?keyFile=octo.key
//   mk4=prusalink:10.0.0.7?passwordFile=mk4.password      x1=bambu:10.0.0.9?serial=01S00A...&codeFile=x1.code
//
// NP1. A secret is given once: as `key`, `password` or `code`, or as a file of that name with `File`
//      behind it. A relative file is one of systemd's credentials. No fault repeats a secret.

import { GantryError } from "@gantry/shared/base/errors.ts";

export type NetworkAddress =
  | { readonly kind: "moonraker"; readonly base: string; readonly key: string | undefined }
  | { readonly kind: "octoprint"; readonly base: string; readonly key: string }
  | {
      readonly kind: "prusalink";
      readonly base: string;
      readonly auth:
        | { readonly kind: "key"; readonly key: string }
        | { readonly kind: "digest"; readonly user: string; readonly password: string };
    }
  | {
      readonly kind: "bambu";
      readonly host: string;
      readonly serial: string;
      readonly code: string;
      /** SHA-256 of its certificate, 64 hex digits; learned at the first connection if absent. */
      readonly fingerprint: string | undefined;
      readonly hasAms: boolean;
    };

export type NetworkKind = NetworkAddress["kind"];

/** Gives a file's text; undefined where there is none. */
export type ReadText = (path: string) => string | undefined;

const OWN_OPTIONS: Readonly<Record<NetworkKind, readonly string[]>> = {
  moonraker: ["key", "keyFile", "tls"],
  octoprint: ["key", "keyFile", "tls"],
  prusalink: ["key", "keyFile", "user", "password", "passwordFile", "tls"],
  bambu: ["serial", "code", "codeFile", "fingerprint", "ams"],
};
const PORTS = { moonraker: 7_125, octoprint: 80, prusalink: 80 } as const;
const SECRET_CHARS_MAX = 256;

export const isNetworkKind = (kind: string): kind is NetworkKind =>
  Object.hasOwn(OWN_OPTIONS, kind);

/** Takes its own options out of `query`, and leaves the rest. Throws bad_config. */
export function parseNetworkAddress(
  kind: NetworkKind,
  address: string,
  query: URLSearchParams,
  readText: ReadText,
): NetworkAddress {
  const own = new Map<string, string>();
  for (const name of OWN_OPTIONS[kind]) {
    const value = query.get(name);
    if (value !== null) own.set(name, value);
    query.delete(name);
  }
  const secret = (name: string): string | undefined => secretOf(own, name, readText);
  if (kind === "bambu") return bambuOf(address, own, secret("code"));
  const base = baseOf(address, own.get("tls"), PORTS[kind]);
  const key = secret("key");
  if (kind === "moonraker") return { kind, base, key };
  if (kind === "octoprint") {
    if (key === undefined)
      throw invalid("octoprint: needs key or keyFile: an API key of OctoPrint");
    return { kind, base, key };
  }
  const password = secret("password");
  if ((key === undefined) === (password === undefined)) {
    throw invalid("prusalink: needs key or password, as text or as a file, and only one of them");
  }
  const user = own.get("user") ?? "maker"; // the name that PrusaLink gives its only user
  if (!/^[^\s:"\\]{1,64}$/.test(user)) throw invalid("prusalink: user is a name");
  if (key !== undefined) return { kind, base, auth: { kind: "key", key } };
  return { kind, base, auth: { kind: "digest", user, password: password ?? "" } };
}

/** NP1 */
function secretOf(
  own: ReadonlyMap<string, string>,
  name: string,
  readText: ReadText,
): string | undefined {
  const text = own.get(name);
  const file = own.get(`${name}File`);
  if (text !== undefined && file !== undefined) {
    throw invalid(`${name} and ${name}File are both given: keep one`);
  }
  const value = file === undefined ? text : readText(file)?.trim();
  if (file !== undefined && !value) throw invalid(`${name}File ${file} cannot be read or is empty`);
  if (value === undefined) return undefined;
  // It goes into a header: no line ends, nothing that a header cannot hold.
  if (value.length > SECRET_CHARS_MAX || !/^[\x21-\x7e]+$/.test(value)) {
    throw invalid(`${name} is no word of 1 to ${SECRET_CHARS_MAX} printable characters`);
  }
  return value;
}

function baseOf(address: string, tls: string | undefined, port: number): string {
  if (tls !== undefined && tls !== "0" && tls !== "1") throw invalid("tls is 0 or 1");
  const { host, own } = splitAddress(address);
  return `${tls === "1" ? "https" : "http"}://${host}:${own ?? (tls === "1" ? 443 : port)}`;
}

function bambuOf(
  address: string,
  own: ReadonlyMap<string, string>,
  code: string | undefined,
): NetworkAddress {
  const { host, own: port } = splitAddress(address);
  if (port !== undefined) throw invalid("bambu: its ports are fixed; give the address alone");
  const serial = own.get("serial") ?? "";
  if (!/^[0-9A-Za-z]{8,32}$/.test(serial)) {
    throw invalid("bambu: needs serial, as the printer's settings show it");
  }
  if (code === undefined) {
    throw invalid("bambu: needs code or codeFile: the access code of its LAN mode");
  }
  const fingerprint = own.get("fingerprint")?.replaceAll(":", "").toLowerCase();
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw invalid("bambu: fingerprint is 64 hex digits, the SHA-256 of its certificate");
  }
  const ams = own.get("ams") ?? "0";
  if (ams !== "0" && ams !== "1") throw invalid("ams is 0 or 1");
  return { kind: "bambu", host, serial, code, fingerprint, hasAms: ams === "1" };
}

function splitAddress(address: string): {
  readonly host: string;
  readonly own: number | undefined;
} {
  const found = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::(\d{1,5}))?$/.exec(
    address,
  );
  const port = found?.[2] === undefined ? undefined : Number(found[2]);
  if (found?.[1] === undefined || port === 0 || (port ?? 1) > 65_535) {
    throw invalid(`"${address.slice(0, 80)}" is no host or host:port`);
  }
  return { host: found[1], own: port };
}

const invalid = (why: string): GantryError => new GantryError("bad_config", why);
