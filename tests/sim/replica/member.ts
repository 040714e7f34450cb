// One hub of the replica-level simulation: the real replica, log store and ledger over simulated
// clock, disks and links. A crash freezes the process: nothing of its life reaches it any more.

import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { GantryError } from "@gantry/shared/base/errors.ts";
import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { openRaftLog, type TailMark } from "../../../hub/adapters/raft-log.ts";
import type { Mark } from "../../../hub/adapters/raft-log-scan.ts";
import type { HubId, MakeCore, Membership, Message } from "../../../hub/consensus/types.ts";
import type { PeerLink } from "../../../hub/ports.ts";
import { openReplica, type Replica } from "../../../hub/replica/replica.ts";
import type { SnapshotStore } from "../../../hub/replica/snapshot-store.ts";
import { makeMemorySnapshots } from "../../../hub/replica/testing/memory-snapshots.ts";
import type { Network } from "../network.ts";
import type { World } from "../world.ts";
import { makeSimClock } from "./sim-clock.ts";
import { makeSimStore, type SimStore } from "./sim-store.ts";

export interface MemberOptions {
  readonly world: World;
  readonly network: Network;
  readonly founders: Membership;
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
  clockRate: number;
  start(): void;
  /** `isPower`: writes that no sync covers may be lost, else all that were begun survive. */
  crash(isPower: boolean): void;
  pause(ms: number): void;
  receive(messages: readonly Message[]): void;
  /** Something that reaches the process of this life, now or when it runs again. */
  happens(run: () => void): void;
}

const LINK_MS_MAX = 3;

export function makeMember(id: HubId, options: MemberOptions): Member {
  const { world, network, members } = options;
  const { random } = world;
  let life = 0;
  let isUp = false;
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
  ): Pick<PeerLink, "send" | "fetch"> {
    return {
      send(messages) {
        if (own === life) network.send(messages);
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
    const logStore = await openRaftLog(logDisk, tailMark, { found: options.founders });
    const replica = await openReplica({
      hubId: id,
      logStore,
      ledgerStore: member.ledgerDisk.open(happens),
      clock: makeSimClock(world, member.clockRate, happens),
      random,
      log: silentLogger,
      checkpointMs: options.checkpointMs,
      founding: options.founders,
      onEvents: (events) => {
        if (own === life) options.onEvents(id, events);
      },
      onReign: (reign) => {
        if (own === life) options.onReign(id, reign?.term);
      },
      timing: { electionTicks: options.electionTicks, heartbeatTicks: options.heartbeatTicks },
      peers: linkOf(own, happens),
      snapshots: {
        store: member.snapshots,
        logEntries: options.logEntries,
        keptEntries: options.keptEntries,
      },
      makeCore: options.makeCore,
    });
    if (own === life) member.replica = replica;
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
    clockRate: 1,
    start() {
      if (isUp) return;
      isUp = true;
      life += 1;
      const own = life;
      world.note(() => `${id} starts`);
      world.trace(4, life, Number(id.slice(1)));
      open(own).catch((error: unknown) => {
        if (own !== life) return; // it died while it was starting
        queueMicrotask(() => {
          throw error;
        });
      });
    },
    crash(isPower) {
      if (!isUp) return;
      world.note(() => `${id} crashes${isPower ? " without power" : ""}`);
      isUp = false;
      life += 1;
      member.replica = undefined;
      member.isPaused = false;
      inbox = [];
      for (const disk of [member.logDisk, member.ledgerDisk]) {
        disk.crash(isPower ? Math.floor(random() * (disk.unsynced() + 1)) : Infinity);
      }
      if (isPower && random() < 0.3) mark = markBefore; // it is written after the sync, and never synced
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
