// One simulated hub: the real core with the thinnest driver that keeps the contract of
// hub/consensus/types.ts. Everything is synchronous; whatever takes time is an event of the world.

import type { Core, CoreConfig, HubId, Membership, Ready } from "../../../hub/consensus/types.ts";
import { makeDisk } from "../disk.ts";
import { copyOf, emptyMachine } from "../machine.ts";
import type { Seen } from "../oracle.ts";
import { check } from "../world.ts";
import { makeApplying } from "./applying.ts";
import { makeCheckpoints } from "./checkpoints.ts";
import type { Inside } from "./inside.ts";
import { makeLife } from "./life.ts";
import type { Hub, Shared } from "./types.ts";
import { makeWriting } from "./writing.ts";

export function makeHub(id: HubId, founders: Membership, shared: Shared): Hub {
  const { world, mix, network, oracle } = shared;
  const number = Number(id.slice(1));
  const seen: Seen = { term: 0, commit: 0 };

  const hub: Hub = {
    id,
    disk: makeDisk(founders),
    core: undefined,
    machine: emptyMachine(),
    membership: founders,
    role: "follower",
    isPaused: false,
    clockRate: 1,
    stallUntil: 0,
    isDiskFull: false,
    isWitness: shared.witnesses.has(id),
    isBarred: false,
    start() {
      check(hub.core === undefined, () => `${id} is started twice`);
      life.begin();
      seen.term = hub.disk.term; // what was not synced is forgotten
      seen.commit = 0;
      world.note(() => `${id} starts${hub.disk.damage === undefined ? "" : " barred"}`);
      world.trace(4, number, life.count);
      startCore();
      life.startTicking();
      pump();
    },
    crash(keep) {
      world.note(() => `${id} crashes`);
      world.trace(5, number, life.count);
      life.end();
      hub.core = undefined;
      hub.role = "follower";
      writing.crash(keep);
      checkpoints.crash();
      inside.changed = undefined;
      applying.crash(); // the last: who is answered may turn to this hub at once
    },
    pause: (ms) => life.pause(ms),
    step(input) {
      const outcome = hub.core?.step(input) ?? "refused";
      pump();
      return outcome;
    },
    receive(messages) {
      if (hub.core === undefined) return;
      life.happens(() => {
        for (const message of messages) hub.core?.step({ type: "message", message });
        pump();
      })();
    },
    propose: (command, answer) => applying.propose(command, answer),
    read: (key, answer) => applying.read(key, answer),
    checkpoint: () => checkpoints.make(),
  };

  const life = makeLife(hub, world, (lateTicks) => {
    hub.core?.step({ type: "tick", lateTicks });
    pump();
  });
  const inside: Inside = {
    hub,
    shared,
    life,
    terms: [],
    changed: undefined,
    checkpointed: 0,
    pump,
  };
  const writing = makeWriting(inside, (checkpoint) => checkpoints.installed(checkpoint));
  const applying = makeApplying(inside);
  const checkpoints = makeCheckpoints(inside, founders, writing, applying);

  function pump(): void {
    const { core } = hub;
    if (core === undefined) return;
    let isBusy = false;
    for (let ready = core.ready(); ready !== undefined; ready = core.ready()) {
      isBusy = true;
      doReady(ready);
    }
    if (isBusy) look(core);
    writing.start();
  }

  function doReady({ messages, write, committed, reads, install }: Ready): void {
    if (messages.length > 0) network.send(messages);
    if (write !== undefined) writing.take(write);
    applying.commit(committed);
    applying.confirm(reads);
    if (install !== undefined) checkpoints.fetch(install);
  }

  function look(core: Core): void {
    const status = core.status();
    oracle.saw(id, seen, status);
    if (status.role === hub.role) return;
    world.note(() => `${id} is ${status.role} in term ${status.term}`);
    hub.role = status.role;
    if (status.role !== "leader") return;
    oracle.leads(id, status.term, (index) => inside.terms[index]);
    shared.onLeader(hub);
  }

  function startCore(): void {
    const restored = hub.disk.restored();
    const { checkpoint, log } = hub.disk;
    hub.machine = checkpoint === undefined ? emptyMachine() : copyOf(checkpoint.machine);
    inside.checkpointed = hub.machine.index;
    hub.membership = checkpoint?.membership ?? founders; // without one the log is whole
    inside.terms = [];
    for (let index = restored.lastIndex; index >= log.offset.index; index -= 1) {
      inside.terms[index] = log.termAt(index);
    }
    hub.isBarred = hub.disk.damage !== undefined;
    const config: CoreConfig = {
      id,
      electionTicks: mix.electionTicks,
      heartbeatTicks: mix.heartbeatTicks,
      random: world.random,
      isWitness: hub.isWitness,
      witnesses: shared.witnesses,
      uncommittedBytesMax: mix.uncommittedBytesMax,
      inflightMax: mix.inflightMax,
      inflightBytesMax: 1_000_000,
      messageBytesMax: mix.messageBytesMax,
      isBarred: hub.isBarred,
    };
    hub.core = shared.makeCore(config, restored, log);
    // A change that the ledger has and whose record was lost with the power is not applied again: the
    // core has found it in the log, and before the log is trimmed it must be on the disk.
    const { membership: found, membershipIndex } = hub.core.status();
    if (membershipIndex > restored.membershipIndex) {
      inside.changed = { value: found, index: membershipIndex };
    }
    if (checkpoint !== undefined && !hub.isWitness) {
      const { index, term, membership } = checkpoint;
      hub.core.step({ type: "snapshotKept", index, indexTerm: term, membership });
    }
  }

  return hub;
}
