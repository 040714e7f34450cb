// What a slicer reads of an OctoPrint: who it is, what the printer does, what it prints. Read off our
// own devices and prints; nothing is kept here.
//
// ST1. Numbers that we do not know are null or left out, never made up.
// ST2. `start` and `restart` are refused: a print begins with the right person's word, not a slicer's.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import type { PrintView } from "@gantry/shared/contract/schemas/prints.ts";
import type { DoorContext, DoorDeps, Handler } from "../door.ts";
import { readRequest } from "../input.ts";
import { jsonReply } from "../routes/plain.ts";
import { askDesk, choosePrinter, chosenDevice } from "./choose.ts";
import { fileView, filesOf, printNamed } from "./files.ts";

/** The last of the versions whose replies have these shapes. */
const OCTOPRINT = "1.11.0";

/** The last of Ollama's whose replies have the shapes of hub/http/ollama. */
const OLLAMA = "0.12.0";

/** Two products ask this path and each reads its own fields: `version` is Ollama's. */
export const slicerVersion = (): Handler => () =>
  jsonReply(
    { api: "0.1", server: OCTOPRINT, text: `OctoPrint ${OCTOPRINT} (Gantry)`, version: OLLAMA },
    200,
  );

export const slicerServer = (): Handler => () =>
  jsonReply({ version: OCTOPRINT, safemode: null }, 200);

export const slicerUser: Handler = (c) => {
  const actor = c.get("actor");
  const [name, role] = [actor?.person ?? null, actor?.role];
  return jsonReply({ name, active: true, user: true, admin: role === "admin", groups: [] }, 200);
};

/** The body may hold a password: it is not looked at, the key is what counts. */
export const slicerLogin: Handler = async (c) => {
  await readRequest(c, "slicerLogin");
  return slicerUser(c);
};

export const slicerSettings =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const name = await choosePrinter(deps, c);
    const feature = { sdSupport: false, temperatureGraph: false };
    const webcam = { webcamEnabled: false, streamUrl: "", snapshotUrl: "" };
    return jsonReply({ appearance: { name }, feature, webcam, plugins: {} }, 200);
  };

export const slicerProfiles =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { id, type, sizeMm, bedMaxC } = await chosenDevice(deps, c);
    const volume = { width: sizeMm.x, depth: sizeMm.y, height: sizeMm.z };
    const profile = {
      id: "_default",
      name: id,
      model: type,
      current: true,
      default: true,
      heatedBed: bedMaxC > 0,
      volume: { ...volume, formFactor: "rectangular", origin: "lowerleft" },
    };
    return jsonReply({ profiles: { _default: profile } }, 200);
  };

export const slicerPrinter =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const device = await chosenDevice(deps, c);
    if (!device.online) throw new GantryError("device_offline", `${device.id} does not answer`);
    const { temperatures } = device;
    const temperature =
      temperatures === undefined
        ? {}
        : {
            tool0: gauge(temperatures.nozzleC, temperatures.nozzleTargetC),
            bed: gauge(temperatures.bedC, temperatures.bedTargetC),
          };
    return jsonReply({ temperature, sd: { ready: false }, state: stateOf(device) }, 200);
  };

const gauge = (actual: number, target: number): unknown => ({ actual, target, offset: 0 });

function stateOf({ phase }: DeviceView): unknown {
  const isPrinting = ["heating", "printing", "finishing"].includes(phase);
  const isPaused = phase === "paused";
  const isError = phase === "fault" || phase === "stopped";
  const isOperational = isPrinting || isPaused || phase === "idle";
  return {
    text: textOf(phase),
    flags: {
      operational: isOperational,
      printing: isPrinting,
      paused: isPaused,
      ready: phase === "idle",
      error: isError,
      closedOrError: !isOperational,
      cancelling: false,
      pausing: false,
      resuming: false,
      finishing: phase === "finishing",
      sdReady: false,
    },
  };
}

function textOf(phase: string): string {
  if (phase === "idle") return "Operational";
  if (phase === "heating" || phase === "printing") return "Printing";
  return phase.charAt(0).toUpperCase() + phase.slice(1);
}

export const slicerJob =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const device = await chosenDevice(deps, c);
    const print = await printOn(deps, c, device);
    const state = device.online ? textOf(device.phase) : "Offline";
    return jsonReply({ ...jobOf(print), state }, 200);
  };

async function printOn(
  deps: DoorDeps,
  c: DoorContext,
  { job }: DeviceView,
): Promise<PrintView | undefined> {
  if (job === undefined) return undefined;
  return (await askDesk(deps, c, "print", { params: { id: job } })) as PrintView;
}

function jobOf(print: PrintView | undefined): object {
  if (print === undefined) {
    const file = { name: null, path: null, origin: null, size: null, date: null };
    const progress = { completion: null, filepos: null, printTime: null, printTimeLeft: null };
    return { job: { file, estimatedPrintTime: null, filament: null }, progress };
  }
  const { progress, gcode, startedAt, remainingS } = print;
  const file = fileView(print);
  const startedMs = startedAt === undefined ? undefined : Date.parse(startedAt);
  return {
    job: { file, user: print.by, ...analysisOf(print) },
    progress: {
      completion: progress * 100,
      filepos: Math.round(progress * gcode.sizeBytes),
      printTime: null,
      printTimeLeft: remainingS ?? null,
      ...(startedMs === undefined ? {} : { startedAt: Math.floor(startedMs / 1_000) }),
    },
  };
}

const analysisOf = ({ estimatedS, gcode }: PrintView): object => ({
  estimatedPrintTime: estimatedS,
  filament: {
    tool0: { length: gcode.filamentMm, volume: gcode.analysis?.filament.volumeCm3 ?? null },
  },
});

const WISHES = { pause: "printPaused", resume: "printResumed", cancel: "printCancelled" } as const;

export const slicerJobAsked =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { body } = await readRequest(c, "slicerJobAsked");
    const { command, action } = body as { readonly command: string; readonly action?: string };
    const device = await chosenDevice(deps, c);
    const wish = wishOf(command, action, device.phase === "paused");
    if (wish === undefined || device.job === undefined) {
      const hint = "Prints start by a confirmation: in the console, or with npx gantry confirm."; // ST2
      throw new GantryError("conflict", `${device.id} cannot ${command.slice(0, 40)} now`, {
        details: { hint },
      });
    }
    await askDesk(deps, c, WISHES[wish], { params: { id: device.job } });
    return new Response(null, { status: 204 });
  };

/** OctoPrint before 1.3 had `pause` alone, which toggles; Cura still sends it. */
function wishOf(
  command: string,
  action: string | undefined,
  isPaused: boolean,
): keyof typeof WISHES | undefined {
  if (command === "cancel") return "cancel";
  if (command !== "pause") return undefined;
  if (action === "pause" || action === "resume") return action;
  return isPaused ? "resume" : "pause";
}

export const slicerFiles =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const files = (await filesOf(deps, c)).map((print) => ({
      ...fileView(print),
      gcodeAnalysis: analysisOf(print),
    }));
    return jsonReply({ files }, 200);
  };

export const slicerFile =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const print = await printNamed(deps, c);
    return jsonReply({ ...fileView(print), gcodeAnalysis: analysisOf(print) }, 200);
  };

export const slicerFileAsked =
  (deps: DoorDeps): Handler =>
  async (c) => {
    const { body } = await readRequest(c, "slicerFileAsked");
    const { command, print } = body as { readonly command: string; readonly print?: boolean };
    if (command !== "select") {
      throw new GantryError("bad_request", `${command.slice(0, 40)} is not done to files here`);
    }
    const { id } = await printNamed(deps, c);
    if (print === true) {
      const printer = await choosePrinter(deps, c);
      await askDesk(deps, c, "printAgain", { params: { id }, body: { printer } });
    }
    return new Response(null, { status: 204 });
  };
