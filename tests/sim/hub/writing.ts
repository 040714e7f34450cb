// What a hub writes, on its way to the disk.
//
// B3. `after` and `stored` come when a write and all before it are synced, never earlier.
// B4. While the hub is paused its disk goes on.

import type { Message, Ready } from "../../../hub/consensus/types.ts";
import type { Checkpoint, DiskWrite } from "../disk.ts";
import type { Inside } from "./inside.ts";

interface Waiting {
  readonly write: DiskWrite;
  readonly after: readonly Message[];
}

export interface Writing {
  take(write: NonNullable<Ready["write"]>): void;
  /** The membership that the next write has to keep, once. */
  takeChanged(): Inside["changed"];
  /** A write of the driver's own; it leaves with the next `start`. */
  push(write: DiskWrite): void;
  start(): void;
  /** `keep`: unsynced writes that survive. */
  crash(keep: number): void;
}

/** `onReset`: the log has been replaced by this checkpoint. */
export function makeWriting(inside: Inside, onReset: (checkpoint: Checkpoint) => void): Writing {
  const { hub, life, shared } = inside;
  const { world, mix, network, oracle } = shared;
  let waiting: Waiting[] = [];
  /** Under way on the disk. */
  let underWay: readonly DiskWrite[] = [];
  let isWriting = false;

  function take({ hardState, entries, after, isSync }: NonNullable<Ready["write"]>): void {
    const kept =
      hardState !== undefined && shared.driverFault === "voteNotKept"
        ? { ...hardState, vote: null }
        : hardState;
    if (entries.length > 0) tell(entries);
    waiting.push({
      write: { kind: "append", hardState: kept, entries, membership: takeChanged(), isSync },
      after,
    });
    if (shared.driverFault === "ackBeforeSync" && after.length > 0) network.send(after);
  }

  /** A snapshot that is about to be written has a newer one. */
  function takeChanged(): Inside["changed"] {
    const isReplaced = [...underWay, ...waiting.map(({ write }) => write)].some(isReset);
    const { changed } = inside;
    inside.changed = undefined;
    return isReplaced ? undefined : changed;
  }

  function tell(entries: NonNullable<Ready["write"]>["entries"]): void {
    inside.terms.length = entries[0]?.index ?? 0;
    for (const { index, term } of entries) inside.terms[index] = term;
    oracle.wrote(entries, (index) => inside.terms[index]);
    for (const { kind, index, term, data } of entries) {
      if (kind !== "membership") continue;
      world.note(
        () => `${hub.id} writes change ${index} of term ${term}: ${String.fromCharCode(...data)}`,
      );
    }
  }

  function start(): void {
    if (isWriting || waiting.length === 0) return;
    isWriting = true;
    const count = mix.faults.has("singleWrites") && shared.isStormy ? 1 : waiting.length;
    const batch = waiting.splice(0, count);
    underWay = batch.map(({ write }) => write);
    const isAlive = life.watch();
    const finish = (): void => {
      if (!isAlive()) return;
      const waitMs = hub.isDiskFull ? 20 : Math.min(hub.stallUntil - world.now, 20);
      if (waitMs > 0) {
        world.after(waitMs, finish); // tried again until there is room, or the stall is over
        return;
      }
      for (const write of underWay) hub.disk.resolve(write); // B4
      underWay = [];
      const { lastIndex, lastTerm, term } = hub.disk;
      life.happens(() => stored(batch, lastIndex, lastTerm, term))();
    };
    const [low, high] = mix.diskMs;
    const slowest = shared.isStormy ? high : Math.min(high, 3);
    world.after(low + world.random() * (slowest - low), finish);
  }

  function stored(batch: readonly Waiting[], index: number, lastTerm: number, term: number): void {
    isWriting = false;
    for (const { write, after } of batch) {
      if (after.length > 0 && shared.driverFault !== "ackBeforeSync") network.send(after); // B3
      if (write.kind === "reset") onReset(write.checkpoint);
    }
    if (batch.some(({ write }) => write.kind === "append" && write.isSync)) {
      hub.core?.step({ type: "stored", term, index, lastTerm });
    }
    inside.pump();
  }

  return {
    take,
    takeChanged,
    push(write) {
      waiting.push({ write, after: [] });
    },
    start,
    crash(keep) {
      hub.disk.crash(underWay, keep);
      waiting = [];
      underWay = [];
      isWriting = false;
    },
  };
}

const isReset = ({ kind }: DiskWrite): boolean => kind === "reset";
