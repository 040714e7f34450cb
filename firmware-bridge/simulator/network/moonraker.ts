// Test equipment: a Moonraker with a Klipper behind it, written from its documented API. It says that
// it is simulated in the host name that `printer.info` gives.

import { createHash } from "node:crypto";
import type { SimulatedDevice } from "./faults.ts";
import { takeFault } from "./faults.ts";
import { type FilePrinter, SIMULATED_NAME } from "./file-printer.ts";
import {
  type Asked,
  type Answered,
  openHttpDoor,
  readMultipart,
  type WebSocketPeer,
} from "./http-door.ts";

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

export interface SimulatedMoonraker extends SimulatedDevice {
  /** Klipper starts again: not ready for a moment, then ready with nothing known. */
  restartKlipper(): void;
}

export async function openSimulatedMoonraker(
  printer: FilePrinter,
  key: string,
): Promise<SimulatedMoonraker> {
  let klippy: "ready" | "startup" = "ready";
  const subscribers = new Set<WebSocketPeer>();
  const klippyState = (): string => (printer.state() === "shutdown" ? "shutdown" : klippy);

  const objects = (): Record<string, Record<string, unknown>> => {
    const { nozzle, nozzleTarget, bed } = printer.heat();
    const state = printer.state();
    return {
      webhooks: { state: klippyState(), state_message: printer.message() },
      print_stats: {
        state: state === "shutdown" ? "error" : state,
        filename: printer.file() ?? "",
        print_duration: printer.progress() * 1_000,
        message: printer.message(),
      },
      virtual_sdcard: { progress: printer.progress(), is_active: state === "printing" },
      extruder: { temperature: nozzle, target: nozzleTarget },
      heater_bed: { temperature: bed, target: 0 },
      toolhead: { axis_maximum: [250, 210, 220, 0] },
    };
  };
  let told: Record<string, Record<string, unknown>> = {};

  /** Only what changed, as Moonraker does. */
  function tellChange(): void {
    const now = objects();
    const change: Record<string, Record<string, unknown>> = {};
    for (const [name, fields] of Object.entries(now)) {
      const changed = Object.entries(fields).filter(
        ([field, value]) => JSON.stringify(told[name]?.[field]) !== JSON.stringify(value),
      );
      if (changed.length > 0) change[name] = Object.fromEntries(changed);
    }
    told = now;
    if (klippy === "ready") notify(subscribers, "notify_status_update", [change, 1]);
    if (printer.state() === "shutdown") notify(door.peers, "notify_klippy_shutdown", []);
  }

  function notify(
    peers: Iterable<WebSocketPeer>,
    method: string,
    params: readonly unknown[],
  ): void {
    const text = JSON.stringify({ jsonrpc: "2.0", method, params });
    for (const peer of peers) {
      for (let time = 0; time < (door.faults.isRepeating ? 2 : 1); time += 1) peer.send(text);
    }
  }

  function carryOut({ method, params = {} }: Call, peer: WebSocketPeer): unknown {
    switch (method) {
      case "server.connection.identify":
        if (params["api_key"] !== key) throw new Refusal("Unauthorized", 401);
        return { connection_id: 1 };
      case "server.info":
        return { klippy_connected: true, klippy_state: klippyState(), moonraker_version: "sim" };
      case "printer.info":
        return {
          state: klippyState(),
          state_message: printer.message(),
          hostname: `${SIMULATED_NAME} of Moonraker`,
          software_version: "v0-simulated",
        };
      case "printer.objects.list":
        return { objects: Object.keys(objects()) };
      case "printer.objects.subscribe":
        subscribers.add(peer);
        told = objects();
        return { eventtime: 1, status: told };
      case "server.history.list":
        return {
          count: printer.history.length,
          jobs: printer.history
            .toReversed()
            .map(({ name, status }) => ({ filename: name, status })),
        };
      case "machine.device_power.devices":
        return { devices: [{ device: "mains", status: "on", type: "gpio" }] };
      case "server.webcams.list":
        return { webcams: [{ name: "bed", enabled: true, stream_url: "/webcam/?action=stream" }] };
      case "server.files.delete_file":
        printer.files.delete(String(params["path"]).replace("gcodes/", ""));
        return {};
      case "printer.print.start":
        return ok(klippyState() === "ready" && printer.begin(String(params["filename"])));
      case "printer.print.pause":
        return ok(printer.pause());
      case "printer.print.resume":
        return ok(printer.resume());
      case "printer.print.cancel":
        return ok(printer.cancel());
      case "printer.emergency_stop":
        printer.halt();
        return "ok";
      case "printer.firmware_restart":
        printer.recover();
        return "ok";
      default:
        throw new Refusal("Method not found", -32_601);
    }
  }

  function take(peer: WebSocketPeer, text: string): void {
    const call = JSON.parse(text) as Call; // the driver under test is trusted to send JSON
    const isCommand = call.method.startsWith("printer.print.");
    const answer = (body: object): void =>
      peer.send(JSON.stringify({ jsonrpc: "2.0", id: call.id, ...body }));
    if (isCommand && takeFault(door.faults, "refuse")) {
      return answer({ error: { code: 400, message: "Refused by a fault" } });
    }
    try {
      const result = carryOut(call, peer);
      if (isCommand && takeFault(door.faults, "loseAnswers")) return door.disconnect();
      answer({ result });
      if (door.faults.isRepeating) answer({ result });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer({ error: { code: error.code, message: error.message } });
    }
  }

  function answer(asked: Asked): Answered {
    if (asked.header("x-api-key") !== key) return { status: 401 };
    if (asked.path !== "/server/files/upload") return { status: 404 };
    const { fields, name, bytes } = readMultipart(asked);
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (fields["checksum"] !== digest) return { status: 422 };
    printer.files.set(name, { bytes });
    const item = { path: name, root: "gcodes", size: bytes.length };
    return { status: 201, json: { item, print_started: false, action: "create_file" } };
  }

  const door = await openHttpDoor({
    answer,
    onSocket: (peer) => (text) => take(peer, text),
  });
  printer.onChange(tellChange);
  return {
    ...door,
    restartKlipper() {
      klippy = "startup";
      printer.powerCycle();
      notify(door.peers, "notify_klippy_disconnected", []);
      klippy = "ready";
      notify(door.peers, "notify_klippy_ready", []);
    },
  };
}

class Refusal extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

function ok(isDone: boolean): "ok" {
  if (isDone) return "ok";
  throw new Refusal("The printer cannot do this now", 400);
}
