// What goes wrong in the simulated workshop, and how often it did. A process may die at each write of
// its journal, before the bytes are on the disk or after; and at moments of its own.

import type { World } from "../world.ts";

/** `machine`: power fails for the node and its bridge at once. */
export type Victim = "hub" | "node" | "bridge" | "machine" | "printer";

export interface Chaos {
  /** Deaths so far. */
  readonly crashes: number;
  /** Those at a write of a journal. */
  readonly atWrites: number;
  /** Something is written: its process may die now. */
  atWrite(victim: Victim, id: string): void;
  /** Who carries it out. */
  onKill(kill: (victim: Victim, id: string) => void): void;
  kill(victim: Victim, id: string): void;
  /** Nothing dies from now on. */
  calm(): void;
}

/** Of all writes, the share at which the writer dies; and of those, where its machine does. */
const AT_WRITE = 0.03;
const IS_MACHINE = 0.5;

export function makeChaos(world: World, crashesMax: number): Chaos {
  let crashes = 0;
  let atWrites = 0;
  let isCalm = false;
  let carryOut: ((victim: Victim, id: string) => void) | undefined;

  function kill(victim: Victim, id: string): void {
    if (isCalm || crashes >= crashesMax) return;
    crashes += 1;
    world.note(() => `${victim} ${id} dies`);
    carryOut?.(victim, id);
  }

  return {
    get crashes() {
      return crashes;
    },
    get atWrites() {
      return atWrites;
    },
    atWrite(victim, id) {
      if (isCalm || crashes >= crashesMax || world.random() >= AT_WRITE) return;
      atWrites += 1;
      kill(victim !== "hub" && world.random() < IS_MACHINE ? "machine" : victim, id);
    },
    onKill(next) {
      carryOut = next;
    },
    kill,
    calm() {
      isCalm = true;
    },
  };
}
