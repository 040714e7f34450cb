// Test equipment: as much of an FTP server with implicit TLS as a simulated printer needs to take files.

import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { NetworkFaults } from "./faults.ts";

export interface FtpsServerOptions {
  readonly tls: { readonly key: string; readonly cert: string };
  readonly user: string;
  readonly password: string;
  readonly faults: NetworkFaults;
}

export interface FtpsServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function openSimulatedFtps(
  options: FtpsServerOptions,
  onFile: (name: string, bytes: Buffer) => void,
): Promise<FtpsServer> {
  const { tls, faults } = options;
  const sockets = new Set<TLSSocket>();
  const keep = (socket: TLSSocket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  };

  function serve(control: TLSSocket): void {
    keep(control);
    let held = "";
    let user = "";
    let data: Promise<Buffer> | undefined;
    const say = (text: string): void => void control.write(`${text}\r\n`);

    async function passive(): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      data = promise;
      const receiver = createServer({ ...tls }, (socket) => {
        keep(socket);
        const parts: Buffer[] = [];
        socket.on("data", (bytes: Buffer) => parts.push(bytes));
        socket.on("end", () => resolve(Buffer.concat(parts)));
        receiver.close();
      });
      receiver.on("tlsClientError", () => receiver.close());
      await new Promise<void>((listening) => receiver.listen(0, "127.0.0.1", listening));
      const { port } = receiver.address() as AddressInfo; // a TCP server's address has a port
      say(`227 Entering Passive Mode (127,0,0,1,${port >> 8},${port & 255})`);
    }

    async function store(name: string): Promise<void> {
      const incoming = data;
      if (incoming === undefined) return say("425 No data connection");
      say("150 Go on");
      onFile(name, await incoming);
      say("226 Stored");
    }

    async function answer(line: string): Promise<void> {
      const cut = line.indexOf(" ");
      const verb = (cut < 0 ? line : line.slice(0, cut)).toUpperCase();
      const word = cut < 0 ? "" : line.slice(cut + 1);
      switch (verb) {
        case "USER":
          user = word;
          return say("331 Password");
        case "PASS": {
          const isKnown = user === options.user && word === options.password;
          return say(isKnown ? "230 In" : "530 Not in");
        }
        case "PASV":
          return passive();
        case "STOR":
          return store(word);
        case "DELE":
          return say("550 None");
        case "FEAT":
          return say("211 End");
        case "TYPE":
        case "STRU":
        case "PBSZ":
        case "PROT":
        case "OPTS":
          return say("200 Well");
        default:
          return say("502 Not known");
      }
    }

    control.on("data", (bytes: Buffer) => {
      if (faults.isHung) return;
      const lines = (held + bytes.toString("utf8")).split("\r\n");
      held = lines.pop() ?? "";
      for (const line of lines) void answer(line);
    });
    if (!faults.isHung) say("220 Here");
  }

  const server = createServer({ ...tls }, serve);
  server.on("tlsClientError", () => undefined); // a client that goes away early
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port, // as above
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
