// Opens what a hub stands on: disks, log, ledger, links to other hubs, replica.

import { GantryError, toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { HubConfig } from "@gantry/shared/contract/config.ts";
import { systemClock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";
import type { DataDir } from "../adapters/data-dir.ts";
import { openCluster } from "../adapters/cluster-file.ts";
import { type DiskRoom, isRefusedWhenLow, openDiskRoom } from "../adapters/disk-room.ts";
import { openLevelStore } from "../adapters/level-store.ts";
import { openLogFolder } from "../adapters/log-folder.ts";
import { openPeerLink } from "../adapters/peer-link.ts";
import { openRaftLog } from "../adapters/raft-log.ts";
import { makeStrongRandom } from "../adapters/strong-random.ts";
import { openTailMark } from "../adapters/tail-mark.ts";
import { foundingMembership } from "../cluster/bootstrap.ts";
import { formatOf, isNewCommand, refusalOf } from "../cluster/formats.ts";
import { makeMembers, type Members } from "../cluster/members.ts";
import { makeNetwork, type Network } from "../cluster/network.ts";
import type { HubId } from "../consensus/types.ts";
import { makeFeed } from "../feed/feed.ts";
import { makeSoftState } from "../feed/soft.ts";
import { makeTraces } from "../feed/traces.ts";
import type { Hub } from "../hub.ts";
import { ledgerTimeMs } from "../ledger/context.ts";
import { makeMetrics } from "../metrics.ts";
import { makePeerCalls, type PeerCalls } from "../peers/calls.ts";
import type { OrderedStore, PeerLinkHandler } from "../ports.ts";
import { FAST_TIMING, type RaftTiming, type Reign, SLOW_TIMING } from "../replica/options.ts";
import { openReplica } from "../replica/replica.ts";
import { openSnapshotFiles } from "../replica/snapshot-files.ts";
import { makeStamps } from "../registry/replicated-time.ts";
import { type Pulse, takePulse } from "./pulse.ts";

const TICK_MS = 10;
const ROOM_AFTER_MS = 30_000;

const nearlyFull = (): GantryError =>
  new GantryError(
    "disk_full",
    "The disk is nearly full: what is begun may end, nothing new begins",
  );

export interface CoreHooks {
  readonly onReign: (reign: Reign | undefined) => void;
  readonly onLeader: (leader: HubId | null) => void;
  readonly onConnected: (hub: HubId) => void;
  readonly blobPiece: (
    sha256: string,
    offset: number,
    sizeBytes: number,
  ) => ReturnType<PeerLinkHandler["piece"]>;
}

export interface HubCore {
  readonly hub: Hub;
  readonly ledgerStore: OrderedStore;
  readonly members: Members;
  readonly network: Network;
  readonly calls: PeerCalls;
  readonly pulse: Pulse;
  readonly timing: RaftTiming;
  readonly clusterId: string;
  readonly founders: readonly HubId[];
  readonly isWitness: boolean;
  /** New with each start. */
  readonly bootId: string;
  close(): Promise<void>;
}

/** Throws bad_config, data_damaged, data_dir_version, data_dir_locked, io_error, port_busy. */
export async function openHubCore(
  config: HubConfig,
  paths: DataDir,
  log: Logger,
  hooks: CoreHooks,
): Promise<HubCore> {
  const clock = systemClock;
  const random = makeStrongRandom();
  const bootId = bootIdOf(random);
  const stopped = new AbortController();
  const pulse = takePulse();
  const logDisk = await openLogFolder(paths.log, { createIfMissing: true });
  await pulse.feelDisk(logDisk);
  const hasLog = logDisk.getSync("h") !== undefined;
  const cluster = await openCluster(paths.root, config, hasLog);
  const { file, keys, save } = cluster;
  const ledgerStore = await openLevelStore(paths.ledger, { createIfMissing: true });
  const tail = await openTailMark(paths.logTail);
  const logStore = await openRaftLog(logDisk, tail, { found: foundingMembership(file) });
  const snapshots = await openSnapshotFiles(paths.snapshots);
  const isWitness = file.witnesses.includes(config.hubId);

  const network = makeNetwork({
    open: (handler) =>
      openPeerLink({
        bind: config.peerBind,
        hubId: config.hubId,
        clusterId: BigInt(`0x${file.clusterId}`),
        keys,
        handler,
        clock,
        log,
        signal: stopped.signal,
      }),
    received(messages) {
      const [first] = messages;
      if (first !== undefined && !members.isFormer(first.from)) replica.receive(messages);
    },
    posted: (from, body) => calls.posted(from, body),
    connected(hub) {
      calls.connected(hub);
      hooks.onConnected(hub);
    },
    lost(hub) {
      replica.unreachable(hub);
      calls.lost(hub);
    },
    piece: (what, offset, sizeBytes) =>
      what.kind === "snapshot"
        ? snapshots.piece(what.index, offset, sizeBytes)
        : hooks.blobPiece(what.sha256, offset, sizeBytes),
  });
  const calls = makePeerCalls({ link: network.peers, clock, log, bootId });
  const members = makeMembers({ file, save, link: () => network.link(), log });
  const feed = makeFeed();
  const timing = timingOf(config, pulse);
  let room: DiskRoom | undefined;
  const replica = await openReplica({
    hubId: config.hubId,
    logStore,
    ledgerStore,
    clock,
    random,
    log,
    checkpointMs: config.checkpointMs,
    snapshots: { store: snapshots },
    peers: network.peers,
    timing,
    isWitness,
    witnesses: members.witnesses,
    founding: foundingMembership(file),
    onEvents: (events) => feed.publish(events),
    refusal({ type }) {
      if (room?.state() === "low" && isRefusedWhenLow(type)) return nearlyFull();
      return isNewCommand(type) ? refusalOf(type, clusterFormat()) : undefined;
    },
    onDiskFault: (fault) => (fault?.code === "disk_full" ? void room?.ranFull() : undefined),
    onReign: hooks.onReign,
    onLeader: hooks.onLeader,
    onMembership: (membership) => members.membershipChanged(membership),
    onInstalled: () => feed.lapse(),
    onSync: (tookMs) => pulse.synced(tookMs),
  });
  void guardRoom().catch((error: unknown) => {
    if (!stopped.signal.aborted) log.error({ error: toErrorRecord(error) }, "no watch of the disk");
  });
  function clusterFormat(): ReturnType<typeof formatOf> {
    const { rows } = replica.ledger;
    return formatOf([config.hubId, ...members.stateful()], (id) => rows.get("hub", id));
  }
  /** Not at once: filling the ballast would be in the way of the start. */
  async function guardRoom(): Promise<void> {
    await clock.sleep(ROOM_AFTER_MS, stopped.signal);
    room = await openDiskRoom(paths.root, { ballastPath: paths.ballast, clock, log });
  }
  await members.start();
  const hub: Hub = {
    id: config.hubId,
    replica,
    rows: replica.ledger.rows,
    feed,
    soft: makeSoftState(feed),
    clock,
    stampMs: makeStamps(clock, () => ledgerTimeMs(replica.ledger.rows)),
    random,
    log,
    metrics: makeMetrics(),
    traces: makeTraces(),
  };
  return {
    hub,
    ledgerStore,
    members,
    network,
    calls,
    pulse,
    timing,
    clusterId: file.clusterId,
    founders: file.founders,
    isWitness,
    bootId,
    async close() {
      await replica.close();
      stopped.abort();
      await calls.close();
      await network.close();
      pulse.stop();
      await tail.close();
      await snapshots.close();
      await room?.close();
      await ledgerStore.close();
      await logDisk.close();
    },
  };
}

const bootIdOf = (random: () => number): string =>
  Math.floor(random() * 2 ** 48)
    .toString(16)
    .padStart(12, "0");

/** Set by a person, else by the disk as it was just felt: a slow one needs patient elections. */
function timingOf({ electionMs, heartbeatMs }: HubConfig, pulse: Pulse): RaftTiming {
  if (electionMs === undefined) return pulse.isSlow() ? SLOW_TIMING : FAST_TIMING;
  const electionTicks = Math.ceil(electionMs / TICK_MS);
  const heartbeatTicks = Math.max(1, Math.round((heartbeatMs ?? electionMs / 5) / TICK_MS));
  return { electionTicks, heartbeatTicks: Math.min(heartbeatTicks, Math.floor(electionTicks / 2)) };
}
