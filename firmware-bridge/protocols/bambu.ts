// What a Bambu printer in LAN mode says in its MQTT reports, and what is said to it.
//
// BA1. Some models send only what changed, so reports are merged; trays and other lists of things with
//      an `id` are merged thing by thing.
// BA2. A job is known by `subtask_name`, which is ours: the name of its file.
// BA3. Newer firmware takes commands only signed, unless its owner has turned on LAN-only and developer
//      mode. It says so by a code of its own; that is told as what it is.

import { LIMIT } from "@gantry/shared/base/policy.ts";
import {
  type Facts,
  factsAt,
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
import type { Activity, RemoteStatus } from "./remote.ts";

const SIMULATED = "Gantry simulated printer";
/** print_error of a task that somebody cancelled: 0300-400C. */
const CANCELLED = 0x0300_400c;
/** err_code where a command should have been signed: 0502-4007. BA3 */
const UNSIGNED = 0x0502_4007;
const UNSIGNED_TEXT =
  "The printer takes no commands from us: turn on LAN-only mode and developer mode in its settings";

export type BambuMessage =
  | { readonly kind: "status" }
  | { readonly kind: "answer"; readonly sequence: string; readonly refusal: string | undefined }
  | { readonly kind: "other" };

export interface BambuView {
  /** Undefined for what is no JSON object. */
  take(text: string): BambuMessage | undefined;
  /** It has said its whole status. */
  isWhole(): boolean;
  status(): RemoteStatus;
}

export function makeBambuView(): BambuView {
  let print: Facts = {};
  let version: Facts = {};

  function takePrint(said: Facts): BambuMessage {
    const command = textAt(said, "command");
    if (command === undefined || command === "push_status") {
      print = mergeReport(print, said);
      return { kind: "status" };
    }
    const sequence = sequenceOf(said);
    return sequence === undefined
      ? { kind: "other" }
      : { kind: "answer", sequence, refusal: refusalOf(said) };
  }

  return {
    take(text) {
      const facts = parseFacts(text);
      if (facts === undefined) return undefined;
      if (isFacts(facts["print"])) return takePrint(facts["print"]);
      const info = factsAt(facts, "info");
      if (textAt(info, "command") === "get_version") {
        version = moduleOf(info);
        return { kind: "status" };
      }
      return { kind: "other" };
    },
    isWhole: () => textAt(print, "gcode_state") !== undefined,
    status: () => statusOf(print, version),
  };
}

const sequenceOf = (said: Facts): string | undefined => {
  const number = said["sequence_id"];
  return typeof number === "number" ? String(number) : textAt(said, "sequence_id");
};

function refusalOf(said: Facts): string | undefined {
  if (numberAt(said, "err_code") === UNSIGNED) return UNSIGNED_TEXT;
  const result = (textAt(said, "result") ?? "success").toLowerCase();
  if (result === "success") return undefined;
  return textAt(said, "reason") ?? `it answers ${result}`;
}

/** The main board's, of `info.get_version`. */
const moduleOf = (info: Facts): Facts =>
  listAt(info, "module").find((facts) => facts["name"] === "ota") ?? {};

/** BA1 */
function mergeReport(known: Facts, change: Facts): Facts {
  const merged: Record<string, unknown> = { ...mergeFacts(known, change) };
  for (const [name, value] of Object.entries(merged)) {
    const before = known[name];
    if (!isFacts(value) || !isFacts(before) || !isFacts(change[name])) continue;
    merged[name] = mergeLists(before, value);
  }
  return merged;
}

function mergeLists(before: Facts, after: Facts): Facts {
  const merged: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    merged[name] = Array.isArray(value) && Array.isArray(old) ? mergeById(old, value) : value;
  }
  return merged;
}

function mergeById(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  if (![...before, ...after].every((item) => isFacts(item) && "id" in item)) return after;
  const things = new Map<unknown, Facts>();
  for (const item of [...before, ...after]) {
    if (!isFacts(item)) continue;
    const old = things.get(item["id"]) ?? {};
    things.set(item["id"], mergeLists(old, { ...old, ...item }));
  }
  return [...things.values()].slice(0, LIMIT.printerFacts.max);
}

const ACTIVITY: Readonly<Record<string, Activity>> = {
  IDLE: "idle",
  INIT: "idle",
  SLICING: "heating",
  PREPARE: "heating",
  RUNNING: "printing",
  PAUSE: "paused",
  FINISH: "done",
  FAILED: "failed",
};

function statusOf(print: Facts, version: Facts): RemoteStatus {
  const state = (textAt(print, "gcode_state") ?? "").toUpperCase();
  const said = Object.hasOwn(ACTIVITY, state) ? ACTIVITY[state] : undefined;
  const error = numberAt(print, "print_error") ?? 0;
  const activity = said === "failed" && error === CANCELLED ? "cancelled" : (said ?? "starting");
  const percent = numberAt(print, "mc_percent");
  const minutes = numberAt(print, "mc_remaining_time");
  const product = textAt(version, "product_name");
  const release = textAt(version, "sw_ver");
  const notices = noticesOf(print, error);
  const materials = materialsOf(factsAt(print, "ams"));
  const name = textAt(print, "subtask_name");
  return known<RemoteStatus>({
    activity,
    file: name === "" ? undefined : name, // BA2
    progress: shareOf(percent === undefined ? undefined : percent / 100),
    remainingS: secondsOf(minutes === undefined ? undefined : minutes * 60),
    temperatures: temperaturesAt(
      [print, "nozzle_temper", "nozzle_target_temper"],
      [print, "bed_temper", "bed_target_temper"],
    ),
    fault:
      activity === "failed"
        ? `The printer stopped the print${error === 0 ? "" : ` with ${codeOf(error)}`}`
        : undefined,
    firmware:
      product === undefined && release === undefined
        ? undefined
        : ["Bambu", product, release].filter((word) => word !== undefined).join(" "),
    isSimulated: product?.startsWith(SIMULATED) ?? false,
    notices: notices.length === 0 ? undefined : notices,
    materials: materials.length === 0 ? undefined : materials,
  });
}

/** As Bambu's own pages name them, so that a person can look them up. */
function noticesOf(print: Facts, error: number): string[] {
  const health = listAt(print, "hms").map(
    (facts) =>
      `HMS ${codeOf(numberAt(facts, "attr") ?? 0)}-${codeOf(numberAt(facts, "code") ?? 0)}`,
  );
  const shown = error === 0 || error === CANCELLED ? [] : [`Print error ${codeOf(error)}`];
  return [...new Set([...shown, ...health])].slice(0, LIMIT.printerFacts.max);
}

/** 32 bits as two groups of four hex digits. */
function codeOf(code: number): string {
  const hex = (code >>> 0).toString(16).toUpperCase().padStart(8, "0");
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}

const TRAYS_OF_AMS = 4;

type Materials = NonNullable<RemoteStatus["materials"]>;

function materialsOf(ams: Facts): Materials {
  const now = numberAt(ams, "tray_now");
  const loaded = listAt(ams, "ams").flatMap((unit) =>
    listAt(unit, "tray").flatMap((tray) => {
      const [of, at] = [numberAt(unit, "id"), numberAt(tray, "id")];
      const material = textAt(tray, "tray_type");
      if (of === undefined || at === undefined || !material) return [];
      const color = textAt(tray, "tray_color")?.slice(0, 6);
      const left = numberAt(tray, "remain"); // -1: not known
      const remaining = left === undefined || left < 0 ? undefined : shareOf(left / 100);
      return [
        known<Materials[number]>({
          slot: `${of + 1}-${at + 1}`,
          material: material.slice(0, 40),
          color,
          remaining,
          isActive: now === of * TRAYS_OF_AMS + at,
        }),
      ];
    }),
  );
  return loaded.slice(0, LIMIT.printerFacts.max);
}

// ── what is said to it ──────────────────────────────────────────────────────────────────────────

export const bambuTopics = (serial: string) => ({
  request: `device/${serial}/request`,
  report: `device/${serial}/report`,
});

export const BAMBU_PLATE = "Metadata/plate_1.gcode";

/** The file of a job as it is named in the printer's storage. */
export const bambuFile = (name: string): string => `${name}.3mf`;

const say = (group: string, sequence: string, command: string, more: object = {}): string =>
  JSON.stringify({ [group]: { sequence_id: sequence, command, ...more } });

export const bambuPushAll = (sequence: string): string =>
  say("pushing", sequence, "pushall", { version: 1, push_target: 1 });

export const bambuGetVersion = (sequence: string): string => say("info", sequence, "get_version");

export const bambuCommand = (
  sequence: string,
  command: "pause" | "resume" | "stop" | "clean_print_error",
): string => say("print", sequence, command, { param: "" });

/** Levelling is on, since the plate may have been changed; calibrations are the owner's to ask for. */
export const bambuStart = (sequence: string, name: string, hasAms: boolean): string =>
  say("print", sequence, "project_file", {
    param: BAMBU_PLATE,
    url: `ftp:///${bambuFile(name)}`,
    subtask_name: name, // BA2
    file: "",
    md5: "",
    project_id: "0",
    profile_id: "0",
    task_id: "0",
    subtask_id: "0",
    bed_type: "auto",
    bed_levelling: true,
    flow_cali: false,
    vibration_cali: false,
    layer_inspect: false,
    timelapse: false,
    use_ams: hasAms,
    ams_mapping: hasAms ? [0] : [],
  });

/** The small files of the archive that a plate is sent in (an OPC package, as 3MF is). */
export const bambuPackage = (md5: string): readonly (readonly [name: string, text: string])[] => [
  [
    "[Content_Types].xml",
    `<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/><Default Extension="gcode" ContentType="text/x.gcode"/></Types>`,
  ],
  [
    "_rels/.rels",
    `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Target="/3D/3dmodel.model" Id="rel-1" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>`,
  ],
  [
    "3D/3dmodel.model",
    `<?xml version="1.0" encoding="UTF-8"?><model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources/><build/></model>`,
  ],
  [`${BAMBU_PLATE}.md5`, md5],
];
