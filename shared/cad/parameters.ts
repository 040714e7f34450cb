// The parameters of a part: their kinds, their ranges, and how values from outside become values that
// may stand in a program. Pure.
//
// CP1. What a check lets through is whole: every parameter has a value of its kind and within its
//      range, and there is no other.
// CP2. Lengths and angles are rounded to RESOLUTION: two requests that no printer could tell apart
//      give the same source, and so the same file.
// CP3. Text holds characters of TEXT only: there is none with which it could leave its quotes.

import { GantryError } from "../base/errors.ts";

/** Unit of lengths: mm. Unit of angles: degrees. */
export type ParameterSpec =
  | {
      readonly kind: "length" | "angle" | "count";
      readonly title: string;
      readonly min: number;
      readonly max: number;
      readonly default: number;
      /** How people name it: "8 mm high", "height 8". */
      readonly words?: readonly string[];
      /** The hole for a screw: "for M4" sets it to the clearance hole (ISO 273, medium). */
      readonly isScrewHole?: boolean;
    }
  | {
      readonly kind: "flag";
      readonly title: string;
      readonly default: boolean;
      readonly words?: readonly string[];
    }
  | {
      readonly kind: "choice";
      readonly title: string;
      readonly options: readonly [string, ...string[]];
      readonly default: string;
    }
  | {
      readonly kind: "text";
      readonly title: string;
      readonly charsMax: number;
      readonly default: string;
    };

export type ParameterValue = number | boolean | string;
export type ParameterValues = Readonly<Record<string, ParameterValue>>;
export type ParameterSpecs = Readonly<Record<string, ParameterSpec>>;

export interface ParameterFault {
  readonly path: string;
  readonly message: string;
}

const RESOLUTION = 1_000; // of a mm, of a degree
const TEXT = /^[\p{L}\p{N} .,:;+#&()/!?%@=_-]*$/u; // CP3: no quote, no backslash, no line end

/** CP1. Throws bad_request; `details.fields` has each fault. What is not given gets its default. */
export function checkParameters(
  specs: ParameterSpecs,
  given: Readonly<Record<string, unknown>>,
): ParameterValues {
  const faults: ParameterFault[] = [];
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(specs, name)) continue;
    const known = Object.keys(specs).join(", ");
    faults.push({ path: name.slice(0, 60), message: `is not known; there are: ${known}` });
  }
  const values = Object.entries(specs).map(([name, spec]) => {
    const wanted = Object.hasOwn(given, name) ? given[name] : spec.default;
    const value = valueOf(spec, wanted);
    if (typeof value !== "object") return [name, value] as const;
    faults.push({ path: name, message: value.fault });
    return [name, spec.default] as const;
  });
  if (faults.length > 0) throw badParameters(faults);
  return Object.fromEntries(values);
}

export function badParameters(faults: readonly ParameterFault[]): GantryError {
  const [first] = faults;
  const told = first === undefined ? "" : `: ${first.path} ${first.message}`;
  return new GantryError("bad_request", `The parameters of the part do not fit${told}`, {
    details: { fields: faults },
  });
}

function valueOf(spec: ParameterSpec, value: unknown): ParameterValue | { fault: string } {
  switch (spec.kind) {
    case "flag":
      return typeof value === "boolean" ? value : { fault: "must be true or false" };
    case "choice": {
      const isOne = typeof value === "string" && spec.options.includes(value);
      return isOne ? value : { fault: `must be one of: ${spec.options.join(", ")}` };
    }
    case "text":
      return textOf(spec.charsMax, value);
    case "length":
    case "angle":
    case "count":
      return numberOf(spec, value);
  }
}

function textOf(charsMax: number, value: unknown): string | { fault: string } {
  if (typeof value !== "string") return { fault: "must be text" };
  const text = value.normalize("NFC").trim();
  if (text === "") return { fault: "must not be empty" };
  if (text.length > charsMax) return { fault: `must have at most ${charsMax} characters` };
  if (!TEXT.test(text))
    return { fault: "may have letters, digits, space and . , : ; + # & ( ) / ! ? % @ = _ -" };
  return text;
}

function numberOf(
  { kind, min, max }: { kind: "length" | "angle" | "count"; min: number; max: number },
  value: unknown,
): number | { fault: string } {
  const unit = { length: " mm", angle: "°", count: "" }[kind];
  const range = `${min} to ${max}${unit}`;
  if (typeof value !== "number" || !Number.isFinite(value)) return { fault: `must be ${range}` };
  if (kind === "count" && !Number.isInteger(value)) return { fault: `must be whole, ${range}` };
  const rounded = Math.round(value * RESOLUTION) / RESOLUTION; // CP2
  return rounded < min || rounded > max ? { fault: `must be ${range}` } : rounded;
}

/** The value as OpenSCAD writes it. Only for values that were checked (CP1, CP3). */
export function literalOf(value: ParameterValue): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "boolean") return value ? "true" : "false";
  return value.toFixed(3).replace(/\.?0+$/u, "");
}
