// What Moonraker says, as JSON-RPC 2.0 over a WebSocket: replies, notifications, and the state of
// Klipper's objects, of which only what changed is sent.
//
// MK1. A message of an unknown shape is dropped: newer versions say more. Text that is no JSON object
//      means that something was lost, so nothing that was merged can be believed any more.
// MK2. A new subscription gives whole objects and replaces what was known; a change is merged into it.
// MK3. While Klipper is not ready, its objects are old: only its own word about itself counts.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import {
  type Facts,
  factsAt,
  flagAt,
  isFacts,
  known,
  listAt,
  mergeFacts,
  numberAt,
  parseFacts,
  secondsOf,
  shareOf,
  temperaturesAt,
  textAt,
} from "./facts.ts";
import type { Activity, Outcome, RemoteStatus } from "./remote.ts";

export type MoonrakerMessage =
  | { readonly kind: "reply"; readonly id: number; readonly result: unknown }
  | {
      readonly kind: "refusal";
      readonly id: number;
      readonly code: number;
      readonly message: string;
    }
  | { readonly kind: "notice"; readonly method: string; readonly params: readonly unknown[] }
  | { readonly kind: "other" };

/** MK1: undefined for what is no JSON object. */
export function parseMoonraker(text: string): MoonrakerMessage | undefined {
  const facts = parseFacts(text);
  if (facts === undefined) return undefined;
  const { id } = facts;
  if (typeof id === "number" && isFacts(facts["error"])) {
    const error = facts["error"];
    const message = textAt(error, "message") ?? "refused without a reason";
    return { kind: "refusal", id, code: numberAt(error, "code") ?? 0, message };
  }
  if (typeof id === "number" && "result" in facts) {
    return { kind: "reply", id, result: facts["result"] };
  }
  const method = textAt(facts, "method");
  if (method === undefined || id !== undefined) return { kind: "other" };
  const params = Array.isArray(facts["params"]) ? (facts["params"] as readonly unknown[]) : [];
  return { kind: "notice", method, params };
}

/** The objects that are subscribed to; null is all of an object. */
export const MOONRAKER_OBJECTS = {
  webhooks: null,
  print_stats: null,
  virtual_sdcard: ["progress", "is_active"],
  display_status: ["progress", "message"],
  extruder: ["temperature", "target"],
  heater_bed: ["temperature", "target"],
  toolhead: ["axis_maximum"],
} as const;

const SIMULATED = "Gantry simulated printer";

export interface MoonrakerView {
  /** Klipper's own state, as `server.info` or `printer.info` says it. */
  klippy(state: string | undefined, message?: string): void;
  isReady(): boolean;
  /** Of `printer.info`. */
  identify(info: Facts): void;
  /** MK2 */
  subscribed(objects: Facts): void;
  changed(objects: unknown): void;
  /** Of `machine.device_power.devices`; `isWhole` false for one device that changed. */
  power(devices: readonly Facts[], isWhole: boolean): void;
  /** Of `server.webcams.list`. `origin`: the web server of the printer. */
  webcams(list: readonly Facts[], origin: string): void;
  status(): RemoteStatus;
}

export function makeMoonrakerView(): MoonrakerView {
  let klippyState: string | undefined;
  let klippyMessage: string | undefined;
  let info: Facts = {};
  let objects: Facts = {};
  let outlets: Readonly<Record<string, boolean>> = {};
  let webcamUrl: string | undefined;

  const state = (): string | undefined =>
    klippyState === "ready"
      ? (textAt(factsAt(objects, "webhooks"), "state") ?? klippyState)
      : klippyState;

  return {
    klippy(said, message) {
      klippyMessage = message ?? (said === klippyState ? klippyMessage : undefined);
      klippyState = said;
    },
    isReady: () => state() === "ready",
    identify(facts) {
      info = facts;
    },
    subscribed(facts) {
      objects = facts;
    },
    changed(change) {
      if (isFacts(change)) objects = mergeFacts(objects, change);
    },
    power(devices, isWhole) {
      const seen = devices.flatMap((facts) => {
        const name = textAt(facts, "device");
        return name === undefined ? [] : [[name.slice(0, 100), facts["status"] === "on"] as const];
      });
      const merged = [...(isWhole ? [] : Object.entries(outlets)), ...seen];
      outlets = Object.fromEntries(merged.slice(0, LIMIT.printerFacts.max));
    },
    webcams(list, origin) {
      const camera = list.find((facts) => facts["enabled"] !== false);
      const address = camera === undefined ? undefined : textAt(camera, "stream_url");
      webcamUrl = address === undefined ? undefined : publicUrl(address, origin);
    },
    status() {
      const firmware = textAt(info, "software_version");
      const power = Object.entries(outlets).map(([name, isOn]) => ({ name, isOn }));
      return known<RemoteStatus>({
        ...jobOf(objects, state() ?? "disconnected", klippyMessage),
        firmware: firmware === undefined ? undefined : `Klipper ${firmware}`,
        isSimulated: textAt(info, "hostname")?.startsWith(SIMULATED) ?? false,
        sizeMm: sizeOf(factsAt(objects, "toolhead")),
        power: power.length === 0 ? undefined : power,
        webcamUrl,
      });
    },
  };
}

const ACTIVITY: Readonly<Record<string, Activity>> = {
  standby: "idle",
  printing: "printing",
  paused: "paused",
  complete: "done",
  cancelled: "cancelled",
  error: "failed",
};

type JobFields = Pick<RemoteStatus, "activity"> & {
  readonly [K in "file" | "progress" | "remainingS" | "temperatures" | "fault" | "notices"]?:
    | RemoteStatus[K]
    | undefined;
};

function jobOf(objects: Facts, klippy: string, klippyMessage: string | undefined): JobFields {
  const webhooks = factsAt(objects, "webhooks");
  const said = textAt(webhooks, "state_message") ?? klippyMessage;
  if (klippy === "error" || klippy === "shutdown") {
    return { activity: "fault", fault: oneLine(said) ?? `Klipper is in ${klippy}` };
  }
  if (klippy !== "ready") return { activity: "starting" }; // MK3
  const stats = factsAt(objects, "print_stats");
  const state = textAt(stats, "state") ?? "";
  const activity = Object.hasOwn(ACTIVITY, state) ? ACTIVITY[state] : undefined;
  const progress = shareOf(
    numberAt(factsAt(objects, "virtual_sdcard"), "progress") ??
      numberAt(factsAt(objects, "display_status"), "progress"),
  );
  const message = oneLine(textAt(factsAt(objects, "display_status"), "message"));
  const file = textAt(stats, "filename");
  return {
    activity: activity ?? "starting",
    file: file === "" ? undefined : file,
    progress,
    remainingS: remainingOf(progress, numberAt(stats, "print_duration")),
    temperatures: temperaturesAt(
      [factsAt(objects, "extruder"), "temperature", "target"],
      [factsAt(objects, "heater_bed"), "temperature", "target"],
    ),
    fault: activity === "failed" ? oneLine(textAt(stats, "message")) : undefined,
    notices: message === undefined ? undefined : [message],
  };
}

const oneLine = (text: string | undefined): string | undefined => {
  const line = text?.replaceAll(/\s+/g, " ").trim();
  return line === "" ? undefined : line;
};

const SURE_SHARE = 0.02;

/** Below two percent the quotient says nothing. */
const remainingOf = (progress: number | undefined, printedS: number | undefined) =>
  progress === undefined || printedS === undefined || progress < SURE_SHARE
    ? undefined
    : secondsOf(printedS / progress - printedS);

const isLength = (value: unknown): value is number =>
  typeof value === "number" && value >= 10 && value <= 10_000;

function sizeOf(toolhead: Facts): RemoteStatus["sizeMm"] {
  const axes = toolhead["axis_maximum"];
  if (!Array.isArray(axes)) return undefined;
  const [x, y, z] = axes as readonly unknown[];
  return isLength(x) && isLength(y) && isLength(z) ? { x, y, z } : undefined;
}

/** Without the name and password that an address may carry. */
export function publicUrl(address: string, origin: string): string | undefined {
  const url = URL.parse(address, origin);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  url.username = "";
  url.password = "";
  return url.href.length > 2_000 ? undefined : url.href;
}

const REMEMBERED: Readonly<Record<string, Outcome>> = {
  in_progress: "running",
  completed: "done",
  cancelled: "cancelled",
  error: "failed",
  klippy_shutdown: "failed",
  klippy_disconnect: "failed",
};

/** Of `server.history.list`, newest first. */
export function moonrakerOutcome(result: unknown, name: string): Outcome {
  const job = listAt(isFacts(result) ? result : {}, "jobs").find(
    (facts) => facts["filename"] === name,
  );
  const status = job === undefined ? undefined : textAt(job, "status");
  return (
    (status !== undefined && Object.hasOwn(REMEMBERED, status) && REMEMBERED[status]) || "unknown"
  );
}

/** Of `server.files.upload`: whether the file is there and was not started. */
export const isUploaded = (body: string, name: string): boolean => {
  const facts = parseFacts(body) ?? {};
  const result = isFacts(facts["result"]) ? facts["result"] : facts;
  return textAt(factsAt(result, "item"), "path") === name && !flagAt(result, "print_started");
};
