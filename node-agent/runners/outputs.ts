// Outputs of this machine's list: switched, and read back where they tell.
//
// OR1. One switch at a time, so that what one needs cannot go off between the look and the switch.
// OR2. Done is: the output said so; where it says nothing, that its answer was good.

import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { CommandCatalogue } from "../rules/commands.ts";
import { checkNeeds, checkSwitch, type OutputWay } from "../rules/outputs.ts";

export interface Switches {
  /** Throws unreachable or timeout. */
  write(way: OutputWay, on: boolean, signal: AbortSignal): Promise<void>;
  /** Undefined where it tells nothing. Throws unreachable or timeout. */
  read(way: OutputWay, signal: AbortSignal): Promise<boolean | undefined>;
}

export interface Outputs {
  /** Throws conflict, device_fault, unreachable, timeout. Gives a sentence. */
  turn(name: string, on: boolean, signal: AbortSignal): Promise<string>;
  /** Throws conflict where one of them is not on. */
  require(name: string, needs: readonly string[], signal: AbortSignal): Promise<void>;
}

const FOLLOW_MS = 3_000;
const LOOK_MS = 100;

export function makeOutputs(
  catalogue: CommandCatalogue,
  switches: Switches,
  clock: Clock,
): Outputs {
  const ways = new Map(
    Object.entries(catalogue).flatMap(([name, { output }]) =>
      output === undefined ? [] : [[name, output] as const],
    ),
  );
  const needsOf = new Map([...ways.keys()].map((name) => [name, catalogue[name]?.needs ?? []]));
  const said = new Map<string, boolean>(); // of those that tell nothing themselves
  let turn: Promise<unknown> = Promise.resolve();

  async function stateOf(name: string, signal: AbortSignal): Promise<boolean | undefined> {
    const way = ways.get(name);
    if (way === undefined) return undefined;
    const seen = await switches.read(way, signal).catch(() => false); // OU2
    return seen ?? said.get(name);
  }

  async function lookAt(
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<(name: string) => boolean> {
    const states = await Promise.all(
      names.map(async (name) => [name, await stateOf(name, signal)] as const),
    );
    const on = new Set(states.flatMap(([name, state]) => (state === true ? [name] : [])));
    return (name) => on.has(name);
  }

  async function follow(
    name: string,
    way: OutputWay,
    on: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const untilMs = clock.monotonic() + FOLLOW_MS;
    for (;;) {
      const seen = await switches.read(way, signal);
      if (seen === undefined || seen === on) return; // OR2
      if (clock.monotonic() > untilMs) {
        const state = on ? "off" : "on";
        throw new GantryError(
          "device_fault",
          `${name} was switched and still says that it is ${state}`,
        );
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }

  async function turnNow(name: string, on: boolean, signal: AbortSignal): Promise<string> {
    const way = ways.get(name);
    if (way === undefined) throw new GantryError("not_found", `There is no output ${name}`);
    const others = on ? (needsOf.get(name) ?? []) : [...needsOf.keys()];
    checkSwitch(name, on, needsOf, await lookAt(others, signal));
    await switches.write(way, on, signal);
    said.set(name, on);
    await follow(name, way, on, signal);
    return `${name} is ${on ? "on" : "off"}`;
  }

  return {
    turn(name, on, signal) {
      const done = turn.then(() => turnNow(name, on, signal)); // OR1
      turn = done.catch(() => undefined);
      return done;
    },
    async require(name, needs, signal) {
      if (needs.length > 0) checkNeeds(name, needs, await lookAt(needs, signal));
    },
  };
}
