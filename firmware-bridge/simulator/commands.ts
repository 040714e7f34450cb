// What each command does to the simulated board, and what its `ok` waits for. Pure.

import { bannerLines, type MarlinOptions } from "./board.ts";
import type { Heater } from "./heater.ts";
import type { Machine } from "./machine.ts";
import type { Planner } from "./planner.ts";
import { MOVES, NOW, type Wait } from "./wait.ts";

export interface Board {
  readonly options: MarlinOptions;
  readonly nozzle: Heater;
  readonly bed: Heater;
  readonly planner: Planner;
  machine(): Machine;
  nowMs(): number;
  say(text: string): void;
  kill(why: string): void;
  renumber(lastNumber: number | undefined): void;
  /** How often `busy` is said; 0 for never. */
  sayBusyEvery(everyMs: number): void;
  /** How often temperatures are said unasked; 0 for never. */
  reportEvery(everyMs: number): void;
}

/** Does the command at once; gives what its answer waits for. */
export function carryOut(command: string, board: Board): Wait {
  const { nozzle, bed, planner } = board;
  const nowMs = board.nowMs();
  const name = /^[GMT]\d+(?:\.\d+)?/.exec(command)?.[0] ?? "";
  const valueOf = (letter: string): number | undefined => {
    const found = new RegExp(`\\s?${letter}(-?[\\d.]+)`).exec(command.slice(name.length));
    return found === null ? undefined : Number(found[1]);
  };
  const heater = name === "M104" || name === "M109" ? nozzle : bed;
  switch (name) {
    case "G0":
    case "G1":
    case "G2":
    case "G3":
      return move(command, board);
    case "G4":
      planner.add((valueOf("S") ?? 0) * 1_000 + (valueOf("P") ?? 0), nowMs);
      return MOVES;
    case "G28":
      planner.add(3_000, nowMs);
      board.machine().home(command);
      return MOVES;
    case "G29":
      planner.add(20_000, nowMs);
      return MOVES;
    case "M400":
      return MOVES;
    case "M104":
    case "M140":
      heater.setTarget(valueOf("S") ?? 0);
      return NOW;
    case "M109":
    case "M190": {
      const isCooling = valueOf("R") !== undefined;
      heater.setTarget(valueOf("R") ?? valueOf("S") ?? heater.targetC);
      return { kind: "heat", heater, isCooling };
    }
    case "M0":
    case "M1":
      return { kind: "person" };
    case "M600":
      for (const word of ["begin Filament change", "button PurgeMore", "button Continue", "show"]) {
        board.say(`//action:prompt_${word}`);
      }
      return { kind: "person" };
    case "M105":
      return NOW;
    case "M110":
      board.renumber(valueOf("N"));
      return NOW;
    case "M112":
      board.kill("M112 Shutdown");
      return NOW;
    case "M113":
      board.sayBusyEvery((valueOf("S") ?? 2) * 1_000);
      return NOW;
    case "M114":
      board.say(board.machine().positionText());
      return NOW;
    case "M115":
      for (const line of bannerLines(board.options)) board.say(line);
      return NOW;
    case "M155":
      board.reportEvery((valueOf("S") ?? 0) * 1_000);
      return NOW;
    case "M410":
      planner.clear();
      return NOW;
    default:
      if (!board.machine().setMode(command)) board.say(`echo:Unknown command: "${command}"`);
      return NOW;
  }
}

function move(command: string, board: Board): Wait {
  const { durationMs, isColdExtrusion } = board.machine().move(command, board.nozzle.nowC);
  if (isColdExtrusion) board.say("echo: cold extrusion prevented");
  const roomAtMs = board.planner.roomAtMs(board.nowMs());
  if (durationMs > 0) board.planner.add(durationMs, roomAtMs);
  return { kind: "until", atMs: roomAtMs };
}
