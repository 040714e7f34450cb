// Test equipment: a PrusaLink, written from its documented API v1, with digest authentication. It says
// that it is simulated in the text of `/api/version`.

import { createHash } from "node:crypto";
import type { SimulatedDevice } from "./faults.ts";
import { type FilePrinter, type FilePrinterState, SIMULATED_NAME } from "./file-printer.ts";
import { type Answered, type Asked, openHttpDoor } from "./http-door.ts";

const STATES: Readonly<Record<FilePrinterState, string>> = {
  standby: "IDLE",
  printing: "PRINTING",
  paused: "PAUSED",
  complete: "FINISHED",
  cancelled: "STOPPED",
  error: "ERROR",
  shutdown: "STOPPED",
};
const FILES = "/api/v1/files/usb/";
const NO_CONTENT: Answered = { status: 204 };

export interface SimulatedPrusalinkOptions {
  readonly user: string;
  readonly password: string;
  /** Each nonce is good for so many requests. */
  readonly usesMax: number;
}

export async function openSimulatedPrusalink(
  printer: FilePrinter,
  options: SimulatedPrusalinkOptions,
): Promise<SimulatedDevice> {
  const { user, password, usesMax } = options;
  let nonces = 1;
  let uses = 0;

  const challenge = (): Answered => {
    nonces += 1;
    uses = 0;
    const header = `Digest realm="Printer API", nonce="n${nonces}", stale=false, qop="auth"`;
    return { status: 401, headers: { "www-authenticate": header } };
  };

  function isKnown(asked: Asked): boolean {
    const { method } = asked;
    const sent = asked.header("authorization");
    const field = (name: string): string =>
      new RegExp(`[ ,]${name}="?([^",]*)`).exec(sent)?.[1] ?? "";
    const secret = md5(`${user}:Printer API:${password}`);
    const what = md5(`${method}:${field("uri")}`);
    const counted = `n${nonces}:${field("nc")}:${field("cnonce")}:auth`;
    uses += 1;
    return uses <= usesMax && field("response") === md5(`${secret}:${counted}:${what}`);
  }

  const number = (): number | undefined =>
    printer.file() === undefined ? undefined : printer.starts.length;

  function status(): object {
    const { nozzle, nozzleTarget, bed } = printer.heat();
    const id = number();
    return {
      ...(id === undefined ? {} : { job: { id, progress: printer.progress() * 100 } }),
      printer: {
        state: STATES[printer.state()],
        temp_nozzle: nozzle,
        target_nozzle: nozzleTarget,
        temp_bed: bed,
        target_bed: 0,
        status_printer: { ok: printer.state() !== "error", message: printer.message() },
      },
    };
  }

  /** The short name of an old file system, and the one that is shown. */
  function job(): Answered {
    const id = number();
    const file = printer.file();
    if (id === undefined || file === undefined) return NO_CONTENT;
    const shown = { name: "GANTRY~1.GCO", display_name: file, path: "/usb" };
    return { status: 200, json: { id, state: STATES[printer.state()], file: shown } };
  }

  function onFile(name: string, asked: Asked): Answered {
    const { method, body } = asked;
    if (method === "PUT") {
      if (printer.files.has(name) && asked.header("overwrite") !== "?1") return { status: 409 };
      printer.files.set(name, { bytes: body });
      return { status: 201 };
    }
    if (!printer.files.has(name)) return { status: 404 };
    if (method === "DELETE") return done(printer.files.delete(name));
    return done(method === "POST" && printer.begin(name));
  }

  function onJob(what: string): Answered {
    const id = number();
    if (what === `DELETE /api/v1/job/${id}`) {
      printer.halt();
      return done(true);
    }
    if (what === `PUT /api/v1/job/${id}/pause`) return done(printer.pause());
    return done(what === `PUT /api/v1/job/${id}/resume` && printer.resume());
  }

  function answer(asked: Asked): Answered {
    if (!isKnown(asked)) return challenge();
    const { method, path } = asked;
    if (path.startsWith(FILES)) return onFile(path.slice(FILES.length), asked);
    if (path.startsWith("/api/v1/job/")) return onJob(`${method} ${path}`);
    switch (`${method} ${path}`) {
      case "GET /api/version":
        return { status: 200, json: { api: "2.0.0", text: `PrusaLink (${SIMULATED_NAME})` } };
      case "GET /api/v1/storage":
        return {
          status: 200,
          json: {
            storage_list: [{ path: "/usb", type: "USB", available: true, read_only: false }],
          },
        };
      case "GET /api/v1/status":
        return { status: 200, json: status() };
      case "GET /api/v1/job":
        return job();
      default:
        return { status: 404 };
    }
  }

  return openHttpDoor({ answer });
}

const done = (isDone: boolean): Answered => (isDone ? NO_CONTENT : { status: 409 });

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
