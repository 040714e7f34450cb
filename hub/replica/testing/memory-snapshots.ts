// Test equipment: the SnapshotStore of a simulated hub. The same bytes as the files, in memory; they
// survive a power cut, as a file that was synced and renamed does.

import { GantryError } from "@gantry/shared/base/errors.ts";
import {
  damaged,
  decodeSnapshot,
  encodeSnapshot,
  restoreRows,
  type Take,
  verifySnapshot,
} from "../snapshot-codec.ts";
import { type KeptSnapshot, mismatchOf, type SnapshotStore } from "../snapshot-store.ts";

const KEPT = 2;

export function makeMemorySnapshots(): SnapshotStore {
  const kept = new Map<number, { readonly facts: KeptSnapshot; readonly bytes: Buffer }>();
  let served: { readonly index: number; readonly bytes: Buffer } | undefined;

  const newest = (): readonly KeptSnapshot[] =>
    [...kept.values()].map(({ facts }) => facts).toSorted((a, b) => b.index - a.index);

  function keep(facts: KeptSnapshot, bytes: Buffer): KeptSnapshot {
    kept.set(facts.index, { facts, bytes });
    for (const { index } of newest().slice(KEPT)) kept.delete(index);
    return facts;
  }

  return {
    list: () => Promise.resolve(newest()),
    async write(ledgerStore) {
      const pieces: Uint8Array[] = [];
      const facts = await encodeSnapshot(ledgerStore, (bytes) => {
        pieces.push(bytes.slice());
        return Promise.resolve();
      });
      return keep(facts, Buffer.concat(pieces));
    },
    piece(index, offset, sizeBytes) {
      if (served?.index !== index) {
        const bytes = kept.get(index)?.bytes;
        if (bytes === undefined) return Promise.resolve(undefined);
        served = { index, bytes };
      }
      const { bytes } = served;
      const piece = { bytes: bytes.subarray(offset, offset + sizeBytes), totalBytes: bytes.length };
      return Promise.resolve(piece);
    },
    receive(index) {
      let pieces: Uint8Array[] | undefined = [];
      const name = `snapshot ${index}`;
      return Promise.resolve({
        write(bytes) {
          pieces?.push(bytes.slice());
          return Promise.resolve();
        },
        async finish(expected = {}) {
          const bytes = Buffer.concat(pieces ?? []);
          pieces = undefined;
          const facts = await verifySnapshot(name, bytes.length, takeFrom(bytes));
          const fault = mismatchOf(facts, { index, ...expected });
          if (fault !== undefined) throw damaged(name, fault);
          return keep(facts, bytes);
        },
        abort() {
          pieces = undefined;
          return Promise.resolve();
        },
      });
    },
    async restore({ index }, ledgerStore) {
      const found = kept.get(index);
      const name = `snapshot ${index}`;
      if (found === undefined) throw new GantryError("io_error", `There is no ${name}`);
      await restoreRows(name, decodeSnapshot(name, takeFrom(found.bytes)), ledgerStore);
    },
    close: () => Promise.resolve(),
  };
}

function takeFrom(bytes: Buffer): Take {
  let offset = 0;
  return (length) => {
    const taken = bytes.subarray(offset, offset + length);
    offset += taken.length;
    return Promise.resolve(taken);
  };
}
