// Looks around for devices for a few seconds: mDNS, SSDP, Bambu's notices, serial ports, and the HTTP ports
// of hosts that showed up. Listens on nothing between two looks.
//
// DL1. Each way of looking fails alone: a machine without multicast still finds its serial ports.
// DL2. At most FOUND_MAX things come out and HOSTS_MAX hosts are asked, however many answer.

import { createSocket } from "node:dgram";
import { readdir } from "node:fs/promises";
import { LIMIT } from "@gantry/shared/base/policy.ts";
import type { Found } from "@gantry/shared/contract/workshop.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import {
  type DnsRecord,
  foundInHttp,
  foundInMdns,
  foundInSsdp,
  foundOnSerial,
  HTTP_LOOKS,
  MDNS_SERVICES,
} from "../rules/discovery.ts";

export interface DiscoverOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** How long to listen. */
  readonly listenMs?: number;
  readonly mdnsPort?: number;
  readonly mdnsInterface?: string;
  readonly ssdpPort?: number;
  readonly ssdpAddress?: string;
  readonly bambuPort?: number;
  readonly serialFolder?: string;
  /** Hosts that are asked in any case. */
  readonly hosts?: readonly string[];
  readonly httpPortOf?: (port: number) => number;
}

const LISTEN_MS = 4_000;
const HOSTS_MAX = 64;
const HTTP_MS = 2_000;
const BODY_BYTES = 4_096;
const ANSWERS_MAX = 2_000;

export async function discover(options: DiscoverOptions, signal: AbortSignal): Promise<Found[]> {
  const { clock, log } = options;
  const found = new Map<string, Found>();
  const hosts = new Set<string>(options.hosts ?? ["127.0.0.1"]);
  let answers = 0;
  const take = (from: string, seen: readonly (Found | undefined)[]): void => {
    answers += 1;
    if (answers > ANSWERS_MAX) return; // DL2
    if (hosts.size < HOSTS_MAX) hosts.add(from);
    for (const one of seen) {
      if (one === undefined || found.size >= LIMIT.foundDevices.max) continue;
      if (!found.has(one.key)) found.set(one.key, one);
    }
  };
  const alone = (what: string, work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => log.info({ what, why: String(error) }, "a look found no way")); // DL1
  const until = clock.sleep(options.listenMs ?? LISTEN_MS, signal).catch(() => undefined);
  await Promise.all([
    alone("mdns", lookByMdns(options, take, until)),
    alone("ssdp", lookByUdp(options.ssdpPort ?? 1_900, options, take, until)),
    alone("bambu", lookByUdp(options.bambuPort ?? 2_021, options, take, until)),
    alone("serial", lookAtPorts(options, take)),
  ]);
  await Promise.all(
    [...hosts].map((host) => alone("http", lookByHttp(host, options, take, signal))),
  );
  return [...found.values()];
}

type Take = (from: string, seen: readonly (Found | undefined)[]) => void;

async function lookByMdns(
  { mdnsPort, mdnsInterface }: DiscoverOptions,
  take: Take,
  until: Promise<void>,
): Promise<void> {
  const { default: openMdns } = await import("multicast-dns"); // only who looks needs it
  const mdns = openMdns({
    ...(mdnsPort === undefined ? {} : { port: mdnsPort }),
    ...(mdnsInterface === undefined ? {} : { interface: mdnsInterface }),
  });
  let fault: Error | undefined;
  mdns.on("error", (error: Error) => (fault ??= error));
  mdns.on("warning", () => undefined); // bytes that are no DNS
  mdns.on("response", (packet, { address }) => {
    const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])] as DnsRecord[]; // checked where read
    take(address, foundInMdns(records, address));
  });
  mdns.query({ questions: Object.keys(MDNS_SERVICES).map((name) => ({ name, type: "PTR" })) });
  await until;
  await new Promise<void>((resolve) => mdns.destroy(() => resolve()));
  if (fault !== undefined) throw fault;
}

const SEARCH = [
  "M-SEARCH * HTTP/1.1",
  "HOST: 239.255.255.250:1900",
  'MAN: "ssdp:discover"',
  "MX: 2",
  "ST: ssdp:all",
  "",
  "",
].join("\r\n");

/** Asks, and hears answers and notices alike. Bambu's port is only listened to. */
async function lookByUdp(
  port: number,
  { ssdpPort = 1_900, ssdpAddress = "239.255.255.250" }: DiscoverOptions,
  take: Take,
  until: Promise<void>,
): Promise<void> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const asks = port === ssdpPort;
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(asks ? 0 : port, () => resolve());
    });
    socket.on("error", () => undefined); // heard nothing more
    socket.on("message", (bytes, { address }) =>
      take(address, [foundInSsdp(bytes.toString("latin1"), address)]),
    );
    if (asks) socket.send(SEARCH, ssdpPort, ssdpAddress);
    await until;
  } finally {
    socket.close();
  }
}

async function lookAtPorts({ serialFolder }: DiscoverOptions, take: Take): Promise<void> {
  const names = await readdir(serialFolder ?? "/dev/serial/by-id").catch(() => [] as string[]);
  take("127.0.0.1", foundOnSerial(names));
}

async function lookByHttp(
  host: string,
  { clock, httpPortOf = (port) => port }: DiscoverOptions,
  take: Take,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    HTTP_LOOKS.map(async (look) => {
      const limited = clock.timeout(HTTP_MS, signal);
      const port = httpPortOf(look.port);
      const reply = await fetch(`http://${host}:${port}${look.path}`, {
        signal: limited,
        redirect: "manual",
      }).catch(() => undefined);
      if (reply === undefined) return;
      const body = await beginningOf(reply);
      const server = reply.headers.get("server") ?? "";
      take(host, [foundInHttp(host, { ...look, port }, { status: reply.status, body, server })]);
    }),
  );
}

async function beginningOf(reply: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of reply.body ?? []) {
      pieces.push(piece);
      size += piece.length;
      if (size > BODY_BYTES) break;
    }
  } catch {
    // what came counts
  }
  return Buffer.concat(pieces).subarray(0, BODY_BYTES).toString("latin1");
}
