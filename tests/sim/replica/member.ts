// One hub of the replica-level simulation: the real replica, log store and ledger over simulated
// clock, disks and links. A crash freezes the process: nothing of its life reaches it any more.
//
// RX3. A hub whose log lacks what it had synced neither votes nor leads until that is healed.
// RX4. A full disk costs the ballast; until there is room again, what begins something is refused and
//      what ends or deletes is served (hub/adapters/disk-room.ts DR1, DR2).

import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { isRefusedWhenLow } from "../../../hub/adapters/disk-room.ts";
import { openRaftLog, type TailMark } from "../../../hub/adapters/raft-log.ts";
import type { Mark } from "../../../hub/adapters/raft-log-scan.ts";
import type { HubId, MakeCore, Membership, Message } from "../../../hub/consensus/types.ts";
import type { OrderedStore, PeerLink } from "../../../hub/ports.ts";
import type { Reign } from "../../../hub/replica/options.ts";
import { openReplica, type Replica } from "../../../hub/replica/replica.ts";
import type { SnapshotStore } from "../../../hub/replica/snapshot-store.ts";
import { makeMemorySnapshots } from "../../../hub/replica/testing/memory-snapshots.ts";
import type { Network } from "../network.ts";
import { check, type World } from "../world.ts";
import { makeSimClock, makeSimTime, type SimTime } from "./sim-clock.ts";
import { makeSimStore, type SimStore } from "./sim-store.ts";

/** One life of the hub's process, for what else lives in it. */
export interface Life {
  readonly hub: HubId;
  readonly clock: Clock;
  readonly random: () => number;
  readonly isOver: () => boolean;
  /** Something that reaches this process, now or when it runs again. */
  readonly happens: (run: () => void) => void;
}

export interface LifeHooks {
  readonly onEvents: (events: readonly LedgerEvent[]) => void;
  readonly onReign: (reign: Reign | undefined) => void;
  readonly onLeader: (leader: HubId | null) => void;
  readonly onInstalled: () => void;
  /** The replica is open. */
  readonly opened: (replica: Replica, ledgerStore: OrderedStore) => void;
}

export interface MemberOptions {
  readonly world: World;
  readonly network: Network;
  readonly founders: Membership;
  readonly witnesses: ReadonlySet<HubId>;
  readonly members: ReadonlyMap<HubId, Member>;
  readonly makeCore: MakeCore;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly checkpointMs: number;
  readonly logEntries: number;
  readonly keptEntries: number;
  readonly diskMs: () => number;
  readonly onEvents: (hub: HubId, events: readonly LedgerEvent[]) => void;
  readonly onReign: (hub: HubId, term: number | undefined) => void;
  readonly onCrash?: (hub: HubId, isPower: boolean) => void;
  /** What lives in the process besides the replica. */
  readonly live?: (life: Life) => LifeHooks;
}

export interface Member {
  readonly id: HubId;
  readonly logDisk: SimStore;
  readonly ledgerDisk: SimStore;
  readonly snapshots: SnapshotStore;
  /** Undefined while it is down or starting. */
  replica: Replica | undefined;
  readonly isUp: boolean;
  isPaused: boolean;
  readonly time: SimTime;
  readonly isWitness: boolean;
  /** RX4: the ballast is gone, and there is no room to make it anew. */
  isRoomLow: boolean;
  /** Its log was damaged, and it has not been seen whole since. */
  readonly isDamaged: boolean;
  start(): void;
  /** `isPower`: writes that no sync covers may be lost, else all that were begun survive. */
  crash(isPower: boolean): void;
  /** Power fails, and what is left of the log is less than was synced, or not what was written. */
  damage(): void;
  pause(ms: number): void;
  receive(messages: readonly Message[]): void;
  /** Something that reaches the process of this life, now or when it runs again. */
  happens(run: () => void): void;
}

/** Few, so that what another hub lacks is often read from the disk. */
const LOG_CACHE_BYTES = 1_000;
const LINK_MS_MAX = 3;
/** systemd starts a hub again that found no room to start. */
const RESTART_MS = 300;
/** More than SimStore keeps: the whole log. */
const ALL_BATCHES = 1_000;

export function makeMember(id: HubId, options: MemberOptions): Member {
  const { world, network, members } = options;
  const { random } = world;
  let life = 0;
  let isUp = false;
  let isDamaged = false;
  let inbox: (() => void)[] = [];
  let mark: Mark | undefined;
  let markBefore: Mark | undefined;

  function reachOf(own: number): (run: () => void) => void {
    return (run) => {
      if (own !== life) return;
      if (member.isPaused) inbox.push(run);
      else run();
    };
  }

  const tailMark: TailMark = {
    read: () => mark,
    write(next) {
      markBefore = mark;
      mark = next;
    },
  };

  function linkOf(
    own: number,
    happens: (run: () => void) => void,
    damageOf: () => string | undefined,
  ): Pick<PeerLink, "send" | "fetch"> {
    return {
      send(messages) {
        if (own !== life) return [];
        if (damageOf() !== undefined) {
          check(!messages.some(isPromise), () => `RX3 ${id} votes or leads: ${damageOf()}`);
        }
        network.send(messages);
        return [];
      },
      fetch(from, what, offset, sizeBytes) {
        return new Promise((resolve, reject) => {
          world.after(random() * LINK_MS_MAX * 2, () => {
            const other = members.get(from);
            const isReached =
              other?.isUp === true && !network.isBlocked(id, from) && !network.isBlocked(from, id);
            const piece =
              isReached && what.kind === "snapshot"
                ? other.snapshots.piece(what.index, offset, sizeBytes)
                : undefined;
            if (piece === undefined) {
              happens(() => reject(new GantryError("unreachable", `${from} does not answer`)));
              return;
            }
            void piece.then((found) =>
              happens(() => {
                if (found === undefined) reject(new GantryError("not_found", "no such snapshot"));
                else resolve(found);
              }),
            );
          });
        });
      },
    };
  }

  async function open(own: number): Promise<void> {
    const happens = reachOf(own);
    const logDisk = member.logDisk.open(happens);
    const logStore = await openRaftLog(logDisk, tailMark, {
      found: options.founders,
      cacheBytes: LOG_CACHE_BYTES,
    });
    if (logStore.damage !== undefined) world.note(() => `${id} finds: ${logStore.damage}`);
    const ledgerStore = member.ledgerDisk.open(happens);
    const clock = makeSimClock(world, member.time, happens);
    const isOver = (): boolean => own !== life;
    const hooks = options.live?.({ hub: id, clock, random, isOver, happens });
    const replica = await openReplica({
      hubId: id,
      logStore,
      ledgerStore,
      clock,
      random,
      log: silentLogger,
      checkpointMs: options.checkpointMs,
      founding: options.founders,
      onEvents: (events) => {
        if (own !== life) return;
        options.onEvents(id, events);
        hooks?.onEvents(events);
      },
      onReign: (reign) => {
        if (own !== life) return;
        options.onReign(id, reign?.term);
        hooks?.onReign(reign);
      },
      onLeader: (leader) => {
        if (own === life) hooks?.onLeader(leader);
      },
      onInstalled: () => {
        if (own === life) hooks?.onInstalled();
      },
      timing: { electionTicks: options.electionTicks, heartbeatTicks: options.heartbeatTicks },
      peers: linkOf(own, happens, () => logStore.damage),
      isWitness: member.isWitness,
      witnesses: options.witnesses,
      refusal: ({ type }) =>
        member.isRoomLow && isRefusedWhenLow(type)
          ? new GantryError("disk_full", "The simulated disk is nearly full")
          : undefined,
      onDiskFault(fault) {
        if (own === life && fault?.code === "disk_full") giveUpBallast();
      },
      snapshots: {
        store: member.snapshots,
        logEntries: options.logEntries,
        keptEntries: options.keptEntries,
      },
      makeCore: options.makeCore,
    });
    if (own !== life) return;
    hooks?.opened(replica, ledgerStore);
    member.replica = replica;
  }

  /** RX4. */
  function giveUpBallast(): void {
    if (member.isRoomLow) return;
    world.note(() => `${id} gives up its ballast`);
    member.isRoomLow = true;
    for (const disk of [member.logDisk, member.ledgerDisk]) disk.isFull = false;
  }

  function onStartFailed(own: number, error: unknown): void {
    if (own !== life) return; // it died while it was starting
    if (error instanceof GantryError && error.code === "disk_full") {
      member.crash(false);
      world.after(RESTART_MS, () => member.start());
      return;
    }
    queueMicrotask(() => {
      throw error;
    });
  }

  const member: Member = {
    id,
    logDisk: makeSimStore(world, options.diskMs),
    ledgerDisk: makeSimStore(world, options.diskMs),
    snapshots: makeMemorySnapshots(),
    replica: undefined,
    get isUp() {
      return isUp;
    },
    isPaused: false,
    time: makeSimTime(world),
    isWitness: options.witnesses.has(id),
    isRoomLow: false,
    get isDamaged() {
      const status = member.replica?.status();
      if (isDamaged && status !== undefined && status.damage === undefined) isDamaged = false;
      return isDamaged;
    },
    start() {
      if (isUp) return;
      isUp = true;
      life += 1;
      const own = life;
      world.note(() => `${id} starts`);
      world.trace(4, life, Number(id.slice(1)));
      open(own).catch((error: unknown) => onStartFailed(own, error));
    },
    crash(isPower) {
      if (!isUp) return;
      world.note(() => `${id} crashes${isPower ? " without power" : ""}`);
      isUp = false;
      life += 1;
      options.onCrash?.(id, isPower);
      member.replica = undefined;
      member.isPaused = false;
      inbox = [];
      for (const disk of [member.logDisk, member.ledgerDisk]) {
        disk.crash(isPower ? Math.floor(random() * (disk.unsynced() + 1)) : Infinity);
      }
      if (isPower && random() < 0.3) mark = markBefore; // it is written after the sync, and never synced
    },
    damage() {
      const isMarkOld = mark !== undefined && mark === markBefore;
      if (!isUp || mark === undefined || isMarkOld) return;
      const found = mark;
      member.crash(true);
      mark = found; // with a mark that is older, too, nobody could know what is missing
      const choice = random();
      if (choice < 0.4) member.logDisk.rot(() => true);
      else member.logDisk.lose(choice < 0.5 ? ALL_BATCHES : 1 + Math.floor(random() * 30));
      isDamaged = true;
      world.note(() => `${id} has a damaged log`);
    },
    pause(ms) {
      if (!isUp || member.isPaused) return;
      world.note(() => `${id} is paused for ${ms.toFixed(0)} ms`);
      member.isPaused = true;
      const own = life;
      world.after(ms, () => {
        if (own !== life) return;
        member.isPaused = false;
        const waiting = inbox;
        inbox = [];
        for (const run of waiting) if (own === life) run();
      });
    },
    receive(messages) {
      reachOf(life)(() => member.replica?.receive(messages));
    },
    happens: (run) => reachOf(life)(run),
  };
  return member;
}

/** Only a vote is a promise that counts; a pre-vote is none. */
const isPromise = (message: Message): boolean =>
  (message.type === "voted" && message.isGranted && !message.isPre) ||
  message.type === "append" ||
  message.type === "heartbeat";
