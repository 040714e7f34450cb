// A job file as steps: lines to send, and waits for heat that the host does itself.
//
// PR1. Every command of the file becomes exactly one step, in file order, but for heat-ups (PR2).
// PR2. M109 and M190 become M104 and M140 plus a wait on this side: firmware that waits by itself is
//      deaf, and a person's "cancel" would come minutes late.
// PR3. At most one chunk of lines is held; `isHungry` asks for the next.

import { parseCommand, type Command } from "@gantry/shared/gcode/command.ts";
import { makeLineSplitter } from "@gantry/shared/gcode/lines.ts";

export type HeaterName = "nozzle" | "bed";

export interface HeatWait {
  readonly heater: HeaterName;
  readonly targetC: number;
  /** M109 R waits for cooling too; S only for warming up. */
  readonly mustCool: boolean;
}

export interface Step {
  readonly text: string;
  /** Offset of the file's byte after this command. */
  readonly endOffset: number;
  readonly wait?: HeatWait;
}

/** What a pause must put back. */
export interface Modes {
  readonly isRelative: boolean;
  readonly isRelativeE: boolean;
  readonly isInches: boolean;
  readonly feed: number | undefined;
  readonly isHomed: boolean;
}

export interface Program {
  readonly modes: Modes;
  isHungry(): boolean;
  isOver(): boolean;
  feed(bytes: Uint8Array): void;
  /** No byte follows. */
  end(): void;
  next(): Step | undefined;
}

const HUNGRY_STEPS = 256;

/** The bytes have passed the scanner; throws its errors all the same. */
export function makeProgram(): Program {
  const splitter = makeLineSplitter();
  let steps: Step[] = [];
  let head = 0;
  let isEnded = false;
  let modes: Modes = {
    isRelative: false,
    isRelativeE: false,
    isInches: false,
    feed: undefined,
    isHomed: false,
  };

  const take = (line: { text: string; number: number; endOffset: number }): void => {
    const command = parseCommand(line.text, line.number);
    const step = command === undefined ? undefined : stepOf(command, line.endOffset);
    if (step !== undefined) steps.push(step);
  };

  return {
    get modes() {
      return modes;
    },
    isHungry: () => !isEnded && steps.length - head < HUNGRY_STEPS,
    isOver: () => isEnded && head === steps.length,
    feed(bytes) {
      steps = steps.slice(head);
      head = 0;
      splitter.push(bytes, take);
    },
    end() {
      splitter.finish(take);
      isEnded = true;
    },
    next() {
      const step = steps[head];
      if (step === undefined) return undefined;
      head += 1;
      modes = modesAfter(modes, step.text);
      return step;
    },
  };
}

function stepOf(command: Command, endOffset: number): Step | undefined {
  const { name, words, text } = command;
  if (name !== "M109" && name !== "M190") return { text, endOffset };
  const targetC = words.get("S") ?? words.get("R");
  if (targetC === undefined) return undefined; // it sets nothing and waits for nothing
  const tool = words.get("T");
  const soft = `${name === "M109" ? "M104" : "M140"} S${targetC}${tool === undefined ? "" : ` T${tool}`}`;
  const heater = name === "M109" ? "nozzle" : "bed";
  return { text: soft, endOffset, wait: { heater, targetC, mustCool: !words.has("S") } };
}

function modesAfter(modes: Modes, text: string): Modes {
  const name = /^[GMT]\d+/.exec(text)?.[0] ?? "";
  switch (name) {
    case "G90":
    case "G91":
      return { ...modes, isRelative: name === "G91", isRelativeE: name === "G91" };
    case "M82":
    case "M83":
      return { ...modes, isRelativeE: name === "M83" };
    case "G20":
    case "G21":
      return { ...modes, isInches: name === "G20" };
    case "G28":
      return { ...modes, isHomed: true };
    case "G0":
    case "G1":
    case "G2":
    case "G3": {
      const feed = /F(\d+(?:\.\d*)?)/.exec(text);
      return feed === null ? modes : { ...modes, feed: Number(feed[1]) };
    }
    default:
      return modes;
  }
}
