// Events of the past, off the journal on disk.

import type { LedgerEvent } from "@gantry/shared/contract/events.ts";
import { journalId, type JournalRow } from "../ledger/journal.ts";
import { coldPrefix } from "../ledger/rows.ts";
import type { OrderedStore } from "../ports.ts";

const JOURNAL = coldPrefix("journal");

/**
 * Events after position `afterId` up to and including `untilId`, one list for each log entry, in order.
 * Only what a checkpoint has written is found: make one first, after `untilId`.
 */
export async function* pastEvents(
  store: OrderedStore,
  afterId: number,
  untilId: number,
): AsyncGenerator<readonly LedgerEvent[], void> {
  const lt = `${JOURNAL}${journalId(untilId + 1)}`;
  let gte = `${JOURNAL}${journalId(afterId + 1)}`;
  // The entry that holds the next position has the key of its first one.
  const before = store.entries({ gte: JOURNAL, lt: gte, reverse: true, limit: 1 });
  for await (const [key] of before) gte = key;
  for await (const [, value] of store.entries({ gte, lt })) {
    const { events } = JSON.parse(new TextDecoder().decode(value)) as JournalRow; // the fold wrote it
    yield events.filter(({ id }) => id > afterId && id <= untilId);
  }
}
