// One simulated hub: the real core with the thinnest driver that keeps the contract of
// hub/consensus/types.ts. Everything is synchronous; whatever takes time is an event of the world.
//
// B1. An event made in one life of the hub does nothing in the next.
// B2. While the hub is paused (SIGSTOP) its disk goes on; what happens to it waits, in order.
// B3. `after` and `stored` come when a write and all before it are synced, never earlier.

import { between } from "@gantry/shared/base/prng.ts";
import { changeMembership, decodeChange } from "../../hub/consensus/membership.ts";
import type {
  Core,
  CoreConfig,
  Entry,
  HubId,
  Input,
  MakeCore,
  Membership,
  Message,
  Ready,
  Role,
} from "../../hub/consensus/types.ts";
import { type Checkpoint, type Disk, type DiskWrite, makeDisk } from "./disk.ts";
import {
  applyCommand,
  type Command,
  copyOf,
  emptyMachine,
  type Machine,
  mixEntry,
  type Result,
} from "./machine.ts";
import { type Mix, TICK_MS } from "./mix.ts";
import type { Network } from "./network.ts";
import type { Oracle, Seen } from "./oracle.ts";
import { check, type World } from "./world.ts";

/** Faults planted into the driver, to try the simulator itself (mutants/). */
export type DriverFault = "ackBeforeSync" | "voteNotKept" | "appliedApart";

export interface Shared {
  readonly world: World;
  readonly mix: Mix;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly makeCore: MakeCore;
  readonly driverFault: DriverFault | undefined;
  readonly commands: Command[];
  readonly hubs: Map<HubId, Hub>;
  readonly witnesses: ReadonlySet<HubId>;
  /** A hub has just become leader. */
  onLeader: (hub: Hub) => void;
  /** False once the storm is over. */
  isStormy: boolean;
}

export type Answer =
  | { readonly kind: "ok"; readonly index: number; readonly result: Result }
  | { readonly kind: "value"; readonly index: number; readonly value: string | undefined }
  /** Surely not done. */
  | { readonly kind: "refused"; readonly leader: HubId | null }
  /** Perhaps done. */
  | { readonly kind: "lost" };

export interface Hub {
  readonly id: HubId;
  readonly disk: Disk;
  /** Undefined while it is down. */
  core: Core | undefined;
  machine: Machine;
  /** Membership as of the last entry applied. */
  membership: Membership;
  role: Role;
  isPaused: boolean;
  clockRate: number;
  stallUntil: number;
  isDiskFull: boolean;
  readonly isWitness: boolean;
  /** Started with a damaged log: it takes entries and never votes, until it is started healed. */
  isBarred: boolean;
  start(): void;
  /** `keep`: unsynced writes that survive. */
  crash(keep: number): void;
  pause(ms: number): void;
  step(input: Input): ReturnType<Core["step"]>;
  receive(messages: readonly Message[]): void;
  propose(command: Command, answer: (answer: Answer) => void): void;
  read(key: string, answer: (answer: Answer) => void): void;
  checkpoint(): void;
}

export function makeHub(id: HubId, founders: Membership, shared: Shared): Hub {
  const { world, mix, network, oracle, commands } = shared;
  const { random } = world;
  const number = Number(id.slice(1));
  const seen: Seen = { term: 0, commit: 0 };
  let life = 0;
  let inbox: (() => void)[] = [];
  let writes: { write: DiskWrite; after: readonly Message[] }[] = [];
  /** Under way on the disk. */
  let writing: readonly DiskWrite[] = [];
  let isWriting = false;
  let terms: (number | undefined)[] = [];
  let waiters = new Map<number, (answer: Answer) => void>();
  let readers = new Map<
    number,
    { key: string; answer: (answer: Answer) => void; index?: number }
  >();
  let toApply: Entry[] = [];
  let nextRead = 1;
  let checkpointed = 0;
  let isCheckpointing = false;
  let changedMembership: { value: Membership; index: number } | undefined;
  let missedTicks = 0;

  /** Something that happens to the hub's process in this life (B1, B2). */
  function happens(run: () => void): () => void {
    const own = life;
    return () => {
      if (own !== life) return;
      if (hub.isPaused) inbox.push(run);
      else run();
    };
  }

  const later = (ms: number, run: () => void): void => world.after(ms, happens(run));

  function tick(): void {
    const own = life;
    world.after(TICK_MS / hub.clockRate, () => {
      if (own !== life) return;
      tick();
      if (hub.isPaused) missedTicks += 1;
      else takeTick(0);
    });
  }

  function takeTick(lateTicks: number): void {
    hub.core?.step({ type: "tick", lateTicks });
    pump();
  }

  function pump(): void {
    const { core } = hub;
    if (core === undefined) return;
    let isBusy = false;
    for (let ready = core.ready(); ready !== undefined; ready = core.ready()) {
      isBusy = true;
      doReady(ready);
    }
    if (isBusy) look(core);
    startWriting();
  }

  function doReady({ messages, write, committed, reads, install }: Ready): void {
    if (messages.length > 0) network.send(messages);
    if (write !== undefined) take(write);
    if (committed.length > 0) {
      for (const entry of committed) toApply.push(entry);
      if (mix.faults.has("applyLag") && shared.isStormy) later(random() * 40, apply);
      else apply();
    }
    for (const { id: read, index } of reads) {
      const reader = readers.get(read);
      if (reader === undefined) continue;
      if (index === undefined) {
        readers.delete(read);
        reader.answer({ kind: "lost" });
      } else reader.index = index;
    }
    if (reads.length > 0) answerReads();
    if (install !== undefined) fetchSnapshot(install);
  }

  function take(write: NonNullable<Ready["write"]>): void {
    const { hardState, entries, after, isSync } = write;
    const kept =
      hardState !== undefined && shared.driverFault === "voteNotKept"
        ? { ...hardState, vote: null }
        : hardState;
    const first = entries[0];
    if (first !== undefined) {
      terms.length = first.index;
      for (const { index, term } of entries) terms[index] = term;
      oracle.wrote(entries, (index) => terms[index]);
      for (const { kind, index, term, data } of entries) {
        if (kind === "membership") {
          world.note(
            () => `${id} writes change ${index} of term ${term}: ${String.fromCharCode(...data)}`,
          );
        }
      }
    }
    const full: DiskWrite = {
      kind: "append",
      hardState: kept,
      entries,
      membership: changedMembership,
      isSync,
    };
    changedMembership = undefined;
    writes.push({ write: full, after });
    if (shared.driverFault === "ackBeforeSync" && after.length > 0) network.send(after);
  }

  function startWriting(): void {
    if (isWriting || writes.length === 0) return;
    isWriting = true;
    const count = mix.faults.has("singleWrites") && shared.isStormy ? 1 : writes.length;
    const batch = writes.splice(0, count);
    writing = batch.map(({ write }) => write);
    const own = life;
    const finish = (): void => {
      if (own !== life) return;
      const waitMs = hub.isDiskFull ? 20 : Math.min(hub.stallUntil - world.now, 20);
      if (waitMs > 0) {
        world.after(waitMs, finish); // tried again until there is room, or the stall is over
        return;
      }
      for (const write of writing) hub.disk.resolve(write); // the disk goes on while we are paused
      writing = [];
      const { lastIndex, lastTerm, term } = hub.disk;
      happens(() => stored(batch, lastIndex, lastTerm, term))();
    };
    const [low, high] = mix.diskMs;
    world.after(low + random() * ((shared.isStormy ? high : Math.min(high, 3)) - low), finish);
  }

  function stored(batch: typeof writes, index: number, lastTerm: number, term: number): void {
    isWriting = false;
    for (const { write, after } of batch) {
      if (after.length > 0 && shared.driverFault !== "ackBeforeSync") network.send(after); // B3
      if (write.kind === "reset") installed(write.checkpoint);
    }
    if (batch.some(({ write }) => write.kind === "append" && write.isSync)) {
      hub.core?.step({ type: "stored", term, index, lastTerm });
    }
    pump();
  }

  function apply(): void {
    const { core, machine } = hub;
    if (core === undefined) return;
    const term = core.status().term;
    for (const entry of toApply) {
      if (entry.index <= machine.index) {
        check(hub.isBarred, () => `O3 ${id} is given entry ${entry.index} twice`);
        continue; // the checkpoint is ahead of a log that has lost its end
      }
      check(
        entry.index === machine.index + 1,
        () => `O3 ${id} is given ${entry.index} after ${machine.index}`,
      );
      machine.index = entry.index;
      const what = whatOf(entry);
      const command = entry.kind === "commands" && what >= 0 ? commands[what] : undefined;
      if (entry.kind === "membership") follow(entry);
      const result =
        command === undefined || hub.isWitness
          ? undefined
          : applyCommand(machine, command, entry.index);
      mixEntry(machine, entry.index, entry.term, what, result);
      oracle.applied(id, entry, what, term, hub.isWitness ? undefined : machine.hash);
      const answer = waiters.get(what);
      if (answer === undefined || command === undefined) continue;
      waiters.delete(what);
      answer(result === undefined ? { kind: "lost" } : { kind: "ok", index: entry.index, result });
    }
    toApply = [];
    answerReads();
    if (machine.index - checkpointed >= mix.checkpointEvery) hub.checkpoint();
  }

  function follow(entry: Entry): void {
    const outcome = changeMembership(hub.membership, decodeChange(entry.data));
    check(
      outcome.kind === "changed",
      () =>
        `${id} cannot follow the change at ${entry.index} (${String.fromCharCode(...entry.data)}) from ${JSON.stringify(hub.membership)}`,
    );
    if (outcome.kind !== "changed") return;
    hub.membership = outcome.membership;
    world.note(() => `${id} follows the change at ${entry.index}`);
    changedMembership = { value: outcome.membership, index: entry.index };
  }

  function answerReads(): void {
    for (const [read, { key, answer, index }] of readers) {
      if (index === undefined || index > hub.machine.index) continue;
      readers.delete(read);
      answer({ kind: "value", index, value: hub.machine.values.get(key) });
    }
  }

  function fetchSnapshot({
    from,
    index,
    indexTerm,
    membership,
  }: NonNullable<Ready["install"]>): void {
    later(between(random, 2, 30), () => {
      const held = shared.hubs.get(from);
      const kept = held?.core === undefined ? undefined : held.disk.checkpoint;
      // A damaged log may have lost what the ledger beside it still has: it takes the older state.
      const isOld = index <= hub.machine.index && !hub.isBarred;
      const isReachable = !network.isBlocked(from, id) && !network.isBlocked(id, from);
      if (!isReachable || kept?.index !== index || isOld) {
        hub.step({ type: "installed", index, isDone: false });
        return;
      }
      changedMembership = undefined; // the snapshot's is newer
      const machine = copyOf(kept.machine);
      const checkpoint: Checkpoint = { index, term: indexTerm, membership, machine };
      writes.push({ write: { kind: "reset", checkpoint, isSync: true }, after: [] });
      startWriting();
    });
  }

  function installed(checkpoint: Checkpoint): void {
    const { index, term, membership, machine } = checkpoint;
    hub.machine = copyOf(machine);
    hub.membership = membership;
    checkpointed = index;
    changedMembership = undefined;
    toApply = [];
    terms = [];
    terms[index] = term;
    world.note(() => `${id} installed the snapshot at ${index}`);
    hub.core?.step({ type: "installed", index, isDone: true });
    if (hub.isWitness) return;
    hub.core?.step({ type: "snapshotKept", index, indexTerm: term, membership });
  }

  function keep(checkpoint: Checkpoint): void {
    const { index, term, membership } = checkpoint;
    isCheckpointing = false;
    if (hub.isWitness || index <= (hub.disk.checkpoint?.index ?? 0)) return;
    hub.disk.checkpoint = checkpoint;
    const through = index - mix.keepEntries;
    if (through > hub.disk.log.offset.index) {
      const trim: DiskWrite = {
        kind: "trim",
        through,
        membership: changedMembership,
        isSync: false,
      };
      changedMembership = undefined;
      writes.push({ write: trim, after: [] });
    }
    happens(() => hub.step({ type: "snapshotKept", index, indexTerm: term, membership }))();
  }

  /** Planted: the data is on disk, the index beside it is that of the checkpoint before. */
  function keepApart({ machine }: Checkpoint): void {
    isCheckpointing = false;
    const before = hub.disk.checkpoint ?? { index: 0, term: 0, membership: founders };
    machine.index = before.index;
    hub.disk.checkpoint = { ...before, machine };
  }

  function look(core: Core): void {
    const status = core.status();
    oracle.saw(id, seen, status);
    if (status.role !== hub.role) {
      world.note(() => `${id} is ${status.role} in term ${status.term}`);
      hub.role = status.role;
      if (status.role === "leader") {
        oracle.leads(id, status.term, (index) => terms[index]);
        shared.onLeader(hub);
      }
    }
  }

  function startCore(): void {
    const restored = hub.disk.restored();
    const { checkpoint } = hub.disk;
    const machine = checkpoint === undefined ? emptyMachine() : copyOf(checkpoint.machine);
    hub.machine = machine;
    checkpointed = machine.index;
    hub.membership = checkpoint?.membership ?? founders; // without one the log is whole
    terms = [];
    for (let index = restored.lastIndex; index >= hub.disk.log.offset.index; index -= 1) {
      terms[index] = hub.disk.log.termAt(index);
    }
    hub.isBarred = hub.disk.damage !== undefined;
    const config: CoreConfig = {
      id,
      electionTicks: mix.electionTicks,
      heartbeatTicks: mix.heartbeatTicks,
      random,
      isWitness: hub.isWitness,
      witnesses: shared.witnesses,
      uncommittedBytesMax: mix.uncommittedBytesMax,
      inflightMax: mix.inflightMax,
      inflightBytesMax: 1_000_000,
      messageBytesMax: mix.messageBytesMax,
      isBarred: hub.isBarred,
    };
    hub.core = shared.makeCore(config, restored, hub.disk.log);
    // A change that the ledger has and whose record was lost with the power is not applied again: the
    // core has found it in the log, and before the log is trimmed it must be on the disk.
    const { membership: found, membershipIndex } = hub.core.status();
    if (membershipIndex > restored.membershipIndex) {
      changedMembership = { value: found, index: membershipIndex };
    }
    if (checkpoint !== undefined && !hub.isWitness) {
      const { index, term, membership } = checkpoint;
      hub.core.step({ type: "snapshotKept", index, indexTerm: term, membership });
    }
  }

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
      life += 1;
      seen.term = hub.disk.term; // what was not synced is forgotten
      seen.commit = 0;
      world.note(() => `${id} starts${hub.disk.damage === undefined ? "" : " barred"}`);
      world.trace(4, number, life);
      startCore();
      tick();
      pump();
    },
    crash(keep) {
      world.note(() => `${id} crashes`);
      world.trace(5, number, life);
      life += 1;
      hub.core = undefined;
      hub.role = "follower";
      hub.isPaused = false;
      hub.disk.crash(writing, keep);
      inbox = [];
      writes = [];
      writing = [];
      isWriting = false;
      toApply = [];
      missedTicks = 0;
      isCheckpointing = false;
      changedMembership = undefined;
      for (const answer of waiters.values()) answer({ kind: "lost" });
      for (const { answer } of readers.values()) answer({ kind: "lost" });
      waiters = new Map();
      readers = new Map();
    },
    pause(ms) {
      if (hub.core === undefined || hub.isPaused) return;
      world.note(() => `${id} is paused for ${ms} ms`);
      hub.isPaused = true;
      const own = life;
      world.after(ms, () => {
        if (own !== life) return;
        hub.isPaused = false;
        const late = missedTicks;
        missedTicks = 0;
        const isClockFirst = random() < 0.5;
        if (late > 0 && isClockFirst) takeTick(late - 1);
        const waiting = inbox;
        inbox = [];
        for (const run of waiting) if (own === life) run();
        if (late > 0 && !isClockFirst && own === life) takeTick(late - 1);
      });
    },
    step(input) {
      const outcome = hub.core?.step(input) ?? "refused";
      pump();
      return outcome;
    },
    receive(messages) {
      if (hub.core === undefined) return;
      happens(() => {
        for (const message of messages) hub.core?.step({ type: "message", message });
        pump();
      })();
    },
    propose(command, answer) {
      if (hub.core === undefined || hub.isWitness) {
        answer({ kind: "refused", leader: null });
        return;
      }
      happens(() => {
        waiters.set(command.id, answer);
        if (hub.step({ type: "propose", data: encode(command.id) }) === "taken") return;
        waiters.delete(command.id);
        answer({ kind: "refused", leader: hub.core?.status().leader ?? null });
      })();
    },
    read(key, answer) {
      if (hub.core === undefined || hub.isWitness) {
        answer({ kind: "refused", leader: null });
        return;
      }
      happens(() => {
        nextRead += 1;
        readers.set(nextRead, { key, answer });
        hub.step({ type: "read", id: nextRead });
      })();
    },
    checkpoint() {
      if (isCheckpointing || hub.isWitness || hub.core === undefined) return;
      const { index } = hub.machine;
      const term = hub.disk.log.termAt(index);
      if (term === undefined || index <= checkpointed) return;
      isCheckpointing = true;
      checkpointed = index;
      const checkpoint: Checkpoint = {
        index,
        term,
        membership: hub.membership,
        machine: copyOf(hub.machine),
      };
      const own = life;
      world.after(between(random, 1, 20), () => {
        if (own !== life) return;
        if (shared.driverFault === "appliedApart" && random() < 0.5) keepApart(checkpoint);
        else keep(checkpoint);
      });
    },
  };
  return hub;
}

/** Names a command by its number, padded so that sizes differ. */
export function encode(id: number): Uint8Array {
  const data = new Uint8Array(4 + (id % 7) * 3);
  new DataView(data.buffer).setUint32(0, id);
  return data;
}

/** The content of an entry as one number: of a command its id, -1 for the empty entry of a term. */
export function whatOf({ kind, data }: Entry): number {
  if (kind === "commands") {
    if (data.length === 0) return -1;
    return new DataView(data.buffer, data.byteOffset).getUint32(0);
  }
  let sum = 2;
  for (const byte of data) sum = (Math.imul(sum, 31) + byte) | 0;
  return -Math.abs(sum) - 2;
}
