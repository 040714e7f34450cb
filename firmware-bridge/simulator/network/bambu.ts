// Test equipment: a Bambu printer in LAN mode, written from what is publicly known of it: an MQTT 3.1.1
// broker for one topic pair and an FTP server, both over TLS. It says that it is simulated in the
// product name of `get_version`. Like the small models it sends only what changed.

import { createServer, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { GARBAGE, noFaults, type SimulatedDevice, takeFault } from "./faults.ts";
import { type FilePrinter, type FilePrinterState, SIMULATED_NAME } from "./file-printer.ts";
import { openSimulatedFtps } from "./ftps.ts";
import {
  connack,
  makeMqttReader,
  type MqttPacket,
  publishPacket,
  shortPacket,
} from "./mqtt-packets.ts";

export interface SimulatedBambu extends SimulatedDevice {
  readonly ftpsPort: number;
  /** Commands are refused as firmware does that wants them signed. */
  wantSigned(): void;
}

/** Its certificate bears its serial number. */
export interface BambuIdentity {
  readonly serial: string;
  readonly tls: { readonly key: string; readonly cert: string };
}

const STATES: Readonly<Record<FilePrinterState, string>> = {
  standby: "IDLE",
  printing: "RUNNING",
  paused: "PAUSE",
  complete: "FINISH",
  cancelled: "FAILED",
  error: "FAILED",
  shutdown: "FAILED",
};
const CANCELLED = 50_348_044;
const UNSIGNED = 84_033_543;

export async function openSimulatedBambu(
  printer: FilePrinter,
  code: string,
  { serial, tls }: BambuIdentity,
): Promise<SimulatedBambu> {
  const faults = noFaults();
  const sockets = new Set<TLSSocket>();
  const listeners = new Set<TLSSocket>();
  const report = `device/${serial}/report`;
  let told: Record<string, unknown> = {};
  let isSigned = false;

  function status(): Record<string, unknown> {
    const { nozzle, nozzleTarget, bed } = printer.heat();
    const state = printer.state();
    return {
      gcode_state: STATES[state],
      subtask_name: printer.file() ?? "",
      mc_percent: Math.round(printer.progress() * 100),
      mc_remaining_time: 10,
      nozzle_temper: nozzle,
      nozzle_target_temper: nozzleTarget,
      bed_temper: bed,
      bed_target_temper: 0,
      print_error: state === "error" ? 0x0300_8008 : state === "cancelled" ? CANCELLED : 0,
      hms: [{ attr: 0x0700_2000, code: 0x0002_0001 }],
      ams: {
        tray_now: "1",
        ams: [
          {
            id: "0",
            tray: [
              { id: "0", tray_type: "PLA", tray_color: "FF6A13FF", remain: 80 },
              { id: "1", tray_type: "PETG", tray_color: "000000FF", remain: -1 },
            ],
          },
        ],
      },
    };
  }

  function say(message: object): void {
    const text = takeFault(faults, "garbage") ? GARBAGE : JSON.stringify(message);
    for (const socket of listeners) {
      for (let time = 0; time < (faults.isRepeating ? 2 : 1); time += 1) {
        socket.write(publishPacket(report, text));
      }
    }
  }

  function tellChange(): void {
    if (faults.isHung) return;
    const now = status();
    const change = Object.entries(now).filter(
      ([name, value]) => JSON.stringify(told[name]) !== JSON.stringify(value),
    );
    told = now;
    say({ print: { command: "push_status", ...Object.fromEntries(change) } });
  }

  function carryOut(command: string, said: Readonly<Record<string, unknown>>): boolean {
    switch (command) {
      case "project_file": {
        const name = String(said["subtask_name"]);
        return said["url"] === `ftp:///${name}.3mf` && printer.begin(name);
      }
      case "pause":
        return printer.pause();
      case "resume":
        return printer.resume();
      case "stop":
        return printer.cancel();
      default:
        return command === "clean_print_error";
    }
  }

  function onPrint(said: Readonly<Record<string, unknown>>): void {
    const command = String(said["command"]);
    const answer = { command, sequence_id: said["sequence_id"] };
    if (isSigned) return say({ print: { ...answer, err_code: UNSIGNED } });
    if (takeFault(faults, "refuse")) {
      return say({ print: { ...answer, result: "fail", reason: "Refused by a fault" } });
    }
    const isDone = carryOut(command, said);
    if (takeFault(faults, "loseAnswers")) return disconnect();
    say({ print: { ...answer, result: isDone ? "success" : "fail", reason: isDone ? "" : "no" } });
  }

  function onRequest(text: string): void {
    const message = JSON.parse(text) as Record<string, Record<string, unknown>>; // our own driver's
    if (message["print"] !== undefined) onPrint(message["print"]);
    else if (message["pushing"] !== undefined) {
      told = status();
      say({ print: { command: "push_status", ...told } });
    } else if (message["info"] !== undefined) {
      const module = [{ name: "ota", sw_ver: "01.00", product_name: SIMULATED_NAME }];
      say({ info: { command: "get_version", sequence_id: "0", module } });
    }
  }

  function take(socket: TLSSocket, packet: MqttPacket): void {
    switch (packet.kind) {
      case "connect": {
        const isKnown = packet.user === "bblp" && packet.password === code;
        socket.write(connack(isKnown ? 0 : 5));
        if (!isKnown) socket.end();
        return;
      }
      case "subscribe":
        if (packet.topic === report) listeners.add(socket);
        socket.write(shortPacket(0x90, packet.id, [0]));
        return;
      case "publish":
        if (packet.id !== undefined) socket.write(shortPacket(0x40, packet.id));
        if (packet.topic === `device/${serial}/request`) onRequest(packet.text);
        return;
      case "ping":
        socket.write(Buffer.from([0xd0, 0]));
        return;
      case "other":
        return;
    }
  }

  const server = createServer({ ...tls }, (socket) => {
    sockets.add(socket);
    const read = makeMqttReader();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      listeners.delete(socket);
    });
    socket.on("data", (bytes: Buffer) => {
      if (faults.isHung) return;
      for (const packet of read(bytes)) take(socket, packet);
    });
  });
  server.on("tlsClientError", () => undefined); // a client that goes away early
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address has a port
  const files = await openSimulatedFtps(
    { tls, user: "bblp", password: code, faults },
    (name, bytes) => printer.files.set(name.replace(/\.3mf$/, ""), { bytes }),
  );
  printer.onChange(tellChange);

  function disconnect(): void {
    for (const socket of sockets) socket.destroy();
  }
  return {
    address: `127.0.0.1:${port}`,
    ftpsPort: files.port,
    faults,
    disconnect,
    wantSigned() {
      isSigned = true;
    },
    async close() {
      disconnect();
      await files.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
