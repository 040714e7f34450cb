// What is committed becomes the machine's state, and whoever waits for it is answered.

import { changeMembership, decodeChange } from "../../../hub/consensus/membership.ts";
import type { Entry, Ready } from "../../../hub/consensus/types.ts";
import { applyCommand, type Command, mixEntry } from "../machine.ts";
import { check } from "../world.ts";
import { encode, whatOf } from "./content.ts";
import type { Inside } from "./inside.ts";
import type { Answer } from "./types.ts";

interface Reader {
  readonly key: string;
  readonly answer: (answer: Answer) => void;
  /** What must be applied first; undefined until the core says it. */
  index?: number;
}

export interface Applying {
  commit(entries: readonly Entry[]): void;
  /** The core's word on reads. */
  confirm(reads: Ready["reads"]): void;
  propose(command: Command, answer: (answer: Answer) => void): void;
  read(key: string, answer: (answer: Answer) => void): void;
  /** Entries that wait are in the snapshot that was installed. */
  drop(): void;
  crash(): void;
}

export function makeApplying(inside: Inside): Applying {
  const { hub, life, shared } = inside;
  const { world, mix, oracle, commands } = shared;
  let waiters = new Map<number, (answer: Answer) => void>();
  let readers = new Map<number, Reader>();
  let toApply: Entry[] = [];
  let nextRead = 1;

  function apply(): void {
    const { core, machine } = hub;
    if (core === undefined) return;
    const term = core.status().term;
    for (const entry of toApply) {
      if (entry.index <= machine.index) {
        check(hub.isBarred, () => `O3 ${hub.id} is given entry ${entry.index} twice`);
        continue; // the checkpoint is ahead of a log that has lost its end
      }
      check(
        entry.index === machine.index + 1,
        () => `O3 ${hub.id} is given ${entry.index} after ${machine.index}`,
      );
      applyOne(entry, term);
    }
    toApply = [];
    answerReads();
    if (machine.index - inside.checkpointed >= mix.checkpointEvery) hub.checkpoint();
  }

  function applyOne(entry: Entry, term: number): void {
    const { machine } = hub;
    machine.index = entry.index;
    const what = whatOf(entry);
    const command = entry.kind === "commands" && what >= 0 ? commands[what] : undefined;
    if (entry.kind === "membership") follow(entry);
    const result =
      command === undefined || hub.isWitness
        ? undefined
        : applyCommand(machine, command, entry.index);
    mixEntry(machine, entry.index, entry.term, what, result);
    oracle.applied(hub.id, entry, what, term, hub.isWitness ? undefined : machine.hash);
    const answer = waiters.get(what);
    if (answer === undefined || command === undefined) return;
    waiters.delete(what);
    answer(result === undefined ? { kind: "lost" } : { kind: "ok", index: entry.index, result });
  }

  function follow(entry: Entry): void {
    const outcome = changeMembership(hub.membership, decodeChange(entry.data));
    check(
      outcome.kind === "changed",
      () =>
        `${hub.id} cannot follow the change at ${entry.index} (${String.fromCharCode(...entry.data)}) from ${JSON.stringify(hub.membership)}`,
    );
    if (outcome.kind !== "changed") return;
    hub.membership = outcome.membership;
    world.note(() => `${hub.id} follows the change at ${entry.index}`);
    inside.changed = { value: outcome.membership, index: entry.index };
  }

  function answerReads(): void {
    for (const [read, { key, answer, index }] of readers) {
      if (index === undefined || index > hub.machine.index) continue;
      readers.delete(read);
      answer({ kind: "value", index, value: hub.machine.values.get(key) });
    }
  }

  /** Runs when the process can hear it; a witness or a hub that is down refuses at once. */
  function whenServing(answer: (answer: Answer) => void, run: () => void): void {
    if (hub.core === undefined || hub.isWitness) answer({ kind: "refused", leader: null });
    else life.happens(run)();
  }

  return {
    commit(entries) {
      if (entries.length === 0) return;
      for (const entry of entries) toApply.push(entry);
      if (mix.faults.has("applyLag") && shared.isStormy) life.later(world.random() * 40, apply);
      else apply();
    },
    confirm(reads) {
      for (const { id, index } of reads) {
        const reader = readers.get(id);
        if (reader === undefined) continue;
        if (index === undefined) {
          readers.delete(id);
          reader.answer({ kind: "lost" });
        } else reader.index = index;
      }
      if (reads.length > 0) answerReads();
    },
    propose(command, answer) {
      whenServing(answer, () => {
        waiters.set(command.id, answer);
        if (hub.step({ type: "propose", data: encode(command.id) }) === "taken") return;
        waiters.delete(command.id);
        answer({ kind: "refused", leader: hub.core?.status().leader ?? null });
      });
    },
    read(key, answer) {
      whenServing(answer, () => {
        nextRead += 1;
        readers.set(nextRead, { key, answer });
        hub.step({ type: "read", id: nextRead });
      });
    },
    drop() {
      toApply = [];
    },
    crash() {
      toApply = [];
      for (const answer of waiters.values()) answer({ kind: "lost" });
      for (const { answer } of readers.values()) answer({ kind: "lost" });
      waiters = new Map();
      readers = new Map();
    },
  };
}
