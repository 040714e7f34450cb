// Takes over the state of another hub: fetches its snapshot, puts it in the place of the log and the
// ledger, and goes on from there.
//
// IN1. The snapshot is whole and on the disk before anything of ours is given up.
// IN2. First the log is reset, then the ledger is replaced: a crash between leaves a ledger that is
//      older than the log, which the start mends from the snapshot (recover.ts).
// IN3. No write of the log and no checkpoint runs meanwhile.
// IN4. Once the log is reset there is no way back: a fault after it ends the process, and the next
//      start goes on from the snapshot (recover.ts).

import { GantryError } from "@gantry/shared/base/errors.ts";
import { TIMEOUT } from "@gantry/shared/base/policy.ts";
import type { Clock } from "@gantry/shared/flow/clock.ts";
import type { Ready } from "../consensus/types.ts";
import type { Ledger } from "../ledger/apply.ts";
import type { LogStore, OrderedStore, PeerLink } from "../ports.ts";
import type { DiskQueue } from "./disk-queue.ts";
import { type AppliedMark, reloadLedger } from "./ledger-store.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { Upkeep } from "./upkeep.ts";

const PIECE_BYTES = 262_144;
const TRIES = 5;
const RETRY_MS = 200;

export interface InstallParts {
  readonly offer: NonNullable<Ready["install"]>;
  readonly isWitness: boolean;
  readonly peers: Pick<PeerLink, "fetch">;
  readonly logStore: LogStore;
  readonly ledgerStore: OrderedStore;
  readonly ledger: Ledger;
  readonly disk: DiskQueue;
  readonly upkeep: Upkeep;
  readonly snapshots: SnapshotStore | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** From now on the log is not what the core knows, until this function has returned. */
  readonly onSwap: () => void;
}

/** IN4. */
export class HalfInstalled extends Error {}

/**
 * Gives the mark of the rows as they are now. Throws unreachable, not_found, timeout, data_damaged, disk_full, io_error: then nothing changed; or
 * HalfInstalled.
 */
export async function installSnapshot(parts: InstallParts): Promise<Partial<AppliedMark>> {
  const { offer, isWitness, logStore, ledgerStore, ledger, disk, upkeep, snapshots } = parts;
  const { index, indexTerm: term, membership } = offer;
  if (isWitness) {
    return disk.run(async () => {
      parts.onSwap();
      await logStore.reset({ index, term, membership });
      return { membership, membershipIndex: index };
    });
  }
  if (snapshots === undefined)
    throw new GantryError("internal", "This hub has nowhere to keep a snapshot");
  await fetchSnapshot(parts, snapshots); // IN1
  return disk.run(async () => {
    await upkeep.settled(); // IN3
    parts.onSwap();
    await logStore.reset({ index, term, membership }); // IN2
    try {
      await snapshots.restore({ index }, ledgerStore);
      const mark = await reloadLedger(ledgerStore, ledger.rows);
      ledger.position = mark.position;
      await upkeep.replaced();
      return mark;
    } catch (cause) {
      throw new HalfInstalled("the ledger could not be replaced", { cause });
    }
  });
}

async function fetchSnapshot(parts: InstallParts, snapshots: SnapshotStore): Promise<void> {
  const { offer, peers, clock, signal } = parts;
  const what = { kind: "snapshot", index: offer.index } as const;
  const writer = await snapshots.receive(offer.index);
  try {
    for (let offset = 0, totalBytes = Infinity; offset < totalBytes;) {
      const piece = await retry(parts, () =>
        peers.fetch(offer.from, what, offset, PIECE_BYTES, clock.timeout(TIMEOUT.pieceMs, signal)),
      );
      await writer.write(piece.bytes);
      offset += piece.bytes.length;
      totalBytes = piece.totalBytes;
      if (piece.bytes.length === 0 && offset < totalBytes)
        throw new GantryError("data_damaged", "The snapshot ended before its length");
    }
    await writer.finish({ term: offer.indexTerm });
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function retry<T>({ clock, signal }: InstallParts, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const isFinal = error instanceof GantryError && !error.kind.retry;
      if (isFinal || tries >= TRIES || signal.aborted) throw error;
      await clock.sleep(RETRY_MS * tries, signal);
    }
  }
}
