// How output looks: rich on a terminal, plain in a pipe or with NO_COLOR. Pure.

import type { Environment } from "@gantry/shared/contract/config.ts";
import type { Output } from "../world.ts";

export interface Look {
  /** Colours, boxes and lines that are redrawn. */
  readonly isRich: boolean;
  /** Columns to stay within; Infinity in a pipe, where nothing is cut. */
  readonly columns: number;
}

/** https://no-color.org: any non-empty value. */
export function lookOf(output: Output, env: Environment): Look {
  const isRich = output.isTty && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  return { isRich, columns: output.isTty ? output.columns : Number.POSITIVE_INFINITY };
}

export const PLAIN: Look = { isRich: false, columns: Number.POSITIVE_INFINITY };

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Paint = keyof typeof CODES;

/** The text in this colour or weight; as it is where the look is plain. */
export function paint(look: Look, how: Paint, text: string): string {
  if (!look.isRich || text === "") return text;
  const [on, off] = CODES[how];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
