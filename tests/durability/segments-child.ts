// The process that segments.test.ts kills: a log in small segments, written and trimmed. It writes a
// line on stdout for each entry that was synced, after it was: `ack INDEX`.

import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { openSegmentStore } from "../../hub/adapters/segment-store.ts";
import type { StoreOperation } from "../../hub/ports.ts";
import { entryAt, entryKey, KEPT, numberIn, numberOf, SEGMENT_BYTES } from "./segments-log.ts";

const TRIM_EVERY = 7;

const [folder = ""] = process.argv.slice(2);
const store = await openSegmentStore(folder, {
  segmentBytes: SEGMENT_BYTES,
  drawSalt: () => randomBytes(8),
});
let offset = numberIn(store.getSync("offset"));
let index = numberIn(store.getSync("last"));
for (;;) {
  index += 1;
  await store.batch(
    [
      { type: "put", key: entryKey(index), value: entryAt(index) },
      { type: "put", key: "last", value: numberOf(index) },
    ],
    { sync: true },
  );
  writeSync(1, `ack ${index}\n`);
  if (index % TRIM_EVERY !== 0 || index - offset <= KEPT) continue;
  const operations: StoreOperation[] = [];
  for (; offset < index - KEPT; offset += 1) {
    operations.push({ type: "del", key: entryKey(offset + 1) });
  }
  operations.push({ type: "put", key: "offset", value: numberOf(offset) });
  await store.batch(operations, { sync: false });
}
