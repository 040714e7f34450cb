// Looks around on loopback, at devices that this test plays: they say in their names that they are simulated.

import { mkdtemp, rm, symlink } from "node:fs/promises";
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { discover } from "./discover.ts";

const NOTICE = [
  "NOTIFY * HTTP/1.1",
  "Location: 127.0.0.1",
  "NT: urn:bambulab-com:device:3dprinter:1",
  "USN: 01SIMULATED0001",
  "DevName.bambu.com: Simulated",
  "",
  "",
].join("\r\n");

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

it("finds what tells of itself by UDP and HTTP, and serial ports; noise is left out", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-serial-"));
  await symlink("/dev/null", join(folder, "usb-Simulated_Board-if00"));
  const web = createServer((request, reply) => {
    const isOurs = request.url === "/server/info";
    reply.statusCode = isOurs ? 200 : 404;
    reply.end(isOurs ? '{"result":{"klippy_state":"ready"}}' : "no");
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;
  const [bambuPort, ssdpPort, mdnsPort] = [
    await freeUdpPort(),
    await freeUdpPort(),
    await freeUdpPort(),
  ];
  const sender = createSocket("udp4");
  const telling = setInterval(() => {
    sender.send(NOTICE, bambuPort, "127.0.0.1");
    sender.send("\u0000 not what you think", bambuPort, "127.0.0.1");
    sender.send(Buffer.from([0xff, 0x00, 0x01]), mdnsPort, "127.0.0.1");
  }, 20);
  try {
    const found = await discover(
      {
        clock: systemClock,
        log: silentLogger,
        listenMs: 400,
        bambuPort,
        ssdpPort,
        ssdpAddress: "127.0.0.1",
        mdnsPort,
        mdnsInterface: "127.0.0.1",
        serialFolder: folder,
        httpPortOf: (wanted) => (wanted === 7_125 ? port : 1),
      },
      new AbortController().signal,
    );
    expect(found.map(({ kind, address }) => `${kind} ${address}`).toSorted()).toEqual([
      "bambu 127.0.0.1",
      `moonraker 127.0.0.1:${port}`,
      "serial /dev/serial/by-id/usb-Simulated_Board-if00",
    ]);
  } finally {
    clearInterval(telling);
    sender.close();
    web.close();
    await rm(folder, { recursive: true });
  }
});
