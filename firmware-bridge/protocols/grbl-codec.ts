// What Grbl 1.1 says, as events. Bytes in, in any pieces; typed facts out.
//
// GC1. Never throws and never holds more than LINE_BYTES_MAX bytes, whatever comes in.
// GC2. `ok` and `error:N` are whole lines: each answers exactly one line that was sent, so noise must
//      not become one.
// GC3. A status with a field that cannot be read keeps the others.
//
// Texts are those of Grbl 1.1 (doc/markdown/interface.md).

export const GRBL_STATES = [
  "Idle",
  "Run",
  "Hold",
  "Jog",
  "Alarm",
  "Door",
  "Check",
  "Home",
  "Sleep",
] as const;
export type GrblState = (typeof GRBL_STATES)[number];

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Percent. */
export interface Overrides {
  readonly feed: number;
  readonly rapid: number;
  readonly spindle: number;
}

export interface GrblStatus {
  readonly state: GrblState;
  /** Of Hold and Door: 0 is done, 1 is still slowing down. */
  readonly sub?: number;
  /** Millimetres or inches, as `$13` says. One of the two comes. */
  readonly machine?: Point;
  readonly work?: Point;
  readonly offset?: Point;
  readonly plannerFree?: number;
  readonly receiveFree?: number;
  readonly feed?: number;
  readonly spindle?: number;
  /** Letters of the inputs that are on: limits X Y Z, probe P, door D, hold H, reset R, start S. */
  readonly pins?: string;
  readonly overrides?: Overrides;
}

export type GrblEvent =
  | { readonly kind: "ok" }
  | { readonly kind: "error"; readonly code: number }
  | { readonly kind: "alarm"; readonly code: number }
  | { readonly kind: "status"; readonly status: GrblStatus }
  /** After power on, a reset button or a soft reset. */
  | { readonly kind: "welcome"; readonly version: string }
  | { readonly kind: "setting"; readonly number: number; readonly value: number }
  /** `[MSG:...]`, `[GC:...]`, `[PRB:...]` and their like. */
  | { readonly kind: "message"; readonly topic: string; readonly text: string }
  | { readonly kind: "noise"; readonly text: string };

export interface GrblDecoder {
  push(bytes: Uint8Array): GrblEvent[];
}

const LINE_BYTES_MAX = 512;
const LF = 10;
const CR = 13;

export function makeGrblDecoder(): GrblDecoder {
  let held = "";
  return {
    push(bytes) {
      const events: GrblEvent[] = [];
      for (const byte of bytes) {
        if (byte !== LF && byte !== CR) {
          held += String.fromCharCode(byte);
          if (held.length > LINE_BYTES_MAX) held = held.slice(-LINE_BYTES_MAX / 2); // GC1
          continue;
        }
        if (held !== "") events.push(eventOf(held));
        held = "";
      }
      return events;
    },
  };
}

function eventOf(line: string): GrblEvent {
  if (line === "ok") return { kind: "ok" }; // GC2
  const coded = /^(error|ALARM):(\d{1,3})$/.exec(line);
  if (coded !== null) {
    return { kind: coded[1] === "error" ? "error" : "alarm", code: Number(coded[2]) };
  }
  if (line.startsWith("<") && line.endsWith(">")) {
    const status = statusOf(line.slice(1, -1));
    if (status !== undefined) return { kind: "status", status };
  }
  // A reset in the middle of a line glues the welcome to its half.
  const welcome = /Grbl (\d+\.\d+\w?) \['\$' for help\]$/.exec(line);
  if (welcome !== null) return { kind: "welcome", version: welcome[1] ?? "" };
  const setting = /^\$(\d{1,3})=(-?\d{1,9}(?:\.\d{1,6})?)$/.exec(line);
  if (setting !== null) {
    return { kind: "setting", number: Number(setting[1]), value: Number(setting[2]) };
  }
  const message = /^\[([A-Z0-9$.]{1,8}):(.*)\]$/.exec(line);
  if (message !== null) {
    return { kind: "message", topic: message[1] ?? "", text: message[2] ?? "" };
  }
  return { kind: "noise", text: line };
}

const isState = (text: string): text is GrblState =>
  (GRBL_STATES as readonly string[]).includes(text);

/** `Run|MPos:1.000,2.000,0.000|Bf:15,128|FS:500,8000|Pn:XY|Ov:100,100,100|WCO:0.000,0.000,0.000`. */
function statusOf(text: string): GrblStatus | undefined {
  const [head = "", ...fields] = text.split("|");
  const [state = "", sub] = head.split(":");
  if (!isState(state)) return undefined;
  let status: GrblStatus = { state };
  if (sub !== undefined && /^\d$/.test(sub)) status = { ...status, sub: Number(sub) };
  for (const field of fields) status = { ...status, ...factOf(field) };
  return status;
}

/** GC3 */
function factOf(field: string): Partial<GrblStatus> {
  const at = field.indexOf(":");
  const [name, text] = [field.slice(0, at), field.slice(at + 1)];
  const numbers = text
    .split(",")
    .map((part) => (/^-?\d{1,9}(\.\d{1,6})?$/.test(part) ? +part : NaN));
  const [a = NaN, b = NaN, c = NaN] = numbers;
  if (name === "Pn") return /^[XYZABCPDHRS]{1,12}$/.test(text) ? { pins: text } : {};
  if (numbers.some((value) => Number.isNaN(value))) return {};
  if (name === "F") return { feed: a };
  if (Number.isNaN(b)) return {};
  if (name === "Bf") return { plannerFree: a, receiveFree: b };
  if (name === "FS") return { feed: a, spindle: b };
  if (Number.isNaN(c)) return {};
  if (name === "MPos") return { machine: { x: a, y: b, z: c } };
  if (name === "WPos") return { work: { x: a, y: b, z: c } };
  if (name === "WCO") return { offset: { x: a, y: b, z: c } };
  return name === "Ov" ? { overrides: { feed: a, rapid: b, spindle: c } } : {};
}
