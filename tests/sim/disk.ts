// The simulated disk of one hub: the log, and the ledger's checkpoint beside it.
//
// K1. What a sync covers survives everything but bit rot. What it does not may be lost at a power
//     cut: the disk then holds a beginning of the writes in order, each wholly or not at all.
// K2. `log` shows every write that has resolved, and no other.

import { present } from "@gantry/shared/base/assert.ts";
import type {
  Entry,
  HardState,
  Membership,
  Restored,
  StoredLog,
} from "../../hub/consensus/types.ts";
import type { Machine } from "./machine.ts";

export type DiskWrite =
  | {
      readonly kind: "append";
      readonly hardState: HardState | undefined;
      readonly entries: readonly Entry[];
      readonly membership: { readonly value: Membership; readonly index: number } | undefined;
      readonly isSync: boolean;
    }
  | {
      readonly kind: "trim";
      readonly through: number;
      readonly membership: { readonly value: Membership; readonly index: number } | undefined;
      readonly isSync: false;
    }
  | { readonly kind: "reset"; readonly checkpoint: Checkpoint; readonly isSync: true };

export interface Checkpoint {
  readonly index: number;
  readonly term: number;
  readonly membership: Membership;
  readonly machine: Machine;
}

/** What the disk holds at one moment. */
interface Image {
  offset: { index: number; term: number };
  entries: Entry[];
  hardState: HardState;
  membership: Membership;
  membershipIndex: number;
}

export interface Disk {
  readonly log: StoredLog;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly term: number;
  /** Synced; the ledger's own store. */
  checkpoint: Checkpoint | undefined;
  /** Everything up to here was synced and is lost since: the hub must not vote. */
  damage: { readonly index: number; readonly term: number } | undefined;
  /** The write is visible, and with `isSync` it is durable with all before it. */
  resolve(write: DiskWrite): void;
  /** `underWay`: not resolved yet. `keep`: how many unsynced writes survive; Infinity for all. */
  crash(underWay: readonly DiskWrite[], keep: number): void;
  unsynced(): number;
  /** A synced entry cannot be read any more, nor what lies behind it. False if there is none. */
  rot(index: number): boolean;
  restored(): Restored;
}

const lastIndexOf = ({ offset, entries }: Image): number => offset.index + entries.length;
const termIn = ({ offset, entries }: Image, index: number): number | undefined =>
  index === offset.index ? offset.term : entries[index - offset.index - 1]?.term;

export function makeDisk(founders: Membership): Disk {
  const empty = (): Image => ({
    offset: { index: 0, term: 0 },
    entries: [],
    hardState: { term: 0, vote: null, commit: 0 },
    membership: founders,
    membershipIndex: 0,
  });
  let durable = empty();
  let visible = empty();
  let waiting: DiskWrite[] = [];

  const disk: Disk = {
    log: {
      get offset() {
        return visible.offset;
      },
      termAt: (index) => termIn(visible, index),
      entries(from, through, bytesMax) {
        const first = from - visible.offset.index - 1;
        const end = Math.min(through, lastIndexOf(visible)) - visible.offset.index;
        let bytes = visible.entries[first]?.data.length ?? 0;
        let at = first + 1;
        for (; at < end; at += 1) {
          bytes += visible.entries[at]?.data.length ?? 0;
          if (bytes >= bytesMax) break;
        }
        return visible.entries.slice(first, Math.min(at, end));
      },
    },
    get lastIndex() {
      return lastIndexOf(visible);
    },
    get lastTerm() {
      return termIn(visible, lastIndexOf(visible)) ?? 0;
    },
    get term() {
      return visible.hardState.term;
    },
    checkpoint: undefined,
    damage: undefined,
    resolve(write) {
      apply(visible, write);
      waiting.push(write);
      if (!write.isSync) return;
      for (const one of waiting) apply(durable, one);
      waiting = [];
      if (write.kind === "reset") disk.checkpoint = write.checkpoint;
      heal();
    },
    crash(underWay, keep) {
      const all = [...waiting, ...underWay];
      for (const write of all.slice(0, Math.min(keep, all.length))) {
        apply(durable, write);
        if (write.kind === "reset") disk.checkpoint = write.checkpoint;
      }
      waiting = [];
      visible = { ...durable, entries: [...durable.entries] };
    },
    unsynced: () => waiting.length,
    rot(index) {
      if (index <= durable.offset.index || index > lastIndexOf(durable)) return false;
      disk.damage = { index: lastIndexOf(durable), term: durable.hardState.term };
      durable.entries.length = index - durable.offset.index - 1;
      const { commit } = durable.hardState;
      durable.hardState = { ...durable.hardState, commit: Math.min(commit, index - 1) };
      if (durable.membershipIndex >= index) {
        durable.membership = founders;
        durable.membershipIndex = 0;
      }
      visible = { ...durable, entries: [...durable.entries] };
      return true;
    },
    restored: () => ({
      hardState: visible.hardState,
      membership: visible.membership,
      membershipIndex: visible.membershipIndex,
      lastIndex: lastIndexOf(visible),
      lastTerm: termIn(visible, lastIndexOf(visible)) ?? 0,
      appliedIndex: Math.min(disk.checkpoint?.index ?? 0, lastIndexOf(visible)),
    }),
  };

  function apply(image: Image, write: DiskWrite): void {
    if (write.kind !== "reset" && write.membership !== undefined) {
      image.membership = write.membership.value;
      image.membershipIndex = write.membership.index;
    }
    if (write.kind === "append") {
      const first = write.entries[0];
      if (first !== undefined) {
        image.entries.length = first.index - image.offset.index - 1;
        for (const entry of write.entries) image.entries.push(entry);
      }
      if (write.hardState !== undefined) image.hardState = write.hardState;
    } else if (write.kind === "trim") {
      const through = Math.min(write.through, lastIndexOf(image));
      if (through <= image.offset.index) return;
      const term = present(termIn(image, through), "the term of a stored entry");
      image.entries = image.entries.slice(through - image.offset.index);
      image.offset = { index: through, term };
    } else {
      const { index, term, membership } = write.checkpoint;
      image.entries = [];
      image.offset = { index, term };
      image.membership = membership;
      image.membershipIndex = index;
      const { hardState } = image;
      image.hardState = {
        term: Math.max(hardState.term, term),
        vote: term > hardState.term ? null : hardState.vote,
        commit: index,
      };
    }
  }

  /** As the product's log store: all that was lost is committed here again, in a later term. */
  function heal(): void {
    const { damage } = disk;
    if (damage === undefined) return;
    const { commit, term } = durable.hardState;
    if (Math.min(commit, lastIndexOf(durable)) >= damage.index && term > damage.term) {
      disk.damage = undefined;
    }
  }
  return disk;
}
