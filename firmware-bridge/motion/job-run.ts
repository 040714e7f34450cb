// One job from its first byte to its last: what to send next, when to wait, when it is over.
//
//   heating <-> running <-> pausing -> paused -> resuming -> running -> finishing -> over
//
// JR1. `next` gives the job's lines in order and each once; control lines never replace one.
// JR2. Pause, resume and cancel act between two lines. While heat is waited for nothing blocks in
//      the firmware, so they act at once.
// JR3. Every end but an emergency stop and a dead link switches the heaters off, and is only said
//      when the firmware has proved that it took that.
// JR4. A pause puts back what it changed: position, extruder, modes, feed rate.

import type { JobPhase } from "@gantry/shared/contract/bridge.ts";
import type { Position, Reading } from "../protocols/marlin-codec.ts";
import { type HeatWait, makeProgram, type Modes, type Program } from "./program.ts";

export type JobEnd = Extract<JobPhase, "done" | "cancelled">;

export type Next =
  | { readonly kind: "line"; readonly text: string; readonly tag: number }
  /** Nothing to send now: heat, a pause, or bytes that are still being read. */
  | { readonly kind: "wait" }
  /** All lines are out; ask again once the link is settled. */
  | { readonly kind: "settle" }
  | { readonly kind: "over"; readonly end: JobEnd };

export type RunPhase = "heating" | "printing" | "paused" | "finishing";

export interface JobRun {
  readonly program: Program;
  phase(): RunPhase;
  /** `isSettled`: the firmware has executed everything that was sent, for certain. */
  next(isSettled: boolean): Next;
  observe(reading: Reading): void;
  locate(position: Position): void;
  /** False where it makes no sense now. */
  pause(): boolean;
  resume(): boolean;
  cancel(): boolean;
  /** Since the last call: what a person should hear of. */
  takeChange(): "paused" | "resumed" | undefined;
}

type State =
  | { readonly kind: "running" }
  | { readonly kind: "pausing"; readonly step: "stop" | "locate" | "park" }
  | { readonly kind: "paused"; readonly at: Position | undefined }
  | { readonly kind: "resuming" }
  | { readonly kind: "ending"; readonly end: JobEnd };

/** Within this of the target counts as there; Marlin's TEMP_WINDOW is 1. */
const WINDOW_C = 1;
const COOLED_C = 2;
const LIFT_MM = 5;
const RETRACT_MM = 2;

/** `heightMm`: how far z may go, for parking. */
export function makeJobRun(heightMm: number): JobRun {
  const program = makeProgram();
  let state: State = { kind: "running" };
  let script: string[] = [];
  let heat: HeatWait | undefined;
  let reading: Reading = {};
  let position: Position | undefined;
  let tag = 0;
  let change: "paused" | "resumed" | undefined;
  let wantsPause = false;

  function isWarm({ heater, targetC, mustCool }: HeatWait): boolean {
    const nowC = heater === "nozzle" ? reading.nozzleC : reading.bedC;
    if (nowC === undefined || nowC < targetC - WINDOW_C) return false;
    return !mustCool || nowC <= targetC + COOLED_C;
  }

  function fromProgram(): Next {
    if (heat !== undefined && !isWarm(heat)) return { kind: "wait" };
    heat = undefined;
    const step = program.next();
    if (step !== undefined) {
      heat = step.wait;
      tag = step.endOffset;
      return { kind: "line", text: step.text, tag };
    }
    if (!program.isOver()) return { kind: "wait" };
    end("done", ["M400"]);
    return nextOf(false);
  }

  function end(how: JobEnd, first: readonly string[]): void {
    state = { kind: "ending", end: how };
    script = [...first, "M104 S0", "M140 S0"]; // JR3
  }

  function nextOf(isSettled: boolean): Next {
    const line = script.shift();
    if (line !== undefined) return { kind: "line", text: line, tag };
    switch (state.kind) {
      case "running":
        if (!wantsPause) return fromProgram();
        wantsPause = false;
        state = { kind: "pausing", step: "stop" };
        // An unhomed machine stands still already and must not be moved.
        script = program.modes.isHomed ? ["M400"] : [];
        return nextOf(false);
      case "pausing":
        return isSettled ? advancePause(state.step) : { kind: "settle" };
      case "paused":
        return { kind: "wait" };
      case "resuming":
        state = { kind: "running" };
        change = "resumed";
        return nextOf(false);
      case "ending":
        return isSettled ? { kind: "over", end: state.end } : { kind: "settle" };
    }
  }

  function advancePause(step: "stop" | "locate" | "park"): Next {
    if (step === "stop" && program.modes.isHomed) {
      position = undefined;
      state = { kind: "pausing", step: "locate" };
      script = ["M114"];
      return nextOf(false);
    }
    if (step === "locate" && position !== undefined) {
      state = { kind: "pausing", step: "park" };
      script = parkScript(position, heightMm, program.modes);
      return nextOf(false);
    }
    state = { kind: "paused", at: step === "park" ? position : undefined };
    change = "paused";
    return { kind: "wait" };
  }

  return {
    program,
    phase() {
      if (state.kind === "running") return heat === undefined ? "printing" : "heating";
      if (state.kind === "ending") return "finishing";
      return state.kind === "resuming" ? "printing" : "paused";
    },
    next: nextOf,
    observe(seen) {
      reading = { ...reading, ...seen };
    },
    locate(at) {
      position = at;
    },
    pause() {
      if (state.kind !== "running" || wantsPause) return false;
      wantsPause = true;
      return true;
    },
    resume() {
      if (state.kind !== "paused") return false;
      script = state.at === undefined ? [] : restoreScript(state.at, program.modes);
      state = { kind: "resuming" };
      return true;
    },
    cancel() {
      if (state.kind === "ending") return false;
      const isHomed = program.modes.isHomed && state.kind === "running" && heat === undefined;
      end("cancelled", ["M107", ...(isHomed ? ["G91", `G0 Z${LIFT_MM} F600`, "G90"] : [])]);
      return true;
    },
    takeChange() {
      const taken = change;
      change = undefined;
      return taken;
    },
  };
}

function parkScript(at: Position, heightMm: number, modes: Modes): string[] {
  const z = Math.min(at.z + LIFT_MM, heightMm);
  return [
    ...(modes.isInches ? ["G21"] : []),
    "G90",
    "M83",
    `G1 E-${RETRACT_MM} F1800`,
    `G0 Z${fixed(z)} F600`,
    "G0 X0 Y0 F6000",
    "M400",
  ];
}

/** JR4 */
function restoreScript(at: Position, modes: Modes): string[] {
  return [
    `G0 X${fixed(at.x)} Y${fixed(at.y)} F6000`,
    `G0 Z${fixed(at.z)} F600`,
    `G1 E${RETRACT_MM} F1800`,
    `G92 E${fixed(at.e)}`,
    ...(modes.isInches ? ["G20"] : []),
    modes.isRelative ? "G91" : "G90",
    modes.isRelativeE ? "M83" : "M82",
    ...(modes.feed === undefined ? [] : [`G1 F${modes.feed}`]),
  ];
}

const fixed = (value: number): string => value.toFixed(3);
