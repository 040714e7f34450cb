// Checkpoints of a hub's own, and the snapshot of another hub in place of its state.

import { between } from "@gantry/shared/base/prng.ts";
import type { Membership, Ready } from "../../../hub/consensus/types.ts";
import type { Checkpoint } from "../disk.ts";
import { copyOf } from "../machine.ts";
import type { Applying } from "./applying.ts";
import type { Inside } from "./inside.ts";
import type { Writing } from "./writing.ts";

export interface Checkpoints {
  make(): void;
  /** Fetches the snapshot and has it written in place of the log. */
  fetch(install: NonNullable<Ready["install"]>): void;
  /** The snapshot is on the disk. */
  installed(checkpoint: Checkpoint): void;
  crash(): void;
}

export function makeCheckpoints(
  inside: Inside,
  founders: Membership,
  writing: Writing,
  applying: Applying,
): Checkpoints {
  const { hub, life, shared } = inside;
  const { world, mix, network } = shared;
  const { random } = world;
  const { id } = hub;
  let isUnderWay = false;

  function keep(checkpoint: Checkpoint): void {
    const { index, term, membership } = checkpoint;
    isUnderWay = false;
    if (hub.isWitness || index <= (hub.disk.checkpoint?.index ?? 0)) return;
    hub.disk.checkpoint = checkpoint;
    const through = index - mix.keepEntries;
    if (through > hub.disk.log.offset.index) {
      const membershipNow = writing.takeChanged();
      writing.push({ kind: "trim", through, membership: membershipNow, isSync: false });
    }
    life.happens(() => hub.step({ type: "snapshotKept", index, indexTerm: term, membership }))();
  }

  /** Planted: the data is on disk, the index beside it is that of the checkpoint before. */
  function keepApart({ machine }: Checkpoint): void {
    isUnderWay = false;
    const before = hub.disk.checkpoint ?? { index: 0, term: 0, membership: founders };
    machine.index = before.index;
    hub.disk.checkpoint = { ...before, machine };
  }

  return {
    make() {
      if (isUnderWay || hub.isWitness || hub.core === undefined) return;
      const { index } = hub.machine;
      const term = hub.disk.log.termAt(index);
      if (term === undefined || index <= inside.checkpointed) return;
      isUnderWay = true;
      inside.checkpointed = index;
      const { membership } = hub;
      const checkpoint: Checkpoint = { index, term, membership, machine: copyOf(hub.machine) };
      const isAlive = life.watch();
      world.after(between(random, 1, 20), () => {
        if (!isAlive()) return;
        if (shared.driverFault === "appliedApart" && random() < 0.5) keepApart(checkpoint);
        else keep(checkpoint);
      });
    },
    fetch({ from, index, indexTerm, membership }) {
      life.later(between(random, 2, 30), () => {
        const held = shared.hubs.get(from);
        const kept = held?.core === undefined ? undefined : held.disk.checkpoint;
        // A damaged log may have lost what the ledger beside it still has: it takes the older state.
        const isOld = index <= hub.machine.index && !hub.isBarred;
        const isReachable = !network.isBlocked(from, id) && !network.isBlocked(id, from);
        if (!isReachable || kept?.index !== index || isOld) {
          hub.step({ type: "installed", index, isDone: false });
          return;
        }
        inside.changed = undefined; // the snapshot's is newer
        const machine = copyOf(kept.machine);
        const checkpoint: Checkpoint = { index, term: indexTerm, membership, machine };
        writing.push({ kind: "reset", checkpoint, isSync: true });
        writing.start();
      });
    },
    installed(checkpoint) {
      const { index, term, membership, machine } = checkpoint;
      hub.machine = copyOf(machine);
      hub.membership = membership;
      inside.checkpointed = index;
      inside.changed = undefined;
      applying.drop();
      inside.terms = [];
      inside.terms[index] = term;
      world.note(() => `${id} installed the snapshot at ${index}`);
      hub.core?.step({ type: "installed", index, isDone: true });
      if (hub.isWitness) return;
      hub.core?.step({ type: "snapshotKept", index, indexTerm: term, membership });
    },
    crash() {
      isUnderWay = false;
    },
  };
}
