// Test equipment: an OctoPrint with a printer behind it, written from its documented REST API. It says
// that it is simulated in the text of `/api/version`.

import type { SimulatedDevice } from "./faults.ts";
import { type FilePrinter, SIMULATED_NAME } from "./file-printer.ts";
import { type Answered, type Asked, openHttpDoor, readMultipart } from "./http-door.ts";

const NO_CONTENT: Answered = { status: 204 };
const CONFLICT: Answered = { status: 409 };
const FILES = "/api/files/local";

const done = (isDone: boolean): Answered => (isDone ? NO_CONTENT : CONFLICT);

export async function openSimulatedOctoprint(
  printer: FilePrinter,
  key: string,
): Promise<SimulatedDevice> {
  function state(): { readonly text: string; readonly flags: Readonly<Record<string, boolean>> } {
    const now = printer.state();
    const isDown = now === "shutdown" || now === "error";
    const text = { printing: "Printing", paused: "Paused" }[now as "printing" | "paused"];
    return {
      text: isDown ? "Error" : (text ?? "Operational"),
      flags: {
        operational: !isDown,
        printing: now === "printing",
        paused: now === "paused",
        error: isDown,
        closedOrError: isDown,
        ready: !isDown && text === undefined,
      },
    };
  }

  function job(): object {
    const isOver = ["cancelled", "standby"].includes(printer.state());
    return {
      job: {
        file: { name: printer.file() ?? null, path: printer.file() ?? null, origin: "local" },
      },
      progress: { completion: isOver ? null : printer.progress() * 100, printTimeLeft: 60 },
      state: state().text,
      ...(state().flags["error"] === true ? { error: printer.message() } : {}),
    };
  }

  function fileFacts(name: string): Answered {
    const past = printer.history.filter((one) => one.name === name).at(-1);
    if (!printer.files.has(name)) return { status: 404 };
    const isOver = past !== undefined && !["in_progress", "interrupted"].includes(past.status);
    const last = { date: 1, success: past?.status === "completed" };
    return { status: 200, json: { name, ...(isOver ? { prints: { last } } : {}) } };
  }

  function onFile(name: string, { method, body }: Asked): Answered {
    if (method === "GET") return fileFacts(name);
    if (method === "DELETE") return printer.files.delete(name) ? NO_CONTENT : { status: 404 };
    const { command, print } = JSON.parse(body.toString()) as { command: string; print: boolean };
    return done(command === "select" && print && printer.begin(name));
  }

  function onJob(body: Buffer): Answered {
    const { command, action } = JSON.parse(body.toString()) as { command: string; action?: string };
    if (command === "cancel") return done(printer.cancel());
    return done(action === "pause" ? printer.pause() : printer.resume());
  }

  function answer(asked: Asked): Answered {
    const { method, path, body } = asked;
    if (asked.header("x-api-key") !== key) return { status: 403 };
    if (path.startsWith(`${FILES}/`)) return onFile(path.slice(FILES.length + 1), asked);
    switch (`${method} ${path}`) {
      case "GET /api/version":
        return { status: 200, json: { api: "0.1", text: `OctoPrint 1.0 (${SIMULATED_NAME})` } };
      case "GET /api/settings":
        return { status: 200, json: { webcam: { streamUrl: "/webcam/?action=stream" } } };
      case "GET /api/printer": {
        const { nozzle, nozzleTarget, bed } = printer.heat();
        const temperature = {
          tool0: { actual: nozzle, target: nozzleTarget },
          bed: { actual: bed, target: 0 },
        };
        return { status: 200, json: { temperature, state: state() } };
      }
      case "GET /api/job":
        return { status: 200, json: job() };
      case "POST /api/job":
        return onJob(body);
      case `POST ${FILES}`: {
        const { name, bytes } = readMultipart(asked);
        printer.files.set(name, { bytes });
        return { status: 201, json: { done: true, files: { local: { name, path: name } } } };
      }
      case "POST /api/printer/command":
        if (body.toString().includes('"M112"')) printer.halt();
        return NO_CONTENT;
      case "POST /api/connection":
        printer.recover();
        return NO_CONTENT;
      default:
        return { status: 404 };
    }
  }

  return openHttpDoor({ answer });
}
