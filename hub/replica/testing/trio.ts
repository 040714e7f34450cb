// Test equipment: several replicas in one process, over disks that forget at a power cut and links
// that can be cut. The real clock; time-outs of 20 ms and 100 ms.

import { GantryError } from "@gantry/shared/base/errors.ts";
import { seededRandom } from "@gantry/shared/base/prng.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import { silentLogger } from "@gantry/shared/flow/logger.ts";
import { openRaftLog, type TailMark } from "../../adapters/raft-log.ts";
import { makeMemoryMark } from "../../adapters/testing/memory-mark.ts";
import type { Membership, Message } from "../../consensus/types.ts";
import type { PeerLink } from "../../ports.ts";
import type { ReplicaOptions } from "../options.ts";
import { openReplica, type Replica } from "../replica.ts";
import type { SnapshotStore } from "../snapshot-store.ts";
import { makeMemorySnapshots } from "./memory-snapshots.ts";
import { type Disks, makeDisks } from "./rig.ts";

const TIMING = { electionTicks: 10, heartbeatTicks: 2 };

export interface Member {
  readonly id: string;
  readonly disks: Disks;
  readonly mark: TailMark;
  readonly snapshots: SnapshotStore;
  /** Undefined while it is down. */
  replica: Replica | undefined;
}

export interface Trio extends AsyncDisposable {
  readonly members: readonly Member[];
  start(id: string): Promise<Replica>;
  /** The power goes: what was not synced is lost. */
  cutPower(id: string): Promise<void>;
  /** No message passes between these two, in either direction; or they pass again. */
  cut(one: string, other: string, isCut?: boolean): void;
  /** The one that leads and is followed by a majority. */
  leader(): Promise<Replica>;
}

export interface TrioOptions extends Partial<ReplicaOptions> {
  readonly ids?: readonly string[];
  readonly voters?: readonly string[];
  readonly logEntries?: number;
  readonly keptEntries?: number;
}

export async function startTrio(options: TrioOptions = {}): Promise<Trio> {
  const {
    ids = ["hub-1", "hub-2", "hub-3"],
    voters = ids,
    logEntries = 1e9,
    keptEntries = 1e9,
    ...rest
  } = options;
  const found: Membership = {
    voters,
    outgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const members: Member[] = ids.map((id) => ({
    id,
    disks: makeDisks(),
    mark: makeMemoryMark(),
    snapshots: makeMemorySnapshots(),
    replica: undefined,
  }));
  const cuts = new Set<string>();
  const memberOf = (id: string): Member => {
    const member = members.find((each) => each.id === id);
    if (member === undefined) throw new Error(`there is no ${id}`);
    return member;
  };
  const reaches = (from: string, to: string): boolean =>
    memberOf(to).replica !== undefined && !cuts.has(`${from} ${to}`);

  const linkOf = (from: string): Pick<PeerLink, "send" | "fetch"> => ({
    send(messages) {
      const lost = new Set<string>();
      for (const message of messages) {
        if (!reaches(from, message.to)) lost.add(message.to);
        else deliver(message);
      }
      return [...lost];
    },
    async fetch(of, what, offset, sizeBytes) {
      if (!reaches(from, of)) throw new GantryError("unreachable", `${of} is away`);
      const piece =
        what.kind === "snapshot"
          ? await memberOf(of).snapshots.piece(what.index, offset, sizeBytes)
          : undefined;
      if (piece === undefined) throw new GantryError("not_found", "no such snapshot");
      return piece;
    },
  });

  function deliver(message: Message): void {
    setImmediate(() => memberOf(message.to).replica?.receive([message]));
  }

  const self: Trio = {
    members,
    async start(id) {
      const member = memberOf(id);
      const { disks, mark, snapshots } = member;
      const random = seededRandom(ids.indexOf(id) + 1);
      member.replica = await openReplica({
        hubId: id,
        logStore: await openRaftLog(disks.log, mark, { found }),
        ledgerStore: disks.ledger,
        clock: systemClock,
        random,
        log: silentLogger,
        checkpointMs: 20,
        onEvents: () => {},
        timing: TIMING,
        peers: linkOf(id),
        snapshots: { store: snapshots, logEntries, keptEntries },
        ...rest,
      });
      return member.replica;
    },
    async cutPower(id) {
      const member = memberOf(id);
      const { replica, disks } = member;
      member.replica = undefined;
      disks.log.cutPower();
      disks.ledger.cutPower();
      const gone = new GantryError("io_error", "the machine is off");
      disks.log.failWith(gone);
      disks.ledger.failWith(gone);
      await replica?.close().catch(() => {});
      disks.log.failWith();
      disks.ledger.failWith();
      for (const each of members) each.replica?.unreachable(id);
    },
    cut(one, other, isCut = true) {
      for (const pair of [`${one} ${other}`, `${other} ${one}`]) {
        if (isCut) cuts.add(pair);
        else cuts.delete(pair);
      }
    },
    async leader() {
      const endMs = performance.now() + 10_000;
      for (;;) {
        const running = members.flatMap(({ replica }) => replica ?? []);
        const leader = running.find((each) => {
          const { role, isReadable } = each.status();
          return role === "leader" && isReadable;
        });
        const followers = running.filter((each) => each.status().leader === leaderId(leader));
        if (leader !== undefined && followers.length * 2 > voters.length) return leader;
        if (performance.now() > endMs) throw new Error("nobody leads");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { replica } of members) await replica?.close();
    },
  };
  const leaderId = (replica: Replica | undefined): string | undefined =>
    members.find((each) => each.replica === replica && replica !== undefined)?.id;
  for (const id of ids) await self.start(id);
  return self;
}
