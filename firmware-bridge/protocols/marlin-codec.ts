// What Marlin says, as events. Bytes in, in any pieces; typed facts out.
//
// MC1. Never throws and never holds more than LINE_BYTES_MAX bytes, whatever comes in.
// MC2. `ok` is only what begins a line and ends as a word: noise does not become an `ok`.
// MC3. A reset that cuts a line in two (`T:36.29 /60.00start`) is still seen.
//
// Texts are those of Marlin bugfix-2.1.x (queue.cpp, M115.cpp, temperature.cpp).

export interface Reading {
  /** Degrees Celsius. */
  readonly nozzleC?: number;
  readonly nozzleTargetC?: number;
  readonly bedC?: number;
  readonly bedTargetC?: number;
  /** 0..127. */
  readonly nozzleDuty?: number;
  readonly bedDuty?: number;
}

export interface Position {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly e: number;
}

export type MarlinEvent =
  | {
      readonly kind: "ok";
      /** With ADVANCED_OK: line number, free planner slots, free command slots. */
      readonly n?: number;
      readonly p?: number;
      readonly b?: number;
      readonly reading?: Reading;
    }
  | { readonly kind: "resend"; readonly n: number }
  | { readonly kind: "busy"; readonly why: string }
  | { readonly kind: "wait" }
  | { readonly kind: "reading"; readonly reading: Reading }
  | { readonly kind: "position"; readonly position: Position }
  | { readonly kind: "action"; readonly action: string }
  | { readonly kind: "start" }
  | { readonly kind: "firmware"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "cap"; readonly name: string; readonly isOn: boolean }
  | { readonly kind: "area"; readonly sizeMm: { x: number; y: number; z: number } }
  /** Not the end by itself: a line was not understood (a `resend` says which), or a word is unknown. */
  | { readonly kind: "error"; readonly text: string }
  /** The firmware has stopped. All of these end in `kill() called`, so noise hides none of them. */
  | { readonly kind: "fatal"; readonly text: string }
  | { readonly kind: "echo"; readonly text: string }
  | { readonly kind: "noise"; readonly text: string };

export interface MarlinDecoder {
  push(bytes: Uint8Array): MarlinEvent[];
}

/** Marlin's longest line, the one of M115, has about 400 bytes. */
const LINE_BYTES_MAX = 1_024;
const LF = 10;
const CR = 13;

export function makeMarlinDecoder(): MarlinDecoder {
  let held = "";
  return {
    push(bytes) {
      const events: MarlinEvent[] = [];
      for (const byte of bytes) {
        if (byte !== LF && byte !== CR) {
          held += String.fromCharCode(byte);
          if (held.length > LINE_BYTES_MAX) held = held.slice(-LINE_BYTES_MAX / 2); // MC1
          continue;
        }
        if (held !== "") events.push(...eventsOf(held));
        held = "";
      }
      return events;
    },
  };
}

const OK = /^ok(?=$|[\s:])/;
const RESEND = /^(?:Resend|rs)\s*:?\s*N?(\d{1,9})\b/i;
const FATAL =
  /kill\(\)|halted|Heating failed|Thermal Runaway|(?:MAX|MIN)TEMP|Homing Failed|Probing Failed|STOP called/i;
const BANNER = /^(?:PowerUp|External Reset|Brown out Reset|Watchdog Reset|Software Reset)\b/;

/** One line, without its end. Mostly one event; a glued `start` gives two. */
function eventsOf(line: string): MarlinEvent[] {
  if (line === "start" || BANNER.test(line)) return [{ kind: "start" }];
  if (line.endsWith("start") && !line.includes("echo")) {
    return [...eventsOf(line.slice(0, -"start".length)), { kind: "start" }]; // MC3
  }
  const text = line.trim();
  if (OK.test(text)) return [okOf(text)]; // MC2
  const resend = RESEND.exec(text);
  if (resend !== null) return [{ kind: "resend", n: Number(resend[1]) }];
  if (text === "wait") return [{ kind: "wait" }];
  if (text.startsWith("echo:busy:")) return [{ kind: "busy", why: text.slice(10).trim() }];
  if (text.startsWith("//action:")) return [{ kind: "action", action: text.slice(9).trim() }];
  if (text.startsWith("Error:") || text.startsWith("!!")) return [errorOf(text)];
  return [factOf(text)];
}

/** What is neither an answer nor an error. */
function factOf(text: string): MarlinEvent {
  if (text.startsWith("FIRMWARE_NAME:")) return { kind: "firmware", fields: fieldsOf(text) };
  const cap = /^Cap:([A-Z_]{1,40}):([01])$/.exec(text);
  if (cap !== null) return { kind: "cap", name: cap[1] ?? "", isOn: cap[2] === "1" };
  if (text.startsWith("area:")) {
    const sizeMm = areaOf(text);
    if (sizeMm !== undefined) return { kind: "area", sizeMm };
  }
  if (/^X:\s*-?\d/.test(text)) {
    const position = positionOf(text);
    if (position !== undefined) return { kind: "position", position };
  }
  const reading = readingOf(text);
  if (reading !== undefined) return { kind: "reading", reading };
  return text.startsWith("echo:") ? { kind: "echo", text: text.slice(5).trim() } : noise(text);
}

const noise = (text: string): MarlinEvent => ({ kind: "noise", text });

function okOf(text: string): MarlinEvent {
  const reading = readingOf(text);
  const numbers = /^ok N(\d{1,9})(?: P(\d{1,3}))?(?: B(\d{1,3}))?$/.exec(text);
  return {
    kind: "ok",
    ...(numbers?.[1] === undefined ? {} : { n: Number(numbers[1]) }),
    ...(numbers?.[2] === undefined ? {} : { p: Number(numbers[2]) }),
    ...(numbers?.[3] === undefined ? {} : { b: Number(numbers[3]) }),
    ...(reading === undefined ? {} : { reading }),
  };
}

function errorOf(line: string): MarlinEvent {
  const text = line.replace(/^(?:Error:|!!)\s*/, "");
  return { kind: FATAL.test(text) ? "fatal" : "error", text };
}

const HEATER = /(?:^|\s)(T0?|B):\s*(-?\d{1,4}(?:\.\d{1,4})?)\s*\/\s*(-?\d{1,4}(?:\.\d{1,4})?)/g;

/** `T:21.25 /0.00 B:21.25 /0.00 @:0 B@:0`. Some firmwares call the only nozzle T0. */
function readingOf(text: string): Reading | undefined {
  let reading: Reading | undefined;
  for (const [, heater, nowC, targetC] of text.matchAll(HEATER)) {
    const values =
      heater === "B"
        ? { bedC: Number(nowC), bedTargetC: Number(targetC) }
        : { nozzleC: Number(nowC), nozzleTargetC: Number(targetC) };
    reading = { ...reading, ...values };
  }
  const duty = /(?:^|\s)@:(\d{1,3})(?:\s|$)/.exec(text);
  if (reading !== undefined && duty !== null) reading = { ...reading, nozzleDuty: Number(duty[1]) };
  const bedDuty = /(?:^|\s)B@:(\d{1,3})(?:\s|$)/.exec(text);
  if (reading !== undefined && bedDuty !== null) {
    reading = { ...reading, bedDuty: Number(bedDuty[1]) };
  }
  return reading;
}

function positionOf(text: string): Position | undefined {
  const found = /^X:\s*(-?[\d.]+)\s+Y:\s*(-?[\d.]+)\s+Z:\s*(-?[\d.]+)(?:\s+E:\s*(-?[\d.]+))?/.exec(
    text,
  );
  if (found === null) return undefined;
  const [x = 0, y = 0, z = 0, e = 0] = found.slice(1).map((digits) => Number(digits ?? 0));
  return [x, y, z, e].every(Number.isFinite) ? { x, y, z, e } : undefined;
}

/** `FIRMWARE_NAME:Marlin 2.1 SOURCE_CODE_URL:... MACHINE_TYPE:Ender-3 V2 EXTRUDER_COUNT:1`. */
function fieldsOf(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  const names = [...text.matchAll(/(?:^|\s)([A-Z][A-Z_]{2,40}):/g)];
  for (const [index, match] of names.entries()) {
    const from = match.index + match[0].length;
    const to = names[index + 1]?.index ?? text.length;
    fields[match[1] ?? ""] = text.slice(from, to).trim();
  }
  return fields;
}

/** `area:{full:{min:{x:0.0000,y:0,z:0},max:{x:220,y:220,z:250}},work:{...}}`. */
function areaOf(text: string): { x: number; y: number; z: number } | undefined {
  const full = /full:\{min:\{[^}]*\},max:\{x:([\d.]+),y:([\d.]+),z:([\d.]+)\}/.exec(text);
  if (full === null) return undefined;
  const [x = 0, y = 0, z = 0] = full.slice(1).map(Number);
  return [x, y, z].every((size) => Number.isFinite(size) && size > 0) ? { x, y, z } : undefined;
}
