// The room on the disk of the data folder: a ballast file that is given up when the disk is full, and
// a watch that says early when it is about to be.
//
// DR1. `low` comes while there is still room: at 95 % used, or with less free than the ballast is
//      large. What begins something is then refused; what ends, deletes or reports goes on.
// DR2. Only a disk that is truly full costs the ballast. Its blocks are what deletes, compaction and
//      the opening anew of a store (level-store.ts, LS2) then live on.
// DR3. The room is judged as if the ballast were there, so that making it anew never causes `low`;
//      between `low` and `ok` lies a gap, so that a hub at the edge does not flap.
// DR4. The ballast has real blocks: written, not merely extended, with bytes that do not compress.

import { randomFillSync } from "node:crypto";
import { open, rename, rm, stat, statfs } from "node:fs/promises";
import { toErrorRecord } from "@gantry/shared/base/errors.ts";
import type { CommandBody } from "@gantry/shared/contract/commands.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Logger } from "@gantry/shared/flow/logger.ts";

export const BALLAST_BYTES = 64 * 1_048_576; // notes/raft 5.2
const FULL_BYTES = 4 * 1_048_576; // a batch of commands, or what the file system keeps for itself
const LOW_SHARE = 0.95; // notes/raft 5.2, as etcd's NOSPACE alarm
const OK_SHARE = 0.93;
const OK_FACTOR = 1.5;
const LOOK_MS = 5_000; // 64 MiB in 5 s is more than the log writes on the disks it is meant for
const PIECE_BYTES = 1_048_576;

export type RoomState = "ok" | "low";

export interface Room {
  readonly totalBytes: number;
  /** For this process: without what the file system keeps for root. */
  readonly freeBytes: number;
  readonly isBallastThere: boolean;
}

export interface RoomVerdict {
  readonly state: RoomState;
  readonly ballast: "keep" | "release" | "make";
}

/** DR1, DR2, DR3. `before`: the state so far; `ok` at start. */
export function judgeRoom(before: RoomState, room: Room, ballastBytes: number): RoomVerdict {
  const { totalBytes, freeBytes, isBallastThere } = room;
  const spareBytes = freeBytes - (isBallastThere ? 0 : ballastBytes);
  const share = 1 - spareBytes / totalBytes;
  const isLow =
    before === "ok"
      ? spareBytes < ballastBytes || share >= LOW_SHARE
      : spareBytes < OK_FACTOR * ballastBytes || share >= OK_SHARE;
  if (isBallastThere) {
    const isFull = freeBytes < FULL_BYTES;
    return { state: isLow ? "low" : "ok", ballast: isFull ? "release" : "keep" };
  }
  return isLow ? { state: "low", ballast: "keep" } : { state: "ok", ballast: "make" };
}

const BEGINS: ReadonlySet<CommandBody["type"]> = new Set([
  "tokenMade",
  "joinCodeMade",
  "nodeEnrolled",
  "questionAsked",
  "printSubmitted",
  "printKept",
  "printLeased",
  "jobAdded",
  "jobLeased",
  "jobRequeued",
  "jobsAdded",
  "jobsLeased",
  "sessionOpened",
  "lockAcquired",
  "flagSet",
]);

/** DR1. Deletes, ends, reports, an emergency stop and what keeps hubs together are never refused. */
export const isRefusedWhenLow = (type: CommandBody["type"]): boolean => BEGINS.has(type);

export interface DiskRoom {
  state(): RoomState;
  /** As of the last look. */
  room(): Room;
  /** Looks now, and acts; also by itself every 5 s. Never rejects. */
  look(): Promise<RoomState>;
  /** A write failed with disk_full: the ballast goes at once, whatever statfs says. Never rejects. */
  ranFull(): Promise<void>;
  close(): Promise<void>;
}

export interface DiskRoomOptions {
  readonly ballastPath: string;
  /** 64 MiB where left out. */
  readonly ballastBytes?: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Must not throw. */
  readonly onState?: (state: RoomState) => void;
  /** Of the folder in which the ballast is; the real one where left out. */
  readonly measure?: () => Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
}

/** Has looked once when it resolves. Rejects when the room cannot be measured at all. */
export async function openDiskRoom(folder: string, options: DiskRoomOptions): Promise<DiskRoom> {
  const { ballastPath, ballastBytes = BALLAST_BYTES, clock, log } = options;
  const measure = options.measure ?? (() => measureFolder(folder));
  const beside = `${ballastPath}.new`;
  const stopped = new AbortController();
  let state: RoomState = "ok";
  let room = await measureRoom();
  let working: Promise<unknown> = Promise.resolve();
  await rm(beside, { force: true });

  async function measureRoom(): Promise<Room> {
    const { size = 0, blocks = 0 } = (await stat(ballastPath).catch(() => undefined)) ?? {};
    const isBallastThere = size >= ballastBytes && blocks * 512 >= ballastBytes;
    return { ...(await measure()), isBallastThere };
  }

  async function act(): Promise<void> {
    room = await measureRoom();
    const verdict = judgeRoom(state, room, ballastBytes);
    if (verdict.ballast === "release") await release();
    if (verdict.ballast === "make") await make();
    if (verdict.state === state) return;
    state = verdict.state;
    const { totalBytes, freeBytes } = room;
    if (state === "low") log.error({ totalBytes, freeBytes }, "the disk is almost full");
    else log.info({ totalBytes, freeBytes }, "the disk has room again");
    options.onState?.(state);
  }

  async function release(): Promise<void> {
    await rm(ballastPath, { force: true });
    log.error({ bytes: ballastBytes }, "the disk is full: the ballast was given up");
    room = await measureRoom();
  }

  /** DR4. Under its name only when it is whole. */
  async function make(): Promise<void> {
    const piece = randomFillSync(new Uint8Array(Math.min(PIECE_BYTES, ballastBytes)));
    try {
      await using file = await open(beside, "w", 0o600);
      for (let bytes = 0; bytes < ballastBytes; bytes += piece.length) {
        await file.writeFile(piece.subarray(0, Math.min(piece.length, ballastBytes - bytes)));
      }
      await file.sync();
      await rename(beside, ballastPath);
    } catch (error) {
      await rm(beside, { force: true });
      log.warn({ error: toErrorRecord(error) }, "the ballast cannot be made; it is tried again");
    }
    room = await measureRoom();
  }

  /** One at a time. */
  function inOrder(work: () => Promise<void>): Promise<void> {
    const done = working.then(work).catch((error: unknown) => {
      log.warn({ error: toErrorRecord(error) }, "the room on the disk cannot be looked at");
    });
    working = done;
    return done;
  }

  async function keepLooking(): Promise<void> {
    for (;;) {
      await clock.sleep(LOOK_MS, stopped.signal);
      await inOrder(act);
    }
  }

  await inOrder(act);
  keepLooking().catch(() => {}); // ends only by `stopped`
  return {
    state: () => state,
    room: () => room,
    async look() {
      await inOrder(act);
      return state;
    },
    ranFull: () =>
      inOrder(async () => {
        if (room.isBallastThere) await release();
        await act();
      }),
    async close() {
      stopped.abort();
      await working;
    },
  };
}

async function measureFolder(
  folder: string,
): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}
