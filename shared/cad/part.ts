// What a part of the library is: parameters, what does not go together, and a program in OpenSCAD.
// The source is made of checked values alone: no request can put a word into it.

import {
  badParameters,
  checkParameters,
  literalOf,
  type ParameterFault,
  type ParameterSpecs,
  type ParameterValues,
} from "./parameters.ts";

export interface Part {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  /** How people call it, in the singular; the longest that fits wins. */
  readonly nouns: readonly string[];
  readonly parameters: ParameterSpecs;
  /** "40x30x20" fills these in this order. */
  readonly sizes: readonly string[];
  /** "a 20 mm knob" fills this. */
  readonly mainSize?: string;
  /** "from 32 to 40": these two. */
  readonly fromTo?: readonly [string, string];
  /** Sensible combinations: gives what is wrong with these values, which are within their ranges. */
  check(values: Numbers): readonly ParameterFault[];
  /** OpenSCAD; each parameter is a variable of the same name. */
  readonly body: string;
}

/** Checked values by name; a name that the part does not have is a bug and reads as NaN. */
export interface Numbers {
  of(name: string): number;
  is(name: string): boolean;
  text(name: string): string;
}

/** Throws bad_request with `details.fields`. */
export function partValues(part: Part, given: Readonly<Record<string, unknown>>): ParameterValues {
  const values = checkParameters(part.parameters, given);
  const faults = part.check(numbersOf(values));
  if (faults.length > 0) throw badParameters(faults);
  return values;
}

export function numbersOf(values: ParameterValues): Numbers {
  return {
    of: (name) => (typeof values[name] === "number" ? values[name] : Number.NaN),
    is: (name) => values[name] === true,
    text: (name) => (typeof values[name] === "string" ? values[name] : ""),
  };
}

/** Facets: fine enough that no printer shows them, few enough to be quick. */
const HEAD = "$fa = 6;\n$fs = 0.6;\neps = 0.01;\n";

/** The whole program. `values` must come from partValues. */
export function partSource(part: Part, values: ParameterValues): string {
  const lines = Object.keys(part.parameters).map((name) => {
    const value = values[name];
    return `${name} = ${literalOf(value ?? false)};\n`;
  });
  return `${HEAD}${lines.join("")}${part.body.trim()}\n`;
}

/** For checks: a fault of `path` unless `isFine`. */
export const need = (isFine: boolean, path: string, message: string): readonly ParameterFault[] =>
  isFine ? [] : [{ path, message }];
