// The way of the nozzle through some layers of a file, for people to look at. Pure, one pass.
//
// LY1. A layer begins where filament is laid at another height than before; moves without filament belong
//      to none.
// LY2. At most `segmentsMax` lines are kept: a layer with more is drawn with every second one, and so on;
//      whoever draws is told.

import { parseCommand } from "./command.ts";
import { makeLineSplitter, type SourceLine } from "./lines.ts";
import { emptyMove, readPlainMove } from "./move.ts";

export interface DrawnLayer {
  /** From 1. */
  readonly layer: number;
  readonly zMm: number;
  /** x0, y0, x1, y1 of each line, mm; hundredths. */
  readonly lines: readonly number[];
  /** Of `stride` lines one was kept. */
  readonly stride: number;
}

export interface LayerReader {
  push(bytes: Uint8Array): void;
  finish(): { readonly layers: number; readonly drawn: readonly DrawnLayer[] };
  /** All wanted layers are read; the rest of the file need not be. */
  isPast(): boolean;
}

interface Drawing {
  readonly layer: number;
  readonly zMm: number;
  lines: number[];
  stride: number;
  seen: number;
}

/** `from` to `to`: layers, from 1. Lines that cannot be read are passed over: the scan has judged the file. */
export function makeLayerReader(from: number, to: number, segmentsMax: number): LayerReader {
  const splitter = makeLineSplitter();
  const move = emptyMove();
  const at = { x: 0, y: 0, z: 0, e: 0 };
  const drawn: Drawing[] = [];
  let isRelative = false;
  let isERelative = false;
  let layer = 0;
  let layerZ = Number.NaN;

  function take({ text, number }: SourceLine): void {
    if (readPlainMove(text, move)) return go();
    const name = nameOf(text, number);
    if (name === "G90") isRelative = false;
    else if (name === "G91") isRelative = true;
    else if (name === "M82") isERelative = false;
    else if (name === "M83") isERelative = true;
    else if (name === "G92") at.e = 0;
  }

  function go(): void {
    const next = (axis: "x" | "y" | "z"): number => {
      const value = move[axis];
      return Number.isNaN(value) ? at[axis] : value + (isRelative ? at[axis] : 0);
    };
    const target = { x: next("x"), y: next("y"), z: next("z") };
    const isEGiven = !Number.isNaN(move.e);
    const e = isEGiven ? move.e + (isERelative || isRelative ? at.e : 0) : at.e;
    const lays = isEGiven && e > at.e && (target.x !== at.x || target.y !== at.y);
    if (lays) {
      if (target.z !== layerZ) [layer, layerZ] = [layer + 1, target.z]; // LY1
      if (layer >= from && layer <= to) draw(target);
    }
    Object.assign(at, target, { e });
  }

  function draw(target: { readonly x: number; readonly y: number }): void {
    let drawing = drawn.at(-1);
    if (drawing?.layer !== layer) {
      drawing = { layer, zMm: round(layerZ), lines: [], stride: 1, seen: 0 };
      drawn.push(drawing);
    }
    if (drawing.seen % drawing.stride === 0) {
      drawing.lines.push(round(at.x), round(at.y), round(target.x), round(target.y));
    }
    drawing.seen += 1;
    const room = Math.max(16, Math.floor(segmentsMax / (to - from + 1)));
    if (drawing.lines.length / 4 > room) thin(drawing); // LY2
  }

  return {
    push: (bytes) => splitter.push(bytes, take),
    finish() {
      splitter.finish(take);
      return {
        layers: layer,
        drawn: drawn.map(({ layer: number, zMm, lines, stride }) => ({
          layer: number,
          zMm,
          lines,
          stride,
        })),
      };
    },
    isPast: () => layer > to,
  };
}

function thin(drawing: Drawing): void {
  drawing.lines = drawing.lines.filter((_value, index) => Math.floor(index / 4) % 2 === 0);
  drawing.stride *= 2;
}

const round = (value: number): number => Math.round(value * 100) / 100;

function nameOf(text: string, number: number): string | undefined {
  try {
    return parseCommand(text, number)?.name;
  } catch {
    return undefined;
  }
}
